"""The emergency stop, and the floor under the margin: what the business never wants to say."""

from __future__ import annotations

from collections.abc import Iterator

from engine.logic import number
from engine.moment import Moment
from engine.shelf import Place
from engine.types import Drop, Stage


def excluded(place: Place, moment: Moment) -> Drop | None:
    """The emergency stop that covers an action on its channel, the one that ends last."""
    in_force = [one for one in place.exclusions if one.until is None or one.until > moment.now]
    if not in_force:
        return None
    last = max(in_force, key=lambda one: (one.until is None, one.until or moment.now, one.name))
    return Drop(
        stage=Stage.EXCLUSION,
        rule=f"exclusion:{last.name}",
        detail=last.because,
        until=last.until,
    )


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
        unknown = applies is None or margin is None
        yield Drop(
            stage=Stage.SUITABILITY,
            rule=f"margin:{floor.name}",
            detail=f"not known: {floor.because}" if unknown else floor.because,
        )
