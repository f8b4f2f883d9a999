"""Windows of time, rolling and by the calendar, on the clock of customer, business or UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.catalog import Bundle, Period, Window, Zone
from engine.logic import Lookup

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
    return Zones(own or business, business, bundle.week_starts)


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):
        return None


def opened(window: Window, now: datetime, clocks: Zones) -> datetime:
    """The moment after which contacts count."""
    if window.length is not None:
        return now - window.length
    local = now.astimezone(clocks.of(window.zone))
    start = _period_start(window.period or Period.DAY, local, clocks.week_starts)
    return start - timedelta(milliseconds=1)  # midnight itself is inside


def left(window: Window, at: datetime, clocks: Zones) -> datetime:
    """When something that happened at `at` is no longer in the window."""
    if window.length is not None:
        return at + window.length
    local = at.astimezone(clocks.of(window.zone))
    return _next_period(window.period or Period.DAY, local, clocks.week_starts)


def _period_start(period: Period, local: datetime, week_starts: int) -> datetime:
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period is Period.WEEK:
        return midnight - timedelta(days=(local.weekday() - week_starts) % 7)
    return midnight.replace(day=1) if period is Period.MONTH else midnight


def _next_period(period: Period, local: datetime, week_starts: int) -> datetime:
    start = _period_start(period, local, week_starts)
    if period is Period.MONTH:
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=7 if period is Period.WEEK else 1)
