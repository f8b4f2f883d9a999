"""Holds that operators place and end in their own name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.errors import HoldOwnedByJourney, UnknownHold
from engine.ledger import ids
from engine.types import Hold, HoldState

OPERATOR = "operator:"
"""Before the name of an operator who owns a hold."""


def placed_by(
    author: str,
    now: datetime,
    until: datetime | None,
    purposes: Sequence[str],
    tags: Sequence[str],
    because: str,
) -> Hold:
    """A new hold in an operator's name."""
    return Hold(
        id=f"{OPERATOR}{ids.sortable_id(now)}",
        purposes=tuple(purposes),
        tags=tuple(tags),
        since=now,
        until=until,
        because=because,
        owner=OPERATOR + author,
        seq=0,
    )


def to_be_ended(hold_id: str, held: Sequence[tuple[str, Hold]]) -> Hold:
    """The hold of that id among all of a customer, where an operator may end it.

    Raises UnknownHold, and HoldOwnedByJourney while the owning journey runs.
    """
    hold = next((hold for _, hold in held if hold.id == hold_id), None)
    if hold is None:
        raise UnknownHold(f"there is no hold {hold_id!r} on this customer")
    if not hold.owner.startswith(OPERATOR) and hold.state is not HoldState.ORPHANED:
        raise HoldOwnedByJourney(
            f"{hold_id} belongs to the running journey {hold.owner}: resolve the case, and the"
            " journey ends it"
        )
    return hold
