"""What the values of a bundle may look like, as parts of its schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Values = dict[str, Any]

_DURATION = r"[0-9]{1,5} (second|minute|hour|day|week)s?"
TEXT: Values = {"type": "string", "minLength": 1}
FLAG: Values = {"type": "boolean"}
FORMULA: Values = {"type": ["string", "number", "boolean"]}
DURATION: Values = {"type": "string", "pattern": f"^{_DURATION}$", "examples": ["7 days"]}
WINDOW: Values = {
    "type": "string",
    "pattern": f"^({_DURATION}|calendar (day|week|month))$",
    "examples": ["7 days", "calendar week"],
}
CLOCK: Values = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
DAY: Values = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
TARGET: Values = {"type": "string", "pattern": "^((purpose|group|action):[a-z0-9-]+|[*])$"}
HOURS: Values = {
    "type": "array",
    "items": {
        "type": "string",
        "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
    },
    "examples": [["09:00-12:00", "13:00-18:00"]],
}
WORDS: Values = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}


def number(low: float, high: float) -> Values:
    """A number in these bounds."""
    return {"type": "number", "minimum": low, "maximum": high}


def whole(low: int, high: int) -> Values:
    """A whole number in these bounds."""
    return {"type": "integer", "minimum": low, "maximum": high}


def one_of(words: Iterable[str]) -> Values:
    """One of these words."""
    return {"enum": [str(word) for word in words]}


def some_of(words: Iterable[str]) -> Values:
    """A list of these words."""
    return {"type": "array", "items": one_of(words), "uniqueItems": True}


LEVER = number(-100, 1_000)
MONEY = number(-1e9, 1e9)
