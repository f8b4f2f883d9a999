"""What was answered in the session that is going on is not offered again in it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from engine.moment import Moment
from engine.packed import groups, since
from engine.shelf import Place
from engine.types import ContactKind, Drop, Stage
from engine.windows import from_milliseconds, milliseconds

_PRESENT = (ContactKind.IMPRESSION, ContactKind.RESPONSE)
"""What shows that a customer is there: a message that is sent to one does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The session that is going on: until when, if nothing more happens, and what was in it."""

    until: datetime
    answers: dict[str, str] = field(default_factory=dict[str, str])
    """The latest answer to an action, of those that silence it."""
    shown: Counter[str] = field(default_factory=Counter[str])


def silenced(place: Place, moment: Moment) -> Drop | None:
    """Why an action is not offered again in this session, if it is not. Exempt ones are."""
    terms = moment.bundle.session
    if (not terms.silenced_by and terms.most_shown is None) or place.spared is not None:
        return None
    visit = moment.once("visit", _visit)
    if visit is None:
        return None
    name = place.action.name
    if (outcome := visit.answers.get(name)) is not None:
        detail = f"the answer to it in this session was {outcome}"
        return _drop(outcome, detail, visit)
    if terms.most_shown is not None and visit.shown[name] >= terms.most_shown:
        times = "once" if terms.most_shown == 1 else f"{terms.most_shown} times"
        return _drop("most_shown", f"it was shown {times} in this session", visit)
    return None


def awake(moment: Moment) -> bool:
    """Whether anything at all is silenced in this session."""
    terms = moment.bundle.session
    if not terms.silenced_by and terms.most_shown is None:
        return False
    visit = moment.once("visit", _visit)
    if visit is None or visit.answers:
        return visit is not None
    most = max(visit.shown.values(), default=0)
    return terms.most_shown is not None and most >= terms.most_shown


def touched(moment: Moment) -> Collection[str]:
    """The actions that something happened to in this session, if that may silence anything."""
    if not awake(moment):
        return ()
    visit = moment.once("visit", _visit)
    return {*visit.answers, *visit.shown} if visit is not None else ()


def _drop(rule: str, detail: str, visit: Visit) -> Drop:
    return Drop(stage=Stage.SESSION, rule=f"session:{rule}", detail=detail, until=visit.until)


def _visit(moment: Moment) -> Visit | None:
    """Nothing where there is no session: nothing happened for too long, or ever."""
    span = _span(moment)
    if span is None:
        return None
    started, until = span
    visit = Visit(until=until)
    for contact in since(moment.snapshot.contacts, started):
        if contact.kind is ContactKind.IMPRESSION:
            visit.shown[contact.action] += 1
        elif contact.outcome in moment.bundle.session.silenced_by:
            visit.answers[contact.action] = contact.outcome
    return visit


def _span(moment: Moment) -> tuple[int, datetime] | None:
    """When the session started, in milliseconds since 1970, and until when it goes on.

    It is what is remembered of it, and what the contacts tell: one that came less than `idle` after
    the last prolongs it, a later one starts another.
    """
    idle = moment.bundle.session.idle
    wait = round(idle.total_seconds() * 1000)
    remembered = moment.snapshot.session
    started = milliseconds(remembered.started) if remembered else None
    last = milliseconds(remembered.last) if remembered else None
    found = groups(moment.snapshot.contacts)
    ends = [times[-1] for what, times in found if what.kind in _PRESENT]
    latest = max(ends if last is None else [last, *ends], default=None)
    if latest is None or moment.now >= (until := from_milliseconds(latest) + idle):
        return None
    present = (times for what, times in found if what.kind in _PRESENT)
    for at in _from(present, last):
        if last is None or at - last >= wait:
            started = at
        last = at if last is None else max(last, at)
    return None if started is None else (started, until)


def _from(present: Iterable[Sequence[int]], last: int | None) -> list[int]:
    """The times that are not before the last that is remembered, in order."""
    if last is None:
        return sorted(at for times in present for at in times)
    late = (times for times in present if times[-1] >= last)
    return sorted(at for times in late for at in times[bisect_left(times, last) :])
