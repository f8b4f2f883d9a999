"""The emergency stop, and the floor under the margin: what the business never wants to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from engine.catalog import Action, Exclusion, MarginFloor
from engine.logic import number
from engine.moment import Moment
from engine.shelf import Place
from engine.types import Drop, Stage


def excluded(place: Place, moment: Moment) -> Drop | None:
    """The emergency stop that covers an action on its channel, the one that ends last."""
    stops = in_force(place, moment.now)
    if not stops:
        return None
    last = max(stops, key=lambda one: (one.until is None, one.until or moment.now, one.name))
    return Drop(
        stage=Stage.EXCLUSION,
        rule=f"exclusion:{last.name}",
        detail=last.because,
        until=last.until,
    )


def in_force(place: Place, now: datetime) -> list[Exclusion]:
    """The emergency stops that cover an action on its channel and have not ended."""
    return [one for one in place.exclusions if one.until is None or one.until > now]


def may_miss_floors(action: Action, floors: Sequence[MarginFloor]) -> bool:
    """Whether an action may be below a margin floor for anybody."""
    if action.margin is None or not floors:
        return False
    margin = None if action.margin.names else number(action.margin(lambda _: None))
    return margin is None or margin < max(one.floor for one in floors)


def below_margin(place: Place, moment: Moment) -> Iterator[Drop]:
    """The margin floors that an action with a stated margin does not reach.

    A margin at or above the floor passes, whoever it is for. Else whether the floor applies must be
    known, and it must not; a margin that is not known reaches no floor.
    """
    if place.action.margin is None:
        return
    margin = number(place.action.margin(moment.lookup))
    for floor in moment.bundle.margin_floors:
        if margin is not None and margin >= floor.floor:
            continue
        applies = floor.condition(moment.lookup)
        if applies is False:
            continue
        failed, unknown = floor_drops(floor)
        yield unknown if applies is None or margin is None else failed


def floor_drops(floor: MarginFloor) -> tuple[Drop, Drop]:
    """What an action is dropped for that does not reach a floor, and that perhaps does not."""
    failed, unknown = (
        Drop(stage=Stage.SUITABILITY, rule=f"margin:{floor.name}", detail=detail)
        for detail in (floor.because, f"not known: {floor.because}")
    )
    return failed, unknown
