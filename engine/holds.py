"""Which holds cover a candidate."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from engine.catalog import Action
from engine.types import Hold

COMMERCIAL = "commercial"
SALES = "sales"


def commercial(purpose: str, tags: Collection[str]) -> bool:
    """Whether this sells: purpose `sales`, or tag `commercial` (price, discount, new contract)."""
    return purpose == SALES or COMMERCIAL in tags


def in_force(holds: Iterable[Hold], now: datetime) -> tuple[Hold, ...]:
    """The holds that have not passed their end."""
    return tuple([hold for hold in holds if hold.until is None or hold.until > now])


def covers(hold: Hold, purpose: str, tags: Collection[str]) -> bool:
    """Whether a hold silences a purpose or one of the tags."""
    return purpose in hold.purposes or any(tag in hold.tags for tag in tags)


def covering(holds: Iterable[Hold], action: Action) -> tuple[Hold, ...]:
    """The holds that silence an action, the one that ends last first: until then it is silent.

    Exempt actions pass, unless they sell.
    """
    if action.exempt and not commercial(action.purpose, action.tags):
        return ()
    found = (hold for hold in holds if covers(hold, action.purpose, action.tags))
    return tuple(sorted(found, key=_end, reverse=True))


def _end(hold: Hold) -> tuple[bool, float]:
    return hold.until is None, hold.until.timestamp() if hold.until else 0.0
