"""Quiet hours on local clocks: over midnight, over clock changes, one after the other."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import QuietHours, Reach, Zone
from engine.guards import exemptions
from engine.quiet import ends, hushed, next_open
from engine.types import Drop, Stage
from engine.windows import MILLISECOND, Zones
from tests.support.builders import CHANNELS, DAY, IN_PAGE, a_bundle, an_action, quiet_hours
from tests.support.moments import a_moment, on_channel

ACTION = an_action("upgrade")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MONDAY, SATURDAY, SUNDAY = 0, 5, 6


def there(zone: str) -> Zones:
    """The clocks of a customer and a business in one place."""
    return Zones(ZoneInfo(zone), ZoneInfo(zone), 0)


def at(local: str, zone: str = "Europe/Amsterdam", fold: int = 0) -> datetime:
    """When a local clock shows this."""
    shown = datetime.fromisoformat(local)
    return shown.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def drop(
    *hours: QuietHours,
    now: datetime,
    sending: bool = False,
    channel: str = "email",
    zone: str = "Europe/Amsterdam",
) -> Drop | None:
    """What stops the usual action."""
    bundle = a_bundle(ACTION, quiet_hours=hours, zone=zone)
    moment = a_moment(bundle, channel=channel, now=now, sending=sending)
    return hushed(on_channel(bundle, ACTION, channel), moment)


NIGHT = quiet_hours("night", "21:00", "08:00")


def test_quiet_hours_last_over_midnight_to_the_millisecond() -> None:
    for quiet in ("2026-03-02T21:00", "2026-03-02T23:59", "2026-03-03T00:00", "2026-03-03T07:59"):
        assert drop(NIGHT, now=at(quiet)) == Drop(
            stage=Stage.QUIET_HOURS,
            rule="quiet_hours:night",
            detail="night: nothing is sent",
            until=at("2026-03-03T08:00"),
        )
    for starts in (at("2026-03-02T21:00"), at("2026-03-03T08:00")):
        before, then = drop(NIGHT, now=starts - MILLISECOND), drop(NIGHT, now=starts)
        assert (before is None) is not (then is None)


def test_quiet_hours_within_a_day_end_on_that_day() -> None:
    lunch = quiet_hours("lunch", "12:00", "13:00")
    assert drop(lunch, now=at("2026-03-02T11:59")) is None
    found = drop(lunch, now=at("2026-03-02T12:00"))
    assert found is not None
    assert found.until == at("2026-03-02T13:00")


def test_equal_times_are_quiet_for_a_whole_day() -> None:
    sunday = quiet_hours("sunday", "00:00", "00:00", days=[SUNDAY])
    found = drop(sunday, now=at("2026-03-29T00:00"))  # the clocks are changed: 23 hours
    assert found is not None
    assert found.until == at("2026-03-30T00:00") == at("2026-03-29T00:00") + 23 * HOUR
    assert drop(sunday, now=at("2026-03-28T23:59")) is None
    assert drop(sunday, now=at("2026-03-30T00:00")) is None


def test_days_are_those_on_which_quiet_hours_start() -> None:
    weekend = quiet_hours("weekend", "21:00", "10:00", days=[SATURDAY])
    assert drop(weekend, now=at("2026-03-07T22:00")) is not None  # on Saturday night
    assert drop(weekend, now=at("2026-03-08T09:00")) is not None  # until Sunday morning
    assert drop(weekend, now=at("2026-03-07T09:00")) is None  # no Friday night before
    assert drop(weekend, now=at("2026-03-08T22:00")) is None


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("sending", [False, True])
def test_quiet_hours_bind_what_is_delivered_never_what_a_page_shows(
    channel: str, sending: bool
) -> None:
    found = drop(NIGHT, now=at("2026-03-02T22:00"), channel=channel, sending=sending)
    assert (found is None) is (channel in IN_PAGE)


def test_what_waits_stops_no_decision_but_every_send() -> None:
    waits, now = quiet_hours(waits=True), at("2026-03-02T22:00")
    assert drop(waits, now=now) is None
    found = drop(waits, now=now, sending=True)
    assert found is not None
    assert (found.rule, found.until) == ("quiet_hours:night", at("2026-03-03T08:00"))


def test_what_drops_is_named_before_what_waits() -> None:
    hours = [quiet_hours("a-drops", "21:00", "22:00"), quiet_hours("waits", waits=True)]
    for order in itertools.permutations(hours):
        found = drop(*order, now=at("2026-03-02T21:30"), sending=True)
        assert found is not None
        assert (found.rule, found.until) == ("quiet_hours:a-drops", at("2026-03-03T08:00"))


def test_quiet_hours_that_follow_or_overlap_end_when_the_last_does() -> None:
    evening = quiet_hours("evening", "18:00", "21:00")
    morning = quiet_hours("morning", "07:30", "09:00", days=[1])  # Tuesdays
    for order in itertools.permutations([evening, NIGHT, morning]):
        found = drop(*order, now=at("2026-03-02T19:00"))
        assert found is not None
        assert (found.rule, found.until) == ("quiet_hours:evening", at("2026-03-03T09:00"))
        found = drop(*order, now=at("2026-03-03T19:00"))
        assert found is not None
        assert found.until == at("2026-03-04T08:00")


def test_who_may_never_be_sent_anything_is_told_no_end() -> None:
    found = drop(quiet_hours("always", "00:00", "00:00"), now=at("2026-03-02T22:00"))
    assert found is not None
    assert found.until is None


def test_quiet_hours_bind_only_what_they_reach() -> None:
    sales = quiet_hours(reach=Reach(purposes=frozenset({"nurture"})))
    assert drop(sales, now=at("2026-03-02T22:00")) is None
    mails = quiet_hours(reach=Reach(channels=frozenset({"email"})))
    assert drop(mails, now=at("2026-03-02T22:00"), channel="whatsapp") is None
    assert drop(mails, now=at("2026-03-02T22:00"), channel="email") is not None


def test_exempt_messages_leave_at_night_and_are_told_what_they_passed() -> None:
    warning = an_action("warning", purpose="service", exempt="safety")
    bundle = a_bundle(warning, quiet_hours=(quiet_hours(waits=True),))
    place = on_channel(bundle, warning)
    moment = a_moment(bundle, now=at("2026-03-02T22:00", "UTC"), sending=True)
    assert hushed(place, moment) is None
    assert exemptions(place, moment) == ("quiet_hours:night",)


def test_quiet_hours_go_by_the_clock_they_name() -> None:
    now = datetime(2026, 3, 2, 20, 30, tzinfo=UTC)  # 21:30 in Amsterdam, 5:30 in Tokyo
    by = {zone: quiet_hours(zone=zone) for zone in Zone}
    clocks = Zones(ZoneInfo("Asia/Tokyo"), AMSTERDAM, 0)
    assert ends(by[Zone.CUSTOMER], now, clocks) == at("2026-03-03T08:00", "Asia/Tokyo")
    assert ends(by[Zone.BUSINESS], now, clocks) == at("2026-03-03T08:00")
    assert ends(by[Zone.UTC], now, clocks) is None


# -- where clocks are changed


@pytest.mark.parametrize(
    ("zone", "starts", "end", "now", "until"),
    [
        # 2:00 becomes 3:00 in Amsterdam on 29 March 2026: 2:30 is not shown
        ("Europe/Amsterdam", "22:00", "02:30", at("2026-03-29T01:59"), at("2026-03-29T03:00")),
        ("Europe/Amsterdam", "02:30", "05:00", at("2026-03-29T03:00"), at("2026-03-29T05:00")),
        ("Europe/Amsterdam", "02:10", "02:50", at("2026-03-29T03:00"), None),
        ("Europe/Amsterdam", "21:00", "08:00", at("2026-03-28T23:00"), at("2026-03-29T08:00")),
        # 3:00 becomes 2:00 on 25 October 2026: 2:30 is shown twice, and quiet both times
        (
            *("Europe/Amsterdam", "22:00", "02:30"),
            *(at("2026-10-25T02:40"), at("2026-10-25T02:30", fold=1)),
        ),
        ("Europe/Amsterdam", "22:00", "02:30", at("2026-10-25T02:30", fold=1), None),
        ("Europe/Amsterdam", "02:30", "05:00", at("2026-10-25T02:00", fold=1), at("2026-10-25T05")),
        ("Europe/Amsterdam", "02:30", "05:00", at("2026-10-25T02:29"), None),
        # midnight does not exist in Beirut on 29 March 2026, nor in Cairo on 24 April
        (
            *("Asia/Beirut", "20:00", "00:00"),
            *(at("2026-03-28T23:59", "Asia/Beirut"), at("2026-03-29T01:00", "Asia/Beirut")),
        ),
        (
            *("Africa/Cairo", "00:00", "06:00"),
            *(at("2026-04-24T01:00", "Africa/Cairo"), at("2026-04-24T06:00", "Africa/Cairo")),
        ),
    ],
)
def test_quiet_hours_keep_to_the_clock_when_it_is_changed(
    zone: str, starts: str, end: str, now: datetime, until: datetime | None
) -> None:
    hours = quiet_hours("night", starts, end)
    assert ends(hours, now, there(zone)) == until
    if until is not None:
        assert ends(hours, until - MILLISECOND, there(zone)) == until
        assert ends(hours, until, there(zone)) is None


def test_quiet_hours_that_have_begun_go_on_though_the_clock_shows_the_day_before_again() -> None:
    early = quiet_hours("early", "00:00", "06:00")
    goose_bay = "America/Goose_Bay"
    again = at("2010-11-06T23:30", goose_bay, fold=1)  # it was midnight half an hour before
    assert ends(early, again, there(goose_bay)) == at("2010-11-07T06:00", goose_bay)
    assert ends(early, at("2010-11-06T23:30", goose_bay), there(goose_bay)) is None


CHANGES = (
    ("Europe/Amsterdam", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Amsterdam", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 3, 28, 22, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 10, 24, 21, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),
    ("America/Goose_Bay", datetime(2010, 11, 7, 3, 1, tzinfo=UTC)),
    ("UTC", datetime(2026, 3, 2, 0, tzinfo=UTC)),
)
clock_times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))


def named(number: int, starts: time, end: time, days: set[int]) -> QuietHours:
    """Quiet hours under a number."""
    return quiet_hours(f"quiet{number}", starts.isoformat(), end.isoformat(), days=sorted(days))


some_hours = st.builds(
    named, st.integers(0, 9), clock_times, clock_times, st.sets(st.integers(0, 6), min_size=1)
)


def by_the_wall(hours: QuietHours, now: datetime, zone: str) -> bool:
    """Whether what a clock on the wall shows lies in quiet hours, whatever clocks did before."""
    shown = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    for back in (0, 1):
        day = shown.date() - back * DAY
        starts, end = datetime.combine(day, hours.starts), datetime.combine(day, hours.ends)
        end += DAY if hours.ends <= hours.starts else timedelta()
        if day.weekday() in hours.days and starts <= shown < end:
            return True
    return False


def clocks_change(now: datetime, zone: str) -> bool:
    """Whether clocks are set back near this moment."""
    offsets = [(now + hours * HOUR).astimezone(ZoneInfo(zone)).utcoffset() for hours in (-3, 0, 3)]
    return len(set(offsets)) > 1


@settings(max_examples=400)
@given(
    change=st.sampled_from(CHANGES),
    hours=some_hours,
    minutes=st.integers(-3 * 24 * 60, 3 * 24 * 60),
)
def test_it_is_quiet_whenever_the_clock_on_the_wall_says_so(
    change: tuple[str, datetime], hours: QuietHours, minutes: int
) -> None:
    zone, now = change[0], change[1] + minutes * MINUTE
    quiet = ends(hours, now, there(zone)) is not None
    if by_the_wall(hours, now, zone):
        assert quiet
    elif not clocks_change(now, zone):
        assert not quiet


@settings(max_examples=150, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    hours=st.lists(some_hours, min_size=1, max_size=4),
    minutes=st.integers(-24 * 60, 24 * 60),
)
def test_something_may_be_sent_when_it_says_and_at_no_minute_before(
    change: tuple[str, datetime], hours: list[QuietHours], minutes: int
) -> None:
    zone, now = change[0], change[1] + minutes * MINUTE
    opens = next_open(hours, now, there(zone))
    assert opens is None or now <= opens
    until = opens or now + 14 * DAY

    def quiet(moment: datetime) -> bool:
        return any(ends(one, moment, there(zone)) is not None for one in hours)

    assert opens is None or not quiet(opens)
    step = max(MINUTE, (until - now) // 200)
    checked = [now + count * step for count in range(200) if now + count * step < until]
    assert all(quiet(moment) for moment in [*checked, *([until - MILLISECOND] if checked else [])])


def test_what_is_open_opens_now() -> None:
    now = at("2026-03-02T12:00")
    assert next_open([], now, there("UTC")) == next_open([NIGHT], now, there("UTC")) == now
