"""Ids that sort by time: decisions, operator holds."""

from __future__ import annotations

import secrets
from datetime import datetime

from engine.ledger import base32, keys
from engine.ledger.clock import from_milliseconds, milliseconds

LENGTH = 26
_LATEST = 253_402_300_799_000
"""The end of the year 9999, in milliseconds: beyond it there is no date."""


def decision_id(at: datetime, customer: str) -> str:
    """A decision's id: 10 characters of time, 3 of the customer's slot, 13 random (65 bits).

    It sorts by time, and names both the archive's day and the Redis slot where the record is.
    """
    return (
        base32.encode(milliseconds(at), 10)
        + keys.slot_code(customer)
        + base32.encode(secrets.randbits(65), 13)
    )


def sortable_id(at: datetime) -> str:
    """A random id of 26 characters that sorts by time."""
    return base32.encode(milliseconds(at), 10) + base32.encode(secrets.randbits(80), 16)


def is_decision_id(text: str) -> bool:
    """Whether a text has the form of a decision id."""
    written = len(text) == LENGTH and all(character in base32.ALPHABET for character in text)
    return written and base32.decode(text[:10]) <= _LATEST


def time_of(decision: str) -> datetime:
    """The stack's time at which a decision was made."""
    return from_milliseconds(base32.decode(decision[:10]))
