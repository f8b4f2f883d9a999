"""Contact policies: after so many of an outcome, silence for a while. Ends are derived."""

from __future__ import annotations

from engine.moment import Moment
from engine.shelf import Place
from engine.types import Drop


def suppressed(place: Place, moment: Moment) -> Drop | None:
    """The contact policy that silences an action for longest, if one does."""
    return None
