"""Windows of time, rolling and by the calendar, on the clock of customer, business or UTC.

All arithmetic is done in UTC: Python adds to an aware local time as if clocks were never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.catalog import Bundle, Period, Window, Zone
from engine.local_time import first_shown
from engine.logic import Lookup

MILLISECOND = timedelta(milliseconds=1)
LONGEST_PERIOD = {
    Period.DAY: timedelta(days=2),
    Period.WEEK: timedelta(days=8),
    Period.MONTH: timedelta(days=32),
}
"""No day, week or month is longer, however clocks are changed in it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Zones:
    """The clocks that count for one customer; weeks start on `week_starts`, 0 is Monday."""

    customer: ZoneInfo
    business: ZoneInfo
    week_starts: int

    def of(self, zone: Zone) -> ZoneInfo:
        """The clock that is meant."""
        if zone is Zone.CUSTOMER:
            return self.customer
        return self.business if zone is Zone.BUSINESS else _UTC


def zones(bundle: Bundle, lookup: Lookup) -> Zones:
    """The clocks for one customer; one without a zone, or with a wrong one, has the business's."""
    business = _zone(bundle.zone) or _UTC
    named = lookup(bundle.customer_zone) if bundle.customer_zone else None
    own = _zone(named) if isinstance(named, str) else None
    return _zones(own or business, business, bundle.week_starts)


@lru_cache(maxsize=1_024)
def _zones(customer: ZoneInfo, business: ZoneInfo, week_starts: int) -> Zones:
    return Zones(customer, business, week_starts)


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # nothing of that name, a folder, no name at all
        return None


def opened(window: Window, now: datetime, clocks: Zones) -> datetime:
    """The moment after which contacts count; they are kept to the millisecond."""
    now = now.astimezone(UTC)
    if window.length is not None:
        return now - window.length
    return _around(window, now, clocks)[0] - MILLISECOND  # the first moment itself is inside


def opened_at(window: Window, at: int, clocks: Zones) -> int:
    """The same for a contact's own time."""
    if window.length is not None:
        return at + -window.length // MILLISECOND
    return milliseconds(opened(window, from_milliseconds(at), clocks))


def left(window: Window, at: datetime, clocks: Zones) -> datetime:
    """When something that happened at `at` is no longer in the window."""
    at = at.astimezone(UTC)
    if window.length is not None:
        return at + window.length
    return _around(window, at, clocks)[1]


def longest(window: Window) -> timedelta:
    """How far back a window can reach."""
    return window.length or LONGEST_PERIOD[window.period or Period.DAY]


def milliseconds(at: datetime) -> int:
    """The last whole millisecond up to a moment, since 1970: the unit in which contacts are kept.

    A contact is after `at` exactly if its own number is greater than this.
    """
    return (at - _EPOCH) // MILLISECOND


def from_milliseconds(at: int) -> datetime:
    """The moment of a contact."""
    return _EPOCH + timedelta(milliseconds=at)


def _around(window: Window, at: datetime, clocks: Zones) -> tuple[datetime, datetime]:
    """The calendar period that a moment is in: its first moment, and that of the next one."""
    clock = clocks.of(window.zone)
    period = window.period or Period.DAY
    day = at.astimezone(clock).date()
    first, after = _bounds(period, day, clock, clocks.week_starts)
    if at < after:
        return first, after
    # the clock was set back over midnight: the next period has begun, though the old date is back
    day = _next_first_day(period, day, clocks.week_starts)
    return _bounds(period, day, clock, clocks.week_starts)


@lru_cache(maxsize=4_096)
def _bounds(
    period: Period, day: date, clock: ZoneInfo, week_starts: int
) -> tuple[datetime, datetime]:
    begins = (_first_day(period, day, week_starts), _next_first_day(period, day, week_starts))
    first, after = (first_shown(datetime.combine(each, time()), clock) for each in begins)
    return first, after


def _first_day(period: Period, day: date, week_starts: int) -> date:
    if period is Period.WEEK:
        return day - _DAY * ((day.weekday() - week_starts) % 7)
    return day.replace(day=1) if period is Period.MONTH else day


def _next_first_day(period: Period, day: date, week_starts: int) -> date:
    first = _first_day(period, day, week_starts)
    if period is Period.MONTH:
        return (first + 31 * _DAY).replace(day=1)
    return first + (7 if period is Period.WEEK else 1) * _DAY
