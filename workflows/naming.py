"""How journeys of one kind and customer are told apart: by a case, a day, or another short name."""

from __future__ import annotations

import hashlib
import re
from datetime import date

from engine.errors import InvalidEvent
from engine.types import Event

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
TEXT_MAXIMUM = 64
DUE = "due"
CASE = "case"
NAMES = (CASE, "order", "invoice")
"""The data by which journeys are named, as they stand in ids."""


def name_of(event: Event, key: str) -> str:
    """The name that an event gives its journey; empty for a kind that a customer has one of.

    Raises InvalidEvent when the event lacks it.
    """
    if not key:
        return ""
    if key == DUE:
        return due_of(event).isoformat()
    return case_of(event) if key == CASE else _short(event, key, f"what names its {key}")


def case_of(event: Event) -> str:
    """The case of a complaint, an odd one as a short hash. Raises InvalidEvent without one."""
    return _short(event, CASE, "the number of the complaint")


def due_of(event: Event) -> date:
    """The due date of a contract. Raises InvalidEvent when it is not a date."""
    text = str(event.data.get(DUE) or "")
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise InvalidEvent(
            f"{event.type} needs data.due as a date such as 2027-01-31, not {text[:TEXT_MAXIMUM]!r}"
        ) from None


def safe_name(name: str) -> str:
    """A name as it stands in ids: as it is, or an odd one as a short hash.

    >>> safe_name("4711"), safe_name("a b")
    ('4711', 'xbb37dea5c027f928')
    """
    if NAME.fullmatch(name):
        return name
    return "x" + hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def _short(event: Event, key: str, meaning: str) -> str:
    name = str(event.data.get(key) or "")
    if not name:
        raise InvalidEvent(f"{event.type} needs data.{key}: {meaning}")
    return safe_name(name)
