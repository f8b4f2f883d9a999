"""The catalog's fields and values in words, for people who read what changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any

from engine.bundle_keys import WEEKDAYS
from engine.rules import Expression

_KINDS: Mapping[str, str] = {
    "policies": "policy",
    "default_consent": "consent on",
    "quiet_hours": "quiet hours",
    "max_ages": "maximum age of",
    "content": "",
    "rules": "rule",
    "holds": "hold",
    "business_hours": "business hours",
    "special": "special day",
    "escalation": "escalation",
    "fallbacks": "fallback at",
}
_FIELDS: Mapping[tuple[str, str], str] = {
    ("ContactLimit", "maximum"): "at most",
    ("ContactLimit", "window"): "within",
    ("ContactLimit", "kinds"): "counts",
    ("ContactLimit", "per_channel"): "each channel",
    ("ContactPolicy", "window"): "within",
    ("ContactPolicy", "outcomes"): "after",
    ("ContactPolicy", "per_channel"): "each channel",
    ("QuietHours", "starts"): "from",
    ("QuietHours", "ends"): "to",
    ("QuietHours", "waits"): "waits until then",
    ("QuietHours", "zone"): "clock",
    ("Window", "period"): "calendar",
    ("Window", "zone"): "clock",
    ("JourneyTerms", "starts_maximum"): "starts at most",
    ("JourneyTerms", "starts_window"): "starts within",
    ("JourneyTerms", "running_maximum"): "running at most",
    ("Influencer", "target"): "for",
    ("Influencer", "start"): "from",
    ("Influencer", "end"): "to",
    ("ContextWeight", "target"): "for",
    ("Volume", "maximum"): "at most",
    ("Volume", "period"): "in",
    ("Volume", "minimum"): "at least",
    ("Rule", "condition"): "when",
    ("MarginFloor", "condition"): "when",
    ("ContextWeight", "condition"): "when",
    ("Action", "only_for_journeys"): "for journeys only",
    ("Action", "only_as_member"): "only as a member of a package",
    ("Action", "new"): "new, so that it reaches few at first",
}
_LENGTHS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def kind_of(section: str) -> str:
    """The word for one thing of a section: `limits` holds limits, each is a `limit`."""
    return _KINDS.get(section, section.removesuffix("s").replace("_", " "))


def plural(section: str) -> str:
    """The word for several things of a section."""
    return section.replace("_", " ") if kind_of(section) else ""


def what_of(section: str) -> str:
    """What the bare values of a section are, where its name does not tell."""
    return ": lever" if section == "groups" else ""


def field_words(name: str, owner: str = "") -> str:
    """The words for a field of a class."""
    return _FIELDS.get((owner, name), name.replace("_", " "))


def in_words(value: Any, empty: str = "none") -> str:
    """A value as people write it; `empty` stands for a collection without words."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Expression):
        return f"`{value.text}`"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, timedelta):
        return length(value)
    if isinstance(value, tuple | frozenset):
        return _list(value, empty)
    return _of_time_or_text(value)


def _of_time_or_text(value: Any) -> str:
    if isinstance(value, time):
        return value.isoformat("minutes" if not value.second else "auto")
    if isinstance(value, datetime | date):
        return value.isoformat(*((" ",) if isinstance(value, datetime) else ()))
    return f'"{value}"' if isinstance(value, str) and not _is_word(value) else str(value)


def _list(value: Any, empty: str) -> str:
    words = [in_words(one, "closed") for one in value]
    if isinstance(value, tuple) and len(words) == len(WEEKDAYS) and isinstance(value[0], tuple):
        return "; ".join(f"{day} {hours}" for day, hours in zip(WEEKDAYS, words, strict=True))
    return ", ".join(words if isinstance(value, tuple) else sorted(words)) or empty


def _is_word(text: str) -> bool:
    return bool(text) and all(letter.isalnum() or letter in "-_:.*" for letter in text)


def length(value: timedelta) -> str:
    """A length of time in the largest unit that it is a whole number of, as bundles write it.

    >>> length(timedelta(days=14)), length(timedelta(hours=36)), length(timedelta(minutes=1))
    ('14 days', '36 hours', '1 minute')
    """
    seconds = value.total_seconds()
    for unit, size in _LENGTHS[1:]:
        if seconds and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} seconds"
