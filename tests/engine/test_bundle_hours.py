"""Business hours and service clocks of a bundle are read as written, and mistakes are named."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from engine.bundle import bundle_from_source, load_bundle
from engine.bundle_diff import differences
from engine.business_hours import BusinessHours, Span, SpecialDay, is_open
from engine.ledger.site import BUNDLES
from engine.service_clocks import reading, start
from engine.service_terms import Case, EscalationLevel, Promise, Target, promised
from tests.support.written import refusals, shop

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOURS = """\
business_hours:
  desk:
    zone: Asia/Tokyo
    holidays: DE-BE
    closed: [2026-12-23]
    special: {2026-12-24: [10:00-12:00, 13:00-14:00]}
    monday: [09:00-12:00, 13:00-24:00]
    saturday: [20:00-02:00]
    sunday: []
  machine: {always: true}
"""
CLOCKS = """\
service_clocks:
  answered:
    target: next response
    within: 90 minutes
    hours: desk
    channels: [email, chat]
    priorities: [high]
    labels: [order]
    tiers: [gold]
    warn_before: 15 minutes
    escalation: {zoe: {owner: lead}, adam: {owner: head, after: 2 hours}}
    pauses: false
    bots_count: true
  solved: {target: total resolution, within: 3 days, hours: machine}
"""


DONE = "  done: {target: total resolution, within: 5 days, hours: machine}\n"


def told(folder: Path, old: str, new: str, today: date | None = None) -> list[str]:
    """What is said of the hours and clocks when one thing in them is written otherwise."""
    text = HOURS + CLOCKS
    assert old in text, old
    return refusals(folder, text.replace(old, new, 1), today=today)


def test_business_hours_are_read_as_written(tmp_path: Path) -> None:
    bundle = shop(tmp_path, HOURS)
    evening = Span(time(13), time(0))
    assert bundle.business_hours["desk"] == BusinessHours(
        name="desk",
        zone="Asia/Tokyo",
        week=(
            *((Span(time(9), time(12)), evening), (), (), (), ()),
            *((Span(time(20), time(2)),), ()),
        ),
        holidays="DE-BE",
        special=(
            SpecialDay(date(2026, 12, 23)),
            SpecialDay(date(2026, 12, 24), (Span(time(10), time(12)), Span(time(13), time(14)))),
        ),
    )
    assert bundle.business_hours["machine"] == BusinessHours(name="machine", always=True)


def test_hours_are_on_the_clock_of_the_business_unless_said(tmp_path: Path) -> None:
    about = "business: {name: shop, currency: EUR}", "business: {name: s, currency: EUR, zone: CET}"
    bundle = shop(tmp_path, "business_hours: {desk: {monday: [09:00-18:00]}}\n", about)
    assert bundle.business_hours["desk"].zone == "CET"


def test_service_clocks_are_read_as_written(tmp_path: Path) -> None:
    answered, solved = shop(tmp_path, HOURS + CLOCKS).service_clocks
    assert answered == Promise(
        name="answered",
        target=Target.NEXT_RESPONSE,
        within=90 * MINUTE,
        hours="desk",
        channels=("email", "chat"),
        priorities=("high",),
        labels=("order",),
        tiers=("gold",),
        warn_before=15 * MINUTE,
        escalation=(
            EscalationLevel(name="zoe", owner="lead"),
            EscalationLevel(name="adam", owner="head", after=2 * HOUR),
        ),
        pauses=False,
        bots_count=True,
    )
    assert solved == Promise(
        name="solved", target=Target.TOTAL_RESOLUTION, within=72 * HOUR, hours="machine"
    )


def test_hours_and_clocks_come_back_from_the_source_of_a_bundle(tmp_path: Path) -> None:
    bundle = shop(tmp_path, HOURS + CLOCKS)
    assert bundle_from_source(bundle.source) == bundle


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "[09:00-12:00, 13:00-24:00]",
            "09:00-18:00",
            "terms.yaml:7: monday of business hours desk "
            "must be a list of hours, such as [09:00-12:00, 13:00-18:00]",
        ),
        (
            "09:00-12:00",
            "9-12",
            "terms.yaml:7: monday of business hours desk must be a list of "
            "hours, such as [09:00-12:00, 13:00-18:00]",
        ),
        (
            "13:00-24:00",
            "11:00-24:00",
            "terms.yaml:7: monday of business hours desk: 09:00-12:00 "
            "and 11:00-00:00 overlap; write them as one",
        ),
        (
            "Asia/Tokyo",
            "Asia/Tokio",
            "terms.yaml:3: zone of business hours desk: there is no time "
            "zone 'Asia/Tokio', did you mean Asia/Tokyo?",
        ),
        (
            "DE-BE",
            "Germany",
            "terms.yaml:4: holidays of business hours desk must be a country and "
            "its part, such as DE or US-CA, not 'Germany'",
        ),
        (
            "[2026-12-23]",
            "[2026-12-32]",
            "terms.yaml:5: closed of business hours desk must be "
            "dates such as 2026-12-24, not '2026-12-32'",
        ),
        (
            "[2026-12-23]",
            "[2026-12-24]",
            "terms.yaml:6: 2026-12-24 of business hours desk is in closed, too; remove it from one",
        ),
        (
            "{2026-12-24:",
            "{christmas:",
            "terms.yaml:6: 'christmas' in special of business hours "
            "desk must be a date such as 2026-12-31",
        ),
        (
            "{always: true}",
            "{}",
            "terms.yaml:10: business hours machine never open; give a weekday "
            "its hours, such as monday: [09:00-18:00], or write always: true",
        ),
        (
            "{always: true}",
            "{always: true, holidays: DE}",
            "terms.yaml:10: business hours machine is always open: remove holidays, or always",
        ),
        (
            "hours: desk",
            "hours: dusk",
            "terms.yaml:15: hours of service clock answered: 'dusk' is "
            "not known, did you mean desk?",
        ),
        (
            "next response",
            "nxt response",
            "terms.yaml:13: target of service clock answered: 'nxt "
            "response' is not known, did you mean next response?",
        ),
        (
            "within: 90 minutes",
            "within: 2 days",
            "terms.yaml:14: within of service clock answered "
            "is counted in desk hours, where a day has fewer than 24 hours; write minutes or hours",
        ),
        (
            "warn_before: 15 minutes",
            "warn_before: 90 minutes",
            "terms.yaml:20: warn_before of "
            "service clock answered is as long as what is promised; make it shorter",
        ),
        (
            "[email, chat]",
            "[emial]",
            "terms.yaml:16: channels of service clock answered: 'emial' "
            "is not known, did you mean email?",
        ),
        (
            ", after: 2 hours",
            "",
            "terms.yaml:21: escalation zoe of service clock answered is at "
            "the same time as adam; give it another after",
        ),
        (
            "{owner: lead}",
            "{after: 1 hour}",
            "terms.yaml:21: escalation zoe of service clock answered needs owner: a text",
        ),
        (
            "hours: machine}",
            "hours: machine, bots_count: true}",
            "terms.yaml:24: bots_count of "
            "service clock solved is about replies, and this is a resolution; remove it",
        ),
        (
            "  solved:",
            DONE + "  solved:",
            "terms.yaml:24: service clock done never holds: solved has the same target for the "
            "same cases; remove one",
        ),
    ],
    ids=lambda words: words[:30],
)
def test_a_mistake_is_told_with_its_place_and_the_remedy(
    old: str, new: str, line: str, tmp_path: Path
) -> None:
    assert told(tmp_path, old, new) == [line]


def test_a_place_without_known_holidays_is_told_when_the_bundle_is_checked(tmp_path: Path) -> None:
    assert told(tmp_path, "DE-BE", "DE-XX", today=date(2026, 1, 1)) == [
        "terms.yaml:4: holidays of business hours desk: no holidays are known of 'DE-XX'; write a "
        "country and its part, such as DE or US-CA"
    ]
    assert shop(tmp_path, HOURS.replace("DE-BE", "DE-XX")), "a stack starts without asking"


def test_what_changes_in_hours_and_promises_is_told_in_words(tmp_path: Path) -> None:
    before = shop(tmp_path / "a", HOURS + CLOCKS)
    text = (HOURS + CLOCKS).replace("sunday: []", "sunday: [10:00-11:00]", 1)
    text = text.replace("2026-12-23", "2026-12-25").replace("within: 90", "within: 60")
    after = shop(tmp_path / "b", text.replace("after: 2 hours", "after: 1 hour"))
    week = (
        "monday 09:00-12:00, 13:00-00:00; tuesday closed; wednesday closed; thursday closed; "
        "friday closed; saturday 20:00-02:00; sunday "
    )
    assert [change.words for change in differences(before, after)] == [
        f"business hours desk: week {week}closed -> {week}10:00-11:00",
        "business hours desk: special day 2026-12-25 is added",
        "business hours desk: special day 2026-12-23 is removed",
        "service clock answered: within 90 minutes -> 1 hour",
        "service clock answered: escalation adam: after 2 hours -> 1 hour",
    ]


def test_the_example_business_answers_whatsapp_in_two_minutes_when_somebody_is_there() -> None:
    bundle = load_bundle(BUNDLES / "telco")
    care = bundle.business_hours["care"]
    assert not is_open(care, datetime(2026, 7, 4, 20, tzinfo=UTC)), "a Saturday, and a holiday"
    whatsapp, *_ = promised(bundle.service_clocks, Case(channel="whatsapp"))
    friday = datetime(2026, 7, 3, 2, 59, tzinfo=UTC)  # 19:59 on Thursday; the holiday is observed
    due = reading(start(whatsapp, care, friday), friday).due_at
    assert due == datetime(2026, 7, 6, 15, 1, tzinfo=UTC), "Monday, 8:01"
