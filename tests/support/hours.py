"""Business hours as tests write them, drawn ones, and a slow second opinion on what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from engine.business_hours import BusinessHours, Span, SpecialDay

STEP = timedelta(minutes=15)
"""Drawn spans and moments are on the quarter of an hour, as every offset from UTC is."""
OFFICE = ("09:00-18:00",)
ZONES = ("UTC", "America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo")
CHANGES = (
    *(datetime(2026, 3, 8, 10, tzinfo=UTC), datetime(2026, 11, 1, 9, tzinfo=UTC)),  # Los Angeles
    *(datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),  # Berlin
    *(datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),  # Lord Howe
    *(datetime(2026, 4, 23, 22, tzinfo=UTC), datetime(2026, 10, 29, 21, tzinfo=UTC)),  # Cairo
    *(datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2028, 2, 29, 12, tzinfo=UTC)),
)
"""Clocks are changed in one of the zones, at midnight too; a year ends, a day is leapt."""


def span(written: str) -> Span:
    """`09:00-18:00`."""
    opens, closes = written.split("-")
    return Span(time.fromisoformat(opens), time.fromisoformat(closes))


def office(
    zone: str = "Europe/Berlin",
    *,
    spans: Iterable[str] = OFFICE,
    days: Iterable[int] = range(5),
    holidays: str | None = None,
    special: Mapping[str, Iterable[str]] | None = None,
) -> BusinessHours:
    """The same hours on some weekdays, Monday to Friday unless told."""
    every, on = tuple(span(each) for each in spans), frozenset(days)
    return BusinessHours(
        name="office",
        zone=zone,
        week=tuple(every if day in on else () for day in range(7)),
        holidays=holidays,
        special=tuple(
            SpecialDay(date.fromisoformat(day), tuple(span(each) for each in its))
            for day, its in (special or {}).items()
        ),
    )


ALWAYS = BusinessHours(name="always", always=True)


def quarters() -> st.SearchStrategy[time]:
    """Times of the day."""
    return st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))


def moments(reach: timedelta = timedelta(days=6)) -> st.SearchStrategy[datetime]:
    """Moments near something odd, on the quarter of an hour."""
    steps = reach // STEP
    offsets = st.integers(-steps, steps).map(lambda step: step * STEP)
    return st.sampled_from(CHANGES).flatmap(lambda at: offsets.map(lambda offset: at + offset))


def lengths(most: timedelta = timedelta(days=4)) -> st.SearchStrategy[timedelta]:
    """Lengths of time in seconds."""
    return st.integers(0, int(most.total_seconds())).map(lambda found: timedelta(seconds=found))


@st.composite
def any_hours(draw: st.DrawFn) -> BusinessHours:
    """Hours with several spans, over midnight, with holidays and days of their own; or 24/7."""
    if draw(st.integers(0, 9)) == 0:
        return ALWAYS
    spans = st.lists(st.builds(Span, quarters(), quarters()), max_size=3).map(tuple)
    week = [draw(spans) for _ in range(7)]
    week[draw(st.integers(0, 6))] = (Span(draw(quarters()), draw(quarters())),)
    days = moments().map(lambda at: at.date())
    special = draw(st.dictionaries(days, spans, max_size=4))
    return BusinessHours(
        name="drawn",
        zone=draw(st.sampled_from(ZONES)),
        week=tuple(week),
        holidays=draw(st.sampled_from((None, "DE", "US-CA"))),
        special=tuple(SpecialDay(*each) for each in sorted(special.items())),
    )


def counted(hours: BusinessHours, start: datetime, end: datetime, closed: set[date]) -> timedelta:
    """Business time from `start` to `end` by looking at the clock every quarter of an hour.

    `closed`: the holidays. A span has begun once the clock showed its start, and goes on while the
    clock has yet to show a time before its end.
    """
    if hours.always:
        return end - start
    clock, margin = ZoneInfo(hours.zone), timedelta(days=4) // STEP
    every = [start + n * STEP for n in range(-margin, (end - start) // STEP + margin)]
    shown = [at.astimezone(clock).replace(tzinfo=None) for at in every]
    most, least = list(shown), list(shown)
    for n in range(1, len(every)):
        most[n] = max(most[n], most[n - 1])
    for n in range(len(every) - 2, -1, -1):
        least[n] = min(least[n], least[n + 1])
    spans = _dated(hours, {each.date() for each in shown}, closed)
    inside = range(margin, len(every) - margin)
    found = sum(any(a <= most[n] and least[n] < b for a, b in spans) for n in inside)
    return found * STEP


def _dated(
    hours: BusinessHours, days: set[date], closed: set[date]
) -> list[tuple[datetime, datetime]]:
    special = {one.day: one.spans for one in hours.special}
    found: list[tuple[datetime, datetime]] = []
    for day in days:
        usual = () if day in closed else hours.week[day.weekday()]
        for each in special.get(day, usual):
            last = day + timedelta(days=1) if each.closes <= each.opens else day
            found.append((datetime.combine(day, each.opens), datetime.combine(last, each.closes)))
    return found
