"""Volumes: how much is left of what is limited for all customers together, and for whom."""

from __future__ import annotations

from engine.catalog import Volume
from engine.moment import Moment
from engine.shelf import Place
from engine.types import Drop, Reservation


def bucket(volume: Volume, moment: Moment) -> str:
    """The name under which units of this period, and of this customer's property, are counted."""
    return volume.name


def taken(
    place: Place, moment: Moment, before: tuple[Reservation, ...]
) -> tuple[Reservation, ...] | Drop:
    """What an offer would take, given what other offers of this decision take; or what is used up.

    What is kept for this customer and action already is taken again, and counts once.
    """
    return ()


def boosts(moment: Moment) -> dict[str, float]:
    """The percents that volumes behind their minimum add to C of their actions, by action."""
    return {}
