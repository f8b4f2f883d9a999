"""Times as a bundle writes them: `7 days`, `calendar week`, `09:00-18:00`, `2026-12-31`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from engine.business_hours import Span
from engine.catalog import Period

_DURATION = re.compile(r"(\d{1,5}) (second|minute|hour|day|week)s?")
_PERIOD = re.compile(rf"calendar ({'|'.join(Period)})")
_SPAN = re.compile(r"([0-9:]{5})-([0-9:]{5})")
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


def span_of(text: str) -> Span | None:
    """Opening hours such as `09:00-18:00`, or `20:00-02:00` over midnight; `24:00` is its end.

    >>> span_of("09:00-24:00")
    Span(opens=datetime.time(9, 0), closes=datetime.time(0, 0))
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    opens, closes = time_of(match[1]), time() if match[2] == "24:00" else time_of(match[2])
    return None if opens is None or closes is None else Span(opens, closes)


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
