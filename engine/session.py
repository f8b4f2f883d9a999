"""What was answered in the session that is going on is not offered again in it."""

from __future__ import annotations

from engine.moment import Moment
from engine.shelf import Place
from engine.types import Drop


def silenced(place: Place, moment: Moment) -> Drop | None:
    """Why an action is not offered again in this session, if it is not."""
    return None
