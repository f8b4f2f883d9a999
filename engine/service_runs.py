"""What happens in a case, and the stretches of time that count towards a promise about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engine.service_terms import Promise, Target


class Happening(StrEnum):
    """What moves clocks; of the same moment, the earlier in this list is taken to come first."""

    CUSTOMER_ANSWERED = "customer answered"
    BOT_REPLIED = "bot replied"
    HUMAN_REPLIED = "human replied"
    WAITING = "waiting for customer"
    RESOLVED = "resolved"
    REOPENED = "reopened"


_RESUMES = (Happening.CUSTOMER_ANSWERED, Happening.RESOLVED, Happening.REOPENED)
"""What ends waiting for the customer."""
_OWES_REPLY = (Happening.CUSTOMER_ANSWERED, Happening.REOPENED)
_RANK = {happening: rank for rank, happening in enumerate(Happening)}


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened in a case; `id` tells two of the same kind and moment apart."""

    at: datetime
    what: Happening
    id: str = ""


def in_order(mark: Mark) -> tuple[datetime, int, str]:
    """By what marks are sorted."""
    return mark.at, _RANK[mark.what], mark.id


Stretch = tuple[datetime, datetime | None]
"""From a moment to another one; None: it is not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One time that a promise has to be kept, from `began` until it `ended`.

    `stretches` is the time that counts, as if it had not ended; the last one is open unless the
    customer is awaited.
    """

    began: datetime
    ended: datetime | None
    stretches: tuple[Stretch, ...]

    @property
    def paused(self) -> bool:
        """Whether it waits for the customer."""
        return self.ended is None and (not self.stretches or self.stretches[-1][1] is not None)


def runs(promise: Promise, started: datetime, marks: Iterable[Mark]) -> list[Run]:
    """The runs of a promise in a case that started then; `marks` are in order of time.

    A resolution is a response, too: nothing more is owed. A total resolution has one run, and goes
    on when the case is reopened as if it had never been resolved: the time in between counts.
    """
    marks = tuple(marks)
    pauses = tuple(_pauses(marks)) if promise.pauses else ()
    return [
        Run(began=began, ended=ended, stretches=tuple(_between(pauses, began, ended)))
        for began, ended in _bounds(promise, started, marks)
    ]


def _bounds(promise: Promise, started: datetime, marks: tuple[Mark, ...]) -> Iterator[Stretch]:
    if promise.target is Target.TOTAL_RESOLUTION:
        yield started, _resolved_for_good(marks)
    elif promise.target is Target.NEXT_RESPONSE:
        yield from _exchanges(marks, _ends(promise))
    else:
        ends = _ends(promise)
        yield started, next((mark.at for mark in marks if mark.what in ends), None)


def _ends(promise: Promise) -> tuple[Happening, ...]:
    """What keeps the promise, or ends it."""
    if promise.target is Target.FIRST_RESOLUTION:
        return (Happening.RESOLVED,)
    bots = (Happening.BOT_REPLIED,) if promise.bots_count else ()
    return (Happening.HUMAN_REPLIED, Happening.RESOLVED, *bots)


def _resolved_for_good(marks: Iterable[Mark]) -> datetime | None:
    ended: datetime | None = None
    for mark in marks:
        if mark.what is Happening.REOPENED:
            ended = None
        elif mark.what is Happening.RESOLVED:
            ended = ended or mark.at
    return ended


def _exchanges(marks: Iterable[Mark], ends: tuple[Happening, ...]) -> Iterator[Stretch]:
    """After the first response: from the first message that nobody has answered to its answer."""
    responded, began = False, None
    for mark in marks:
        if mark.what in ends:
            if began is not None:
                yield began, mark.at
            responded, began = True, None
        elif mark.what in _OWES_REPLY and responded:
            began = began or mark.at
    if began is not None:
        yield began, None


def _pauses(marks: Iterable[Mark]) -> Iterator[Stretch]:
    since: datetime | None = None
    for mark in marks:
        if mark.what is Happening.WAITING:
            since = since or mark.at
        elif mark.what in _RESUMES and since is not None:
            yield since, mark.at
            since = None
    if since is not None:
        yield since, None


def _between(
    pauses: Iterable[Stretch], began: datetime, ended: datetime | None
) -> Iterator[Stretch]:
    """The time since `began` without the pauses; those after the end don't count."""
    at: datetime | None = began
    for since, until in pauses:
        if at is None or (ended is not None and since >= ended):
            break
        if since > at:
            yield at, since
        at = until if until is None else max(at, until)
    if at is not None:
        yield at, None
