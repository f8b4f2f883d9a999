"""Times as a bundle writes them: `7 days`, `calendar week`, `20:00`, `2026-12-31`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from engine.catalog import Period

_DURATION = re.compile(r"(\d{1,5}) (second|minute|hour|day|week)s?")
_PERIOD = re.compile(rf"calendar ({'|'.join(Period)})")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def duration_of(text: str) -> timedelta | None:
    """A length of time; None if it is none, or nothing.

    >>> duration_of("48 hours")
    datetime.timedelta(days=2)
    """
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        return None
    return timedelta(**{f"{match[2]}s": int(match[1])})


def period_of(text: str) -> Period | None:
    """The calendar window of `calendar week`."""
    match = _PERIOD.fullmatch(text)
    return Period(match[1]) if match else None


def time_of(text: str) -> time | None:
    """A time of the day such as `20:00`."""
    match = _CLOCK.fullmatch(text)
    return time(int(match[1]), int(match[2])) if match else None


def day_of(text: str) -> date | None:
    """A day such as `2026-12-31`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def moment_of(text: str) -> datetime | None:
    """A moment such as `2026-12-31T18:00:00Z`, or the start of a day; without a zone in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
