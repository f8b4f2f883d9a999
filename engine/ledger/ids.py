"""Ids that sort by time: decisions, operator holds."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from engine.ledger import keys

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
_LATEST = 253_402_300_799_000
"""The end of the year 9999, in milliseconds."""


def _base32(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(length - 1, -1, -1))


def decision_id(at: datetime, customer: str) -> str:
    """A decision's id: 10 characters of time, 3 of the customer's slot, 13 random (65 bits); 26 in
    all.

    It sorts by time, and names both the archive's day and the Redis slot where the record is.
    """
    return (
        _base32(round(at.timestamp() * 1000), 10)
        + keys.slot_code(customer)
        + _base32(secrets.randbits(65), 13)
    )


def sortable_id(at: datetime) -> str:
    """A random id of 26 characters that sorts by time."""
    return _base32(round(at.timestamp() * 1000), 10) + _base32(secrets.randbits(80), 16)


def is_decision_id(text: str) -> bool:
    """Whether a text has the form of a decision id."""
    return (
        len(text) == LENGTH and all(character in _ALPHABET for character in text) and text[0] < "8"
    )


def time_of(decision: str) -> datetime:
    """The stack's time at which a decision was made."""
    return datetime.fromtimestamp(_milliseconds(decision) / 1000, UTC)


def _milliseconds(decision: str) -> int:
    number = 0
    for character in decision[:10]:
        number = number * 32 + _ALPHABET.index(character)
    return number
