"""Business hours: when somebody is there, and time that is counted in their hours only.

All arithmetic is done in UTC; spans are on the local clock, as `engine.local_time` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.local_time import first_shown, last_shown

_DAY = timedelta(days=1)
_NOTHING = timedelta()
_NEVER = timedelta(days=400)
"""Weeks and years come again: what is open for as long as this does not close."""

Opening = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Span:
    """Open from `opens` to `closes` on the local clock; over midnight if it does not close later.

    It is of the day on which it opens: `22:00` to `06:00` on Fridays ends on Saturday.
    """

    opens: time
    closes: time

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """The hours of one day, whatever its weekday and holidays say; no spans: closed."""

    day: date
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHours:
    """The opening hours of a team.

    `week`: the spans of each weekday, 0 is Monday; `holidays`: a country and its part, such as `DE`
    or `US-CA`, whose public holidays are closed; `special` days have hours of their own, or none.
    `always`: open at any time, on every day, whatever else is said.
    """

    name: str
    zone: str = "UTC"
    week: tuple[tuple[Span, ...], ...] = ((),) * 7
    holidays: str | None = None
    special: tuple[SpecialDay, ...] = ()
    always: bool = False


def is_open(hours: BusinessHours, at: datetime) -> bool:
    """Whether somebody is there; at the moment of closing nobody is."""
    return next_open(hours, at) == at


def next_open(hours: BusinessHours, at: datetime) -> datetime:
    """The first moment from `at` on that is in business hours, in UTC."""
    at = at.astimezone(UTC)
    if hours.always:
        return at
    return max(at, next(_openings(hours, at))[0])


def in_words(hours: BusinessHours, at: datetime) -> str:
    """A moment as people of these hours say it.

    >>> at = datetime(2026, 11, 30, 8, tzinfo=UTC)
    >>> in_words(BusinessHours(name="care", zone="Europe/Berlin"), at)
    'Monday 30 November, 09:00 (CET)'
    """
    there = at.astimezone(ZoneInfo(hours.zone))
    return f"{there:%A} {there.day} {there:%B, %H:%M (%Z)}"


def closes(hours: BusinessHours, at: datetime) -> datetime | None:
    """When the hours end that `at` is in, or that come next; None if they never do."""
    at = at.astimezone(UTC)
    if hours.always:
        return None
    openings = _openings(hours, at)
    begun, end = next(openings)
    for start, next_end in openings:
        if start > end:
            return end
        if next_end - begun > _NEVER:
            return None
        end = next_end
    return None


def business_time(hours: BusinessHours, start: datetime, end: datetime) -> timedelta:
    """How much of the time from `start` to `end` is in business hours; nothing if it ends first."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        return _NOTHING
    if hours.always:
        return end - start
    found = _NOTHING
    for opened, closed in _openings(hours, start):
        if opened >= end:
            break
        found += min(end, closed) - max(start, opened)
    return found


def add_business_time(hours: BusinessHours, start: datetime, amount: timedelta) -> datetime:
    """The first moment by which `amount` of business time has passed since `start`, in UTC.

    Two minutes from 17:59 are over at 09:01 on the next working day; nothing is over at once.
    """
    start = start.astimezone(UTC)
    if amount <= _NOTHING:
        return start
    if hours.always:
        return start + amount
    for opened, closed in _openings(hours, start):
        opened = max(start, opened)
        if closed - opened >= amount:
            return opened + amount
        amount -= closed - opened
    raise AssertionError("openings never end")


def with_holidays_until(hours: BusinessHours, since: datetime, until: datetime) -> BusinessHours:
    """The same hours, with the holidays of these years written out as special days.

    For what has to be the same for years, such as a running journey: libraries that know holidays
    learn, and every release of theirs may change a day. Outside these years there are no holidays.
    """
    if hours.holidays is None:
        return hours
    clock = ZoneInfo(hours.zone)
    years = range(since.astimezone(clock).year, until.astimezone(clock).year + 1)
    own = {special.day for special in hours.special}
    days = {day for year in years for day in holidays_in(hours.holidays, year)} - own
    special = (*hours.special, *(SpecialDay(day) for day in days))
    return replace(
        hours, holidays=None, special=tuple(sorted(special, key=lambda special: special.day))
    )


@lru_cache(maxsize=1_024)
def holidays_in(place: str, year: int) -> frozenset[date]:
    """The public holidays of `DE` or `US-CA` in a year. Raises ValueError for a place not known."""
    import holidays  # here, since it takes 18 MB that most processes never need

    country, _, part = place.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, part or None, years=year))
    except NotImplementedError:
        raise ValueError(f"no holidays are known of {place!r}") from None


def _openings(hours: BusinessHours, at: datetime) -> Iterator[Opening]:
    """Stretches of business hours in order, without end, from the one that `at` is in or before.

    They may touch, and never overlap: a span that begins in another one only prolongs it.
    """
    clock = ZoneInfo(hours.zone)
    special = {one.day: one.spans for one in hours.special}
    day = at.astimezone(clock).date() - 2 * _DAY  # a span over midnight, and a clock set back
    reached, last = datetime.min.replace(tzinfo=UTC), day + _NEVER
    while day < last:
        for opened, closed in _of_day(_spans(hours, special, day), day, clock):
            if closed > max(reached, at):
                yield max(opened, reached), closed
                last = day + _NEVER
            reached = max(reached, closed)
        day += _DAY
    raise ValueError(f"business hours {hours.name!r} never open; give a weekday its hours")


def _spans(
    hours: BusinessHours, special: dict[date, tuple[Span, ...]], day: date
) -> tuple[Span, ...]:
    if day in special:
        return special[day]
    spans = hours.week[day.weekday()]
    if spans and hours.holidays and day in holidays_in(hours.holidays, day.year):
        return ()
    return spans


@lru_cache(maxsize=4_096)
def _of_day(spans: tuple[Span, ...], day: date, clock: ZoneInfo) -> tuple[Opening, ...]:
    """Those of a day that last at all, in order; a clock may jump over one."""
    found = [_opening(span, day, clock) for span in spans]
    return tuple(sorted((opened, closed) for opened, closed in found if opened < closed))


def _opening(span: Span, day: date, clock: ZoneInfo) -> Opening:
    """Where clocks are set back, an hour that comes twice is open twice, as in quiet hours."""
    last_day = day + _DAY if span.closes <= span.opens else day
    opened = first_shown(datetime.combine(day, span.opens), clock)
    return opened, last_shown(datetime.combine(last_day, span.closes), clock)
