"""Windows by the calendar and rolling, where clocks are changed, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import Period, Window, Zone
from engine.local_time import first_shown, last_shown
from engine.windows import (
    LONGEST_PERIOD,
    MILLISECOND,
    Zones,
    from_milliseconds,
    left,
    milliseconds,
    opened,
    zones,
)
from tests.support.builders import DAY, NOW, WEEK, a_bundle

HOUR = timedelta(hours=1)
wall = datetime.fromisoformat
CLOCK_CHANGES = (
    ("Europe/Amsterdam", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Amsterdam", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 3, 28, 22, tzinfo=UTC)),  # from midnight to one
    ("Asia/Beirut", datetime(2026, 10, 24, 21, tzinfo=UTC)),  # from midnight to eleven
    ("Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 10, 29, 21, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),  # midnight comes twice
    ("America/Goose_Bay", datetime(2010, 11, 7, 3, 1, tzinfo=UTC)),  # a day comes back at 23:01
    ("America/Toronto", datetime(1919, 3, 31, 4, 30, tzinfo=UTC)),  # from 23:30 to 0:30
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a whole day is left out
    ("Pacific/Kwajalein", datetime(1969, 9, 30, 13, tzinfo=UTC)),  # nearly a whole day comes back
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),  # by half an hour
)
clock_changes = st.sampled_from(CLOCK_CHANGES)
calendar = st.builds(Window, period=st.sampled_from(Period), zone=st.just(Zone.CUSTOMER))
rolling = st.builds(Window, length=st.timedeltas(MILLISECOND, 400 * DAY))
windows = st.one_of(calendar, rolling)
nearby = st.one_of(
    st.timedeltas(-40 * DAY, 40 * DAY),
    st.timedeltas(-3 * HOUR, 3 * HOUR),
    st.integers(-3, 3).map(lambda count: count * MILLISECOND),
    st.integers(-90, 90).map(lambda count: timedelta(minutes=count)),
)
week_starts = st.integers(0, 6)


def clocks(name: str, week_starts: int = 0) -> Zones:
    """The clocks of a customer there."""
    return Zones(ZoneInfo(name), ZoneInfo("Europe/Amsterdam"), week_starts)


def on_the_millisecond(at: datetime) -> datetime:
    """A contact's time."""
    return from_milliseconds(milliseconds(at))


@settings(max_examples=400)
@given(change=clock_changes, window=windows, ago=nearby, back=nearby, week_starts=week_starts)
def test_what_is_after_the_opening_is_what_has_not_left(
    change: tuple[str, datetime],
    window: Window,
    ago: timedelta,
    back: timedelta,
    week_starts: int,
) -> None:
    zone, changed = change
    there = clocks(zone, week_starts)
    now, at = changed + ago, on_the_millisecond(changed + back)
    assert (at > opened(window, now, there)) is (now < left(window, at, there))


@settings(max_examples=400)
@given(change=clock_changes, window=windows, ago=nearby, week_starts=week_starts)
def test_a_contact_leaves_its_window_exactly_when_it_says(
    change: tuple[str, datetime], window: Window, ago: timedelta, week_starts: int
) -> None:
    zone, changed = change
    there, at = clocks(zone, week_starts), on_the_millisecond(changed + ago)
    leaves = left(window, at, there)
    assert opened(window, at, there) < at < leaves
    assert opened(window, leaves, there) >= at
    assert opened(window, leaves - MILLISECOND, there) < at


@settings(max_examples=400)
@given(change=clock_changes, window=calendar, ago=nearby, week_starts=week_starts)
def test_periods_follow_each_other_without_gap_or_overlap(
    change: tuple[str, datetime], window: Window, ago: timedelta, week_starts: int
) -> None:
    zone, changed = change
    there, at = clocks(zone, week_starts), changed + ago
    next_one = left(window, at, there)
    assert opened(window, next_one, there) + MILLISECOND == next_one
    assert left(window, next_one - MILLISECOND, there) == next_one
    assert next_one - opened(window, at, there) <= LONGEST_PERIOD[window.period or Period.DAY]


@settings(max_examples=200)
@given(change=clock_changes, window=windows, ago=nearby, hours=st.integers(-23, 23))
def test_it_does_not_matter_on_which_clock_the_present_is_told(
    change: tuple[str, datetime], window: Window, ago: timedelta, hours: int
) -> None:
    zone, changed = change
    there, now = clocks(zone), changed + ago
    for told in (now.astimezone(timezone(hours * HOUR)), now.astimezone(ZoneInfo(zone))):
        assert opened(window, told, there) == opened(window, now, there)
        assert left(window, told, there) == left(window, now, there)


def test_a_rolling_day_is_24_hours_though_the_clocks_are_changed() -> None:
    amsterdam = ZoneInfo("Europe/Amsterdam")
    noon_before = datetime(2026, 3, 28, 12, tzinfo=amsterdam)
    one_after = datetime(2026, 3, 29, 13, tzinfo=amsterdam)
    there = clocks("Europe/Amsterdam")
    assert left(Window(length=DAY), noon_before, there) == one_after.astimezone(UTC)
    assert opened(Window(length=DAY), one_after, there) == noon_before.astimezone(UTC)


@pytest.mark.parametrize("week_starts", range(7))
def test_a_week_that_has_begun_goes_on_though_the_clock_shows_the_day_before_again(
    week_starts: int,
) -> None:
    there = clocks("America/Goose_Bay", week_starts)
    midnight, again = datetime(2010, 11, 7, 3, tzinfo=UTC), datetime(2010, 11, 7, 3, 30, tzinfo=UTC)
    assert again.astimezone(there.customer).date() < midnight.astimezone(there.customer).date()
    week = Window(period=Period.WEEK, zone=Zone.CUSTOMER)
    assert left(week, again, there) == left(week, midnight, there)
    assert opened(week, again, there) == opened(week, midnight, there)


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Europe/Amsterdam", datetime(2026, 3, 29, 12, tzinfo=UTC), 23),
        ("Europe/Amsterdam", datetime(2026, 10, 25, 12, tzinfo=UTC), 25),
        ("Asia/Beirut", datetime(2026, 3, 29, 12, tzinfo=UTC), 23),
        ("Asia/Beirut", datetime(2026, 10, 24, 12, tzinfo=UTC), 25),
        ("Africa/Cairo", datetime(2026, 4, 24, 12, tzinfo=UTC), 23),
        ("America/Sao_Paulo", datetime(2018, 11, 4, 12, tzinfo=UTC), 23),
        ("America/Havana", datetime(2026, 11, 1, 12, tzinfo=UTC), 25),
        ("Pacific/Kwajalein", datetime(1969, 9, 30, 10, tzinfo=UTC), 47),
        ("UTC", datetime(2026, 3, 29, 12, tzinfo=UTC), 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, noon: datetime, hours: int) -> None:
    day = Window(period=Period.DAY, zone=Zone.CUSTOMER)
    begins = opened(day, noon, clocks(zone)) + MILLISECOND
    assert left(day, noon, clocks(zone)) - begins == hours * HOUR


@pytest.mark.parametrize(
    ("zone", "midnight", "begins"),
    [
        ("Asia/Beirut", wall("2026-03-29"), datetime(2026, 3, 28, 22, tzinfo=UTC)),
        ("America/Toronto", wall("1919-03-31"), datetime(1919, 3, 31, 4, 30, tzinfo=UTC)),
        ("America/Havana", wall("2026-11-01"), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        ("America/Goose_Bay", wall("2010-11-07"), datetime(2010, 11, 7, 3, tzinfo=UTC)),
        ("Pacific/Apia", wall("2011-12-30"), datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ],
)
def test_a_day_without_a_midnight_or_with_two_begins_with_its_first_moment(
    zone: str, midnight: datetime, begins: datetime
) -> None:
    assert first_shown(midnight, ZoneInfo(zone)) == begins


@settings(max_examples=300)
@given(change=clock_changes, ago=nearby)
def test_between_the_first_and_the_last_showing_of_a_time_lies_every_other(
    change: tuple[str, datetime], ago: timedelta
) -> None:
    clock, at = ZoneInfo(change[0]), (change[1] + ago).replace(microsecond=0)
    shown = at.astimezone(clock).replace(tzinfo=None, fold=0)
    assert first_shown(shown, clock) <= at <= last_shown(shown, clock)


@pytest.mark.parametrize(("zone", "changed"), CLOCK_CHANGES)
def test_what_a_clock_jumps_over_is_shown_with_the_jump(zone: str, changed: datetime) -> None:
    clock, second = ZoneInfo(zone), timedelta(seconds=1)
    before = (changed - second).astimezone(clock).replace(tzinfo=None) + second
    after = changed.astimezone(clock).replace(tzinfo=None, fold=0)
    skipped = [before, before + second, before + (after - before) / 2, after - second]
    for never in skipped if before < after else ():
        assert first_shown(never, clock) == last_shown(never, clock) == changed


@pytest.mark.parametrize(("starts", "first"), [(0, 2), (6, 1), (5, 28), (2, 25)])
def test_weeks_start_on_the_day_the_business_says(starts: int, first: int) -> None:
    week = Window(period=Period.WEEK, zone=Zone.UTC)
    begins = opened(week, NOW, clocks("UTC", starts)) + MILLISECOND  # NOW is a Monday
    assert (begins.day, begins.weekday(), begins.hour) == (first, starts, 0)
    assert left(week, NOW, clocks("UTC", starts)) == begins + WEEK


@pytest.mark.parametrize(
    ("at", "next_month"),
    [
        (datetime(2026, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_months_end_on_their_last_day(at: datetime, next_month: datetime) -> None:
    assert left(Window(period=Period.MONTH, zone=Zone.UTC), at, clocks("UTC")) == next_month


def test_each_window_goes_by_the_clock_it_names() -> None:
    there = clocks("Pacific/Auckland")
    ends = {
        zone: left(Window(period=Period.DAY, zone=zone), NOW, there)
        for zone in (Zone.CUSTOMER, Zone.BUSINESS, Zone.UTC)
    }
    assert ends == {
        Zone.CUSTOMER: datetime(2026, 3, 3, 11, tzinfo=UTC),
        Zone.BUSINESS: datetime(2026, 3, 2, 23, tzinfo=UTC),
        Zone.UTC: datetime(2026, 3, 3, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    "named", [None, "", "Nowhere/Else", "../etc/passwd", "Europe", "Europe/", "a\0b", 7, True]
)
def test_a_customer_without_a_zone_that_exists_has_the_business_s(named: object) -> None:
    bundle = a_bundle(zone="Europe/Amsterdam", customer_zone="profile.zone", week_starts=6)
    found = zones(bundle, {"profile.zone": named}.get)
    assert found == Zones(ZoneInfo("Europe/Amsterdam"), ZoneInfo("Europe/Amsterdam"), 6)


def test_a_customer_s_zone_is_a_feature() -> None:
    bundle = a_bundle(zone="Europe/Amsterdam", customer_zone="profile.zone")
    assert zones(bundle, {"profile.zone": "Asia/Tokyo"}.get).customer == ZoneInfo("Asia/Tokyo")
    assert zones(a_bundle(), {"profile.zone": "Asia/Tokyo"}.get).customer == ZoneInfo("UTC")


@given(at=st.datetimes(timezones=st.just(UTC)))
def test_contacts_are_kept_to_the_millisecond_exactly(at: datetime) -> None:
    kept = from_milliseconds(milliseconds(at))
    assert kept <= at < kept + MILLISECOND
    assert milliseconds(kept) == milliseconds(at)
