"""Ids that sort by time: decisions, operator holds; and the dice of decisions."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from functools import lru_cache

from engine.ledger import base32, keys
from engine.ledger.clock import from_milliseconds, milliseconds

LENGTH = 26
_LATEST = 253_402_300_799_000
"""The end of the year 9999, in milliseconds: beyond it there is no date."""
_POOL_BYTES = 4_096
_SEED_BITS = 53
_AS_DIGITS = bytes(ord(base32.ALPHABET[byte % 32]) for byte in range(256))
"""A digit for each byte, as likely as any other."""


class _Randomness:
    """Bytes of the operating system's randomness, fetched for many draws at once."""

    def __init__(self) -> None:
        self._pool, self._used = b"", 0

    def take(self, count: int) -> bytes:
        """So many bytes; none is given twice."""
        if self._used + count > len(self._pool):
            self._pool, self._used = os.urandom(_POOL_BYTES), 0
        start = self._used
        self._used = start + count
        return self._pool[start : self._used]

    def forget(self) -> None:
        """Draws nothing from a pool that another process has as well."""
        self._pool, self._used = b"", 0


_random = _Randomness()
os.register_at_fork(after_in_child=_random.forget)


def decision_id(at: datetime, customer: str) -> str:
    """A decision's id: 10 characters of time, 3 of the customer's slot, 13 random (65 bits).

    It sorts by time, and names both the archive's day and the Redis slot where the record is.
    """
    drawn = _random.take(13).translate(_AS_DIGITS).decode()
    return _time_code(milliseconds(at)) + keys.slot_code(customer) + drawn


def seed() -> int:
    """The dice of a decision."""
    return int.from_bytes(_random.take(7)) >> (56 - _SEED_BITS)


def _time_code(milliseconds: int) -> str:
    return _second_code(milliseconds >> 10) + base32.PAIRS[milliseconds & 1023]


@lru_cache(8)
def _second_code(about_seconds: int) -> str:
    """The digits that stay the same for a second."""
    return base32.encode(about_seconds, 8)


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
