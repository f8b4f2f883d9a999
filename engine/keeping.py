"""Places in a limit that are kept for worthier messages, which journeys have planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from engine.arbitration import value_of
from engine.catalog import ContactLimit
from engine.contact import counted
from engine.counting import SENT, subject
from engine.moment import Moment
from engine.shelf import Place
from engine.types import ContactKind, Drop, JourneyState, Planned, Stage
from engine.windows import milliseconds, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message that a journey has planned, and its time in milliseconds since 1970."""

    journey: JourneyState
    planned: Planned
    at: int


def kept(place: Place, moment: Moment) -> Drop | None:
    """The limit whose last places are kept for a worthier message, the one whose wait is longest.

    Worthier is what promises more than prior x V of the action: what its models would say is not
    known yet, and the value of a plan stands for a priority. Mandatory actions take any place. What
    can't be valued when it is sent is not compared again: it was when it was decided.
    """
    if not moment.snapshot.journeys or place.action.mandatory:
        return None
    waiting = moment.once("waiting", _waiting)
    limits = [one for one in place.limits if one.keeps_for_better is not None]
    if not waiting or not limits or (promised := _promised(place, moment)) is None:
        return None
    better = [one for one in waiting if one.planned.value > promised]
    found = [
        (loser.at, limit.name, loser)
        for limit in limits
        if (loser := _loser(limit, place, moment, better)) is not None
    ]
    if not found:
        return None
    _, name, loser = max(found, key=lambda one: one[:2])
    return _drop(name, loser)


def awake(moment: Moment) -> bool:
    """Whether another journey has planned a message."""
    return bool(moment.snapshot.journeys and moment.once("waiting", _waiting))


def _drop(name: str, loser: Waiting) -> Drop:
    planned = loser.planned
    when = planned.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    detail = (
        f"a place in the limit {name} is kept for the {loser.journey.kind} journey, which will send"
        f" something worth more on {planned.channel} at {when}"
    )
    return Drop(stage=Stage.CONTACT_LIMIT, rule=f"kept:{name}", detail=detail, until=planned.at)


def _waiting(moment: Moment) -> tuple[Waiting, ...]:
    """What other journeys will send, soonest first."""
    found = [
        Waiting(journey=one, planned=one.planned, at=milliseconds(one.planned.at))
        for one in moment.snapshot.journeys
        if one.planned is not None and one.planned.at > moment.now and one.id != moment.journey
    ]
    return tuple(sorted(found, key=lambda one: (one.at, one.journey.id)))


def _promised(place: Place, moment: Moment) -> float | None:
    if moment.sending and place.action.value(moment.lookup) is None:
        return None
    return place.action.prior * value_of(place.action, moment.bundle, moment.lookup)


def _loser(
    limit: ContactLimit, place: Place, moment: Moment, better: Sequence[Waiting]
) -> Waiting | None:
    """The first planned message that finds a place now, but none once this action takes one.

    Each counts with what will still be in its window when its time comes: a limit that frees by
    then keeps nothing.
    """
    contenders = [one for one in better if _contends(one, limit, place, moment)]
    if not contenders or not _would_count(limit, moment):
        return None
    times = counted(limit, moment).get(subject(limit.per, place.action), ())
    without = _left_out(limit, moment, times, contenders)
    lost = _left_out(limit, moment, [*times, milliseconds(moment.now)], contenders)
    missed = min(lost - without, default=None)
    return None if missed is None else contenders[missed]


def _contends(one: Waiting, limit: ContactLimit, place: Place, moment: Moment) -> bool:
    """Whether a planned message is due soon enough, and takes a place of the same kind.

    Which action it will be is not known yet: where a limit is for actions or groups, it takes none.
    """
    planned, reach = one.planned, limit.reach
    soon = limit.keeps_for_better is not None and planned.at - moment.now <= limit.keeps_for_better
    return (
        soon
        and not limit.kinds.isdisjoint(SENT)
        and not (reach.actions or reach.groups or limit.per in ("action", "group"))
        and (not reach.purposes or planned.purpose in reach.purposes)
        and (not reach.channels or planned.channel in reach.channels)
        and (limit.per != "purpose" or planned.purpose == place.action.purpose)
        and (not limit.per_channel or planned.channel == moment.channel)
    )


def _would_count(limit: ContactLimit, moment: Moment) -> bool:
    if moment.in_page:
        return ContactKind.IMPRESSION in limit.kinds
    return not limit.kinds.isdisjoint(SENT)


def _left_out(
    limit: ContactLimit, moment: Moment, times: Sequence[int], contenders: Sequence[Waiting]
) -> set[int]:
    """Which messages find the limit full when their time comes, one after the other."""
    taken, lost = list(times), set[int]()
    for place, one in enumerate(contenders):
        since = milliseconds(opened(limit.window, one.planned.at, moment.zones))
        if sum(at > since for at in taken) < limit.maximum:
            taken.append(one.at)
        else:
            lost.add(place)
    return lost
