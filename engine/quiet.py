"""Quiet hours: when nothing is sent, and when they end."""

from __future__ import annotations

from engine.moment import Moment
from engine.shelf import Place
from engine.types import Drop


def hushed(place: Place, moment: Moment) -> Drop | None:
    """The quiet hours that stop a message now: in a decision only those that drop it."""
    return None
