"""Service clocks: what happened in a case, and what follows for a promise about its times.

A clock only keeps what happened, in order of time. Deadlines, states and what is due next are
worked out from that, so that it makes no difference when and in which order the clock was told.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from engine.business_hours import (
    BusinessHours,
    add_business_time,
    business_time,
    with_holidays_until,
)
from engine.service_runs import Happening, Mark, Run, in_order, runs
from engine.service_terms import Promise

HOLIDAYS_KEPT = timedelta(days=2 * 365)
"""How far a clock knows holidays beyond its start."""


class Step(StrEnum):
    """What a clock asks to be done."""

    WARN = "warn"
    BREACH = "breach"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One step of a clock: due at `at`, for what has been running since `began`.

    `level`: the name of the escalation level; `owner`: who takes over there.
    """

    at: datetime
    step: Step
    began: datetime
    level: str = ""
    owner: str = ""


class ClockState(StrEnum):
    """A clock in one word, as search attributes show it."""

    IDLE = "idle"
    RUNNING = "running"
    DUE_SOON = "due soon"
    PAUSED = "paused"
    BREACHED = "breached"
    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A clock at one moment: `used` is business time without pauses.

    `deadline` is None while it is not known: nothing is owed, or the clock is paused before it.
    """

    state: ClockState
    began: datetime
    deadline: datetime | None = None
    ended: datetime | None = None
    used: timedelta = timedelta()

    @property
    def due_at(self) -> datetime | None:
        """The deadline of what is still open."""
        return None if self.ended else self.deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """Replies by people and by bots, each counted by itself."""

    human: int = 0
    bot: int = 0
    first_human: datetime | None = None
    first_bot: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClock:
    """A promise that is being kept, with the terms and hours that held when it started.

    `marks` are in order of time, `done` holds the steps that were taken.
    """

    promise: Promise
    hours: BusinessHours
    started: datetime
    marks: tuple[Mark, ...] = ()
    done: tuple[Due, ...] = ()


def start(promise: Promise, hours: BusinessHours, at: datetime) -> ServiceClock:
    """A clock from `at` on. What a later bundle says, or a library of holidays, changes nothing."""
    kept = with_holidays_until(hours, at, at + HOLIDAYS_KEPT)
    return ServiceClock(promise=promise, hours=kept, started=at)


def heard(clock: ServiceClock, *marks: Mark) -> ServiceClock:
    """The clock with more of what happened, told in any order and any number of times."""
    known = list(clock.marks)
    for mark in marks:
        if mark not in known and mark.at >= clock.started:
            insort(known, mark, key=in_order)
    return replace(clock, marks=tuple(known))


def reading(clock: ServiceClock, now: datetime) -> Reading:
    """The clock at `now`, by what had happened by then."""
    every = _runs(clock, now)
    if not every:
        return Reading(state=ClockState.IDLE, began=clock.started)
    return _reading(clock, every[-1], now)


def readings(clock: ServiceClock, now: datetime) -> tuple[Reading, ...]:
    """One for each time that the promise had to be kept: next responses are owed many times."""
    return tuple(_reading(clock, run, now) for run in _runs(clock, now))


def next_due(clock: ServiceClock, now: datetime) -> Due | None:
    """The next step, now or later: what one timer waits for, and looks at again when it fires.

    Nothing is due while the customer is awaited, nor once the promise is kept or ended. Steps come
    in order; a warning that would come after the deadline is left out.
    """
    every = _runs(clock, now)
    if not every or every[-1].ended or every[-1].paused:
        return None
    run, before = every[-1], {(due.began, due.step, due.level) for due in clock.done}
    deadline = _when(clock, run, clock.promise.within)
    for used, due in _steps(clock, run):
        too_late = due.step is Step.WARN and deadline is not None and deadline <= now
        at = _when(clock, run, used)
        if at is not None and not too_late and (due.began, due.step, due.level) not in before:
            return replace(due, at=at)
    return None


def taken(clock: ServiceClock, due: Due) -> ServiceClock:
    """The clock after a step was taken: it does not come again."""
    return replace(clock, done=(*clock.done, due))


def replies(clock: ServiceClock) -> Replies:
    """Who has replied so far."""
    human = [mark.at for mark in clock.marks if mark.what is Happening.HUMAN_REPLIED]
    bot = [mark.at for mark in clock.marks if mark.what is Happening.BOT_REPLIED]
    return Replies(
        human=len(human),
        bot=len(bot),
        first_human=human[0] if human else None,
        first_bot=bot[0] if bot else None,
    )


def _runs(clock: ServiceClock, now: datetime) -> list[Run]:
    return runs(clock.promise, clock.started, (mark for mark in clock.marks if mark.at <= now))


def _reading(clock: ServiceClock, run: Run, now: datetime) -> Reading:
    deadline = _when(clock, run, clock.promise.within)
    return Reading(
        state=_state(clock, run, deadline, now),
        began=run.began,
        deadline=deadline,
        ended=run.ended,
        used=_used(clock, run, now),
    )


def _state(clock: ServiceClock, run: Run, deadline: datetime | None, now: datetime) -> ClockState:
    if run.ended is not None:
        late = deadline is not None and run.ended > deadline
        return ClockState.MISSED if late else ClockState.MET
    if deadline is not None and deadline <= now:
        return ClockState.BREACHED
    if run.paused:
        return ClockState.PAUSED
    warn_before = clock.promise.warn_before
    if warn_before is None:
        return ClockState.RUNNING
    warned = _when(clock, run, clock.promise.within - warn_before)
    return ClockState.DUE_SOON if warned is not None and warned <= now else ClockState.RUNNING


def _steps(clock: ServiceClock, run: Run) -> Iterator[tuple[timedelta, Due]]:
    """Each step with the business time after which it is due."""
    promise, at = clock.promise, run.began
    if promise.warn_before is not None:
        used = promise.within - promise.warn_before
        yield used, Due(at=at, step=Step.WARN, began=at)
    yield promise.within, Due(at=at, step=Step.BREACH, began=at)
    for one in promise.escalation:
        due = Due(at=at, step=Step.ESCALATE, began=at, level=one.name, owner=one.owner)
        yield promise.within + one.after, due


def _when(clock: ServiceClock, run: Run, used: timedelta) -> datetime | None:
    """The moment at which so much business time is used; None while that is open."""
    for begins, ends in run.stretches:
        if ends is None:
            return add_business_time(clock.hours, begins, used)
        here = business_time(clock.hours, begins, ends)
        if here >= used:
            return add_business_time(clock.hours, begins, used)
        used -= here
    return None


def _used(clock: ServiceClock, run: Run, now: datetime) -> timedelta:
    end = run.ended or now
    counted = ((begins, min(ends or end, end)) for begins, ends in run.stretches)
    return sum((business_time(clock.hours, *each) for each in counted), timedelta())
