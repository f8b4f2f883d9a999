"""The log of a real service desk as marks of service clocks: 24,918 tickets with their own verdict.

Incident management process enriched event log, C. Amaral, M. Fantinato and S. Peres, CC BY 4.0.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from engine.service_clocks import ClockState, ServiceClock, heard, reading, start
from engine.service_runs import Happening, Mark
from engine.service_terms import Promise, Target
from tests.support.hours import office

LOG = Path(__file__).parents[3] / "shared/data/it_incidents/incident_event_log.csv.gz"
DESK = office("Etc/GMT+7", spans=("00:00-00:00",))
"""Around the clock on weekdays. The log names no zone; its weekends are about seven hours late."""
ANY_LIMIT = timedelta(hours=1)
_AWAITING, _DONE = "Awaiting User Info", ("Resolved", "Closed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket with what happened to it, and whether the log says it was in time."""

    number: str
    priority: str
    opened: datetime
    closed: datetime
    in_time: bool
    reopened: int
    marks: tuple[Mark, ...]

    def clock(self, within: timedelta, *, pauses: bool, until_closed: bool) -> ServiceClock:
        """The clock of its total resolution; `until_closed`: what was resolved is not over yet."""
        promise = Promise(
            name=f"priority {self.priority}",
            target=Target.TOTAL_RESOLUTION,
            within=within,
            hours=DESK.name,
            pauses=pauses,
        )
        marks: Iterable[Mark] = self.marks
        if until_closed:
            marks = [mark for mark in marks if mark.what is not Happening.RESOLVED]
        clock = heard(start(promise, DESK, self.opened), *marks)
        return heard(clock, Mark(self.closed, Happening.RESOLVED))


def tickets(log: Path = LOG) -> list[Ticket]:
    """All of them, in the order of the log."""
    with gzip.open(log, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        return [_ticket(list(its)) for _, its in groupby(rows, key=lambda row: row["number"])]


def _ticket(rows: list[dict[str, str]]) -> Ticket:
    last = rows[-1]
    return Ticket(
        number=last["number"],
        priority=last["priority"],
        opened=_at(last["opened_at"]),
        closed=_at(last["closed_at"]),
        in_time=last["made_sla"] == "true",
        reopened=int(last["reopen_count"]),
        marks=tuple(_marks(rows)),
    )


def _marks(rows: list[dict[str, str]]) -> Iterable[Mark]:
    """From the states that it went through."""
    before = ""
    for row in rows:
        at, state = _at(row["sys_updated_at"]), row["incident_state"]
        if state != before:
            if state == _AWAITING:
                yield Mark(at, Happening.WAITING)
            elif state in _DONE and before not in _DONE:
                yield Mark(at, Happening.RESOLVED)
            elif before in _DONE and state not in _DONE:
                yield Mark(at, Happening.REOPENED)
            elif before == _AWAITING:
                yield Mark(at, Happening.CUSTOMER_ANSWERED)
        before = state


def _at(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often clocks say what the log says; `limits` by priority were learnt elsewhere."""

    limits: dict[str, timedelta]
    agreed: int
    asked: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.agreed / self.asked


def agreement(every: list[Ticket], *, pauses: bool, until_closed: bool) -> Agreement:
    """Learns the limits on the older half of the tickets, and compares on the newer half."""
    half = len(every) // 2
    used: dict[str, list[tuple[timedelta, bool]]] = {}
    for ticket in every[:half]:
        clock = ticket.clock(ANY_LIMIT, pauses=pauses, until_closed=until_closed)
        found = used.setdefault(ticket.priority, [])
        found.append((reading(clock, ticket.closed).used, ticket.in_time))
    limits = {priority: _best_limit(sorted(found)) for priority, found in used.items()}
    agreed = 0
    for ticket in every[half:]:
        limit = limits[ticket.priority]
        clock = ticket.clock(limit, pauses=pauses, until_closed=until_closed)
        state = reading(clock, ticket.closed).state
        agreed += (state is ClockState.MET) is ticket.in_time
    return Agreement(limits=limits, agreed=agreed, asked=len(every) - half)


def _best_limit(found: list[tuple[timedelta, bool]]) -> timedelta:
    """The limit with which most would be judged as they were."""
    agreed = best = sum(not in_time for _, in_time in found)
    limit = timedelta(seconds=1)
    for used, in_time in found:
        agreed += 1 if in_time else -1
        if agreed > best:
            best, limit = agreed, used
    return limit


def shuffled(ticket: Ticket, marks: list[Mark]) -> ServiceClock:
    """Its clock, told of these marks one by one."""
    clock = replace(ticket.clock(ANY_LIMIT, pauses=True, until_closed=False), marks=())
    for mark in (*marks, Mark(ticket.closed, Happening.RESOLVED)):
        clock = heard(clock, mark)
    return clock
