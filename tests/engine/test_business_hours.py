"""Business hours: over midnight, holidays and years, and when clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.business_hours import (
    BusinessHours,
    add_business_time,
    business_time,
    closes,
    holidays_in,
    is_open,
    next_open,
    with_holidays_until,
)
from tests.support.hours import ALWAYS, any_hours, counted, lengths, moments, office

HOUR, MINUTE, NOTHING = timedelta(hours=1), timedelta(minutes=1), timedelta()
TICK = timedelta(microseconds=1)

SOME = settings(max_examples=40)
"""Each example is a case of weeks."""


def at(local: str, zone: str = "Europe/Berlin") -> datetime:
    """When a local clock shows this for the first time."""
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


# -- days and spans


def test_nobody_is_there_at_the_moment_of_closing() -> None:
    hours = office()
    assert not is_open(hours, at("2026-06-01T08:59"))
    assert is_open(hours, at("2026-06-01T09:00"))
    assert is_open(hours, at("2026-06-01T18:00") - TICK)
    assert not is_open(hours, at("2026-06-01T18:00"))


def test_a_break_at_noon_does_not_count() -> None:
    hours = office(spans=("09:00-12:00", "13:00-18:00"))
    monday = at("2026-06-01T11:00")
    assert business_time(hours, monday, at("2026-06-01T14:00")) == 2 * HOUR
    assert add_business_time(hours, monday, 2 * HOUR) == at("2026-06-01T14:00")
    assert next_open(hours, at("2026-06-01T12:00")) == at("2026-06-01T13:00")
    assert closes(hours, monday) == at("2026-06-01T12:00")


def test_two_minutes_from_one_minute_to_six_on_a_friday_end_on_monday() -> None:
    assert add_business_time(office(), at("2026-06-05T17:59"), 2 * MINUTE) == at("2026-06-08T09:01")


def test_two_minutes_from_a_friday_before_a_holiday_end_after_it() -> None:
    """25 May 2026 is Whit Monday; a library that did not know would say Monday."""
    friday = at("2026-05-22T17:59")
    hours = office(holidays="DE")
    assert add_business_time(hours, friday, 2 * MINUTE) == at("2026-05-26T09:01")
    assert add_business_time(office(), friday, 2 * MINUTE) == at("2026-05-25T09:01")


def test_what_takes_all_of_a_day_is_over_when_the_day_is() -> None:
    friday = at("2026-06-05T09:00")
    assert add_business_time(office(), friday, 9 * HOUR) == at("2026-06-05T18:00")
    assert add_business_time(office(), friday, 9 * HOUR + TICK) == at("2026-06-08T09:00") + TICK


def test_no_time_is_over_at_once_though_nobody_is_there() -> None:
    sunday = at("2026-06-07T12:00")
    assert add_business_time(office(), sunday, NOTHING) == sunday
    assert business_time(office(), sunday, sunday - HOUR) == NOTHING


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    hours = office(spans=("22:00-06:00",), days=[4])
    assert is_open(hours, at("2026-06-06T05:59"))
    assert not is_open(hours, at("2026-06-05T05:59"))
    assert closes(hours, at("2026-06-05T23:00")) == at("2026-06-06T06:00")
    assert next_open(hours, at("2026-06-06T06:00")) == at("2026-06-12T22:00")


def test_a_shift_that_goes_over_midnight_into_the_next_one_does_not_close_between() -> None:
    hours = office(spans=("20:00-00:00", "00:00-04:00"), days=range(7))
    assert closes(hours, at("2026-06-05T23:00")) == at("2026-06-06T04:00")


def test_what_overlaps_counts_once() -> None:
    hours = office(spans=("09:00-12:00", "10:00-11:00", "11:30-14:00"))
    day = at("2026-06-01T00:00"), at("2026-06-02T00:00")
    assert business_time(hours, *day) == 5 * HOUR
    assert closes(hours, at("2026-06-01T09:00")) == at("2026-06-01T14:00")


def test_around_the_clock_is_always_open_and_never_closes() -> None:
    written = office(spans=("00:00-00:00",), days=range(7))
    now = at("2026-06-01T03:07")
    for hours in (ALWAYS, written):
        assert is_open(hours, now)
        assert closes(hours, now) is None
        assert business_time(hours, now, now + 1000 * HOUR) == 1000 * HOUR
        assert add_business_time(hours, now, 1000 * HOUR) == now + 1000 * HOUR


def test_hours_that_never_open_say_so() -> None:
    nobody = office(days=[])
    with pytest.raises(ValueError, match="never open"):
        next_open(nobody, at("2026-06-01T09:00"))
    with pytest.raises(ValueError, match="never open"):
        add_business_time(nobody, at("2026-06-01T09:00"), MINUTE)


# -- holidays and special days


def test_a_holiday_is_closed_where_it_is_one() -> None:
    epiphany = at("2026-01-06T12:00")  # in Bavaria, not in Berlin
    assert not is_open(office(holidays="DE-BY"), epiphany)
    assert is_open(office(holidays="DE-BE"), epiphany)


def test_a_place_without_known_holidays_is_named() -> None:
    for place in ("XX", "DE-XX"):
        with pytest.raises(ValueError, match=place):
            holidays_in(place, 2026)


def test_the_night_before_a_holiday_is_worked_to_its_end() -> None:
    hours = office(spans=("20:00-02:00",), days=range(7), holidays="DE")
    assert closes(hours, at("2026-04-30T21:00")) == at("2026-05-01T02:00")  # 1 May is one
    assert next_open(hours, at("2026-05-01T02:00")) == at("2026-05-02T20:00")


def test_a_special_day_has_hours_of_its_own_even_on_holidays_and_sundays() -> None:
    special = {"2026-12-25": ("10:00-12:00",), "2026-06-07": ("10:00-11:00",), "2026-06-08": ()}
    hours = office(holidays="DE", special=special)
    assert is_open(hours, at("2026-12-25T11:00"))
    assert is_open(hours, at("2026-06-07T10:59"))
    assert next_open(hours, at("2026-06-07T11:00")) == at("2026-06-09T09:00")


def test_the_end_of_the_year_has_the_holidays_of_both_years() -> None:
    hours = office(holidays="DE", special={"2026-12-31": ()})
    assert add_business_time(hours, at("2026-12-30T17:00"), 2 * HOUR) == at("2027-01-04T10:00")


def test_holidays_written_out_stay_the_same_and_end_with_their_years() -> None:
    hours = office(holidays="DE", special={"2026-12-25": ("10:00-12:00",)})
    kept = with_holidays_until(hours, at("2026-03-01T00:00"), at("2027-03-01T00:00"))
    assert kept.holidays is None
    assert is_open(kept, at("2026-12-25T11:00"))
    assert not is_open(kept, at("2027-01-01T11:00"))
    assert is_open(kept, at("2028-12-25T11:00"))
    assert with_holidays_until(office(), at("2026-03-01T00:00"), at("2027-03-01T00:00")) == office()


# -- clocks that are changed


def test_a_night_shift_is_an_hour_shorter_or_longer_when_clocks_are_changed() -> None:
    hours = office(spans=("22:00-06:00",), days=range(7))
    for evening, morning, lasts in (
        ("2026-03-28T22:00", "2026-03-29T06:00", 7),
        ("2026-10-24T22:00", "2026-10-25T06:00", 9),
        ("2026-06-06T22:00", "2026-06-07T06:00", 8),
    ):
        assert business_time(hours, at(evening), at(morning)) == lasts * HOUR
        assert add_business_time(hours, at(evening), lasts * HOUR) == at(morning)


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    hours = office(spans=("02:00-03:00",), days=range(7))
    assert business_time(hours, at("2026-10-25T00:00"), at("2026-10-26T00:00")) == 2 * HOUR


def test_what_closes_in_the_hour_that_comes_twice_closes_in_the_second() -> None:
    hours = office(spans=("01:00-02:30",), days=range(7))
    assert business_time(hours, at("2026-10-25T00:00"), at("2026-10-26T00:00")) == 150 * MINUTE


def test_an_hour_that_never_comes_is_not_open() -> None:
    hours = office(spans=("02:00-03:00",), days=range(7))
    assert business_time(hours, at("2026-03-29T00:00"), at("2026-03-30T00:00")) == NOTHING
    assert next_open(hours, at("2026-03-28T12:00")) == at("2026-03-30T02:00")


def test_two_minutes_are_two_minutes_though_the_clock_jumps_in_between() -> None:
    hours = office(spans=("00:00-04:00",), days=range(7))
    found = add_business_time(hours, at("2026-03-29T01:59"), 2 * MINUTE)
    assert found == at("2026-03-29T03:01") == at("2026-03-29T01:59") + 2 * MINUTE


def test_clocks_changed_at_midnight_lose_or_gain_an_hour_of_the_day() -> None:
    cairo = office("Africa/Cairo", spans=("00:00-00:00",), days=range(7))
    lost, gained = "2026-04-24", "2026-10-29"
    for day, lasts in ((lost, 23), (gained, 25)):
        noon = at(f"{day}T12:00", "Africa/Cairo")
        begin = datetime.combine(date.fromisoformat(day), datetime.min.time())
        alone = office("Africa/Cairo", spans=("00:00-00:00",), days=[begin.weekday()])
        around = noon - 36 * HOUR, noon + 36 * HOUR
        assert business_time(alone, *around) == lasts * HOUR
        assert business_time(cairo, *around) == 72 * HOUR


# -- promises


@settings(max_examples=100)
@given(hours=any_hours(), start=moments(), steps=st.integers(0, 300))
def test_business_time_is_what_looking_at_the_clock_all_the_time_gives(
    hours: BusinessHours, start: datetime, steps: int
) -> None:
    end = start + steps * timedelta(minutes=15)
    closed: set[date] = set()
    if hours.holidays:
        closed = {day for year in range(2025, 2030) for day in holidays_in(hours.holidays, year)}
    assert business_time(hours, start, end) == counted(hours, start, end, closed)


@SOME
@given(hours=any_hours(), start=moments(), first=lengths(), second=lengths())
def test_business_time_adds_up_however_it_is_split(
    hours: BusinessHours, start: datetime, first: timedelta, second: timedelta
) -> None:
    middle, end = start + first, start + first + second
    parts = business_time(hours, start, middle) + business_time(hours, middle, end)
    assert business_time(hours, start, end) == parts
    whole = add_business_time(hours, start, first + second)
    assert add_business_time(hours, add_business_time(hours, start, first), second) == whole


@SOME
@given(hours=any_hours(), start=moments(), amount=lengths())
def test_adding_business_time_finds_the_first_moment_by_which_it_has_passed(
    hours: BusinessHours, start: datetime, amount: timedelta
) -> None:
    end = add_business_time(hours, start, amount)
    assert business_time(hours, start, end) == amount
    if amount:
        assert business_time(hours, start, end - TICK) < amount


@SOME
@given(hours=any_hours(), start=moments(), wait=lengths(), amount=lengths())
def test_who_starts_later_is_never_due_earlier(
    hours: BusinessHours, start: datetime, wait: timedelta, amount: timedelta
) -> None:
    due = add_business_time(hours, start, amount)
    assert due <= add_business_time(hours, start + wait, amount)
    assert due <= add_business_time(hours, start, amount + wait)


@SOME
@given(hours=any_hours(), moment=moments())
def test_the_next_opening_is_the_first_and_lasts_until_it_closes(
    hours: BusinessHours, moment: datetime
) -> None:
    opened, closed = next_open(hours, moment), closes(hours, moment)
    assert opened >= moment
    assert is_open(hours, opened)
    assert business_time(hours, moment, opened) == NOTHING
    assert is_open(hours, moment) is (opened == moment)
    if closed is not None:
        assert not is_open(hours, closed)
        assert business_time(hours, opened, closed) == closed - opened > NOTHING


@SOME
@given(hours=any_hours(), start=moments(), amount=lengths())
def test_writing_holidays_out_changes_nothing(
    hours: BusinessHours, start: datetime, amount: timedelta
) -> None:
    kept = with_holidays_until(hours, start, start + timedelta(days=400))
    assert add_business_time(kept, start, amount) == add_business_time(hours, start, amount)
    assert next_open(kept, start) == next_open(hours, start)
