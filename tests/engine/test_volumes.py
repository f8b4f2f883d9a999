"""Volumes: the bucket of each unit, what an offer takes, what is used up, who is behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import volumes
from engine.catalog import Bundle, Period, Volume
from engine.decide import decide
from engine.moment import Moment, moment
from engine.names import names
from engine.shelf import shelf
from engine.types import Decision, Drop, Placement, Reservation, Scalar, Stage
from tests.support.builders import (
    NOW,
    a_bundle,
    a_reach,
    a_request,
    a_snapshot,
    a_volume,
    an_action,
)
from tests.support.ledgers import NoModels

PHONE, TABLET, HELP = (
    an_action("phone", value=30),
    an_action("tablet", value=20),
    an_action("help", purpose="service", value=1),
)
TEN = a_volume("phones", maximum=10, reach=a_reach(actions=["phone"]))
MINUTE = timedelta(minutes=1)


def a_moment(
    bundle: Bundle,
    *,
    now: datetime = NOW,
    channel: str = "web",
    features: Mapping[str, Scalar] | None = None,
    sending: bool = False,
    used: Mapping[str, int] | None = None,
    reserved: Sequence[Reservation] = (),
) -> Moment:
    """A customer on a channel, while so much is used and kept for them."""
    snapshot = a_snapshot(features=features, volumes=used or {}, reserved=tuple(reserved))
    lookup = names(a_request(channel, now=now), snapshot, bundle, snapshot.features, {})
    return moment(bundle, channel, now, snapshot, lookup, sending=sending)


def bucket(volume: Volume, **more: Any) -> str:
    """The bucket of a volume."""
    bundle = replace(a_bundle(PHONE, volumes=[volume]), zone="Europe/Vienna")
    return volumes.bucket(volume, a_moment(bundle, **more))


def taken(
    bundle: Bundle, action: str = "phone", before: Sequence[Reservation] = (), **more: Any
) -> tuple[Reservation, ...] | Drop:
    """What an offer would take."""
    now = a_moment(bundle, **more)
    return volumes.taken(shelf(bundle, now.channel)[action], now, tuple(before))


def made(
    bundle: Bundle, *placements: Placement, used: Mapping[str, int] | None = None, **more: Any
) -> Decision:
    """A decision while so much is used."""
    snapshot = a_snapshot(volumes=used or {})
    return decide(a_request("web", *placements, **more), snapshot, bundle, NoModels())


def shown(decision: Decision) -> list[str]:
    """The actions that are offered."""
    return [offer.action for offer in decision.offers]


# -- buckets


def test_what_is_limited_once_has_one_bucket_for_ever() -> None:
    assert bucket(TEN) == bucket(TEN, now=NOW + timedelta(days=999)) == "phones|ever"


@pytest.mark.parametrize(
    ("period", "starts"),
    [(Period.DAY, "2026-03-29"), (Period.WEEK, "2026-03-23"), (Period.MONTH, "2026-03-01")],
)
def test_a_period_is_named_by_its_first_day_on_the_clock_of_the_business(
    period: Period, starts: str
) -> None:
    volume = a_volume("calls", period=period)
    vienna = ZoneInfo("Europe/Vienna")
    short_day = datetime(2026, 3, 29, 23, 59, 59, 999_000, tzinfo=vienna)  # of 23 hours
    assert bucket(volume, now=short_day) == f"calls|{starts}"
    first = datetime(2026, 3, 29, tzinfo=vienna)
    assert bucket(volume, now=first) == f"calls|{starts}"
    assert bucket(volume, now=short_day.astimezone(UTC)) == f"calls|{starts}"


def test_a_new_day_begins_to_the_millisecond_on_the_clock_of_the_business() -> None:
    volume = a_volume("calls", period=Period.DAY)
    midnight = datetime(2026, 3, 3, tzinfo=ZoneInfo("Europe/Vienna")).astimezone(UTC)
    assert bucket(volume, now=midnight) == "calls|2026-03-03"
    assert bucket(volume, now=midnight - timedelta(milliseconds=1)) == "calls|2026-03-02"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Two year", "Two year"),
        (None, "unknown"),
        (2.0, "2"),
        (2, "2"),
        (True, "true"),
        (2.5, "2.5"),
    ],
)
def test_each_value_of_a_property_is_counted_on_its_own(value: Scalar, said: str) -> None:
    volume = a_volume("gifts", per="contract.type")
    assert bucket(volume, features={"contract.type": value}) == f"gifts|ever|{said}"


def test_an_endless_value_makes_no_endless_bucket() -> None:
    volume = a_volume("gifts", per="contract.type")
    assert len(bucket(volume, features={"contract.type": "x" * 10_000})) < 100


# -- what an offer takes


def test_an_offer_takes_a_unit_for_a_while() -> None:
    bundle = a_bundle(PHONE, volumes=[replace(TEN, used_by=frozenset({"accept"}))])
    kept = Reservation(bucket="phones|ever", action="phone", until=NOW + 30 * MINUTE)
    assert taken(bundle) == (kept,)


def test_what_no_outcome_confirms_is_used_by_the_offer_itself() -> None:
    kept = Reservation(bucket="phones|ever", action="phone", until=None)
    assert taken(a_bundle(PHONE, volumes=[TEN])) == (kept,)


def test_a_proposal_takes_nothing_and_its_send_does() -> None:
    bundle = a_bundle(PHONE, volumes=[TEN])
    assert taken(bundle, channel="email") == ()
    kept = Reservation(bucket="phones|ever", action="phone", until=None)
    assert taken(bundle, channel="email", sending=True) == (kept,)


@pytest.mark.parametrize("channel", ["web", "email"])
def test_what_is_used_up_is_neither_offered_nor_proposed(channel: str) -> None:
    bundle = a_bundle(PHONE, volumes=[TEN])
    assert not isinstance(taken(bundle, used={"phones|ever": 9}, channel=channel), Drop)
    drop = taken(bundle, used={"phones|ever": 10}, channel=channel)
    assert drop == Drop(stage=Stage.VOLUME, rule="volume:phones", detail="phones are used up")


def test_what_is_used_up_for_today_says_when_tomorrow_begins() -> None:
    volume = a_volume("calls", maximum=1, period=Period.DAY)
    bundle = replace(a_bundle(PHONE, volumes=[volume]), zone="Europe/Vienna")
    drop = taken(bundle, used={"calls|2026-03-02": 1})
    assert isinstance(drop, Drop)
    assert drop.until == datetime(2026, 3, 3, tzinfo=ZoneInfo("Europe/Vienna"))


def test_a_volume_binds_only_what_it_covers() -> None:
    bundle = a_bundle(PHONE, TABLET, volumes=[TEN])
    assert taken(bundle, "tablet", used={"phones|ever": 10}) == ()


@pytest.mark.parametrize("until", [None, NOW + 16 * MINUTE])
def test_what_is_kept_for_the_customer_is_taken_again_and_counts_once(
    until: datetime | None,
) -> None:
    kept = Reservation(bucket="phones|ever", action="phone", until=until)
    bundle = a_bundle(PHONE, volumes=[replace(TEN, used_by=frozenset({"accept"}))])
    assert taken(bundle, used={"phones|ever": 10}, reserved=[kept]) == (kept,)


def test_a_unit_kept_for_less_than_half_its_time_is_kept_anew() -> None:
    kept = Reservation(bucket="phones|ever", action="phone", until=NOW + 15 * MINUTE)
    bundle = a_bundle(PHONE, volumes=[replace(TEN, used_by=frozenset({"accept"}))])
    renewed = replace(kept, until=NOW + 30 * MINUTE)
    assert taken(bundle, used={"phones|ever": 10}, reserved=[kept]) == (renewed,)


@pytest.mark.parametrize(
    "other",
    [
        Reservation(bucket="phones|ever", action="phone", until=NOW),
        Reservation(bucket="phones|ever", action="tablet", until=NOW + MINUTE),
        Reservation(bucket="tablets|ever", action="phone", until=NOW + MINUTE),
    ],
)
def test_nothing_else_that_is_kept_helps(other: Reservation) -> None:
    bundle = a_bundle(PHONE, volumes=[TEN])
    assert isinstance(taken(bundle, used={"phones|ever": 10}, reserved=[other]), Drop)


def test_two_offers_of_one_decision_share_what_is_left() -> None:
    bundle = a_bundle(PHONE, TABLET, HELP, volumes=[a_volume("devices", maximum=10)])
    three = Placement(limit=3)
    assert shown(made(bundle, three, used={"devices|ever": 8})) == ["phone", "tablet"]
    last = made(bundle, three, used={"devices|ever": 9})
    assert shown(last) == ["phone"]
    assert [one.action for one in last.reserves] == ["phone"]
    assert last.funnel["volume"] == {"volume:devices": 2}


def test_a_package_is_not_led_without_units_for_all_that_must_be_in_it() -> None:
    leader = replace(PHONE, requires=("tablet",))
    bundle = a_bundle(leader, TABLET, volumes=[a_volume("devices", maximum=2)])
    two = Placement(limit=2)
    assert shown(made(bundle, two)) == ["phone", "tablet"]
    half = made(bundle, two, used={"devices|ever": 1})
    assert shown(half) == ["tablet"]
    assert [one.action for one in half.reserves] == ["tablet"]


def test_nothing_limited_is_offered_while_nothing_is_known() -> None:
    bundle = a_bundle(an_action("help", purpose="service", exempt="service"), volumes=[TEN])
    covered = replace(bundle, volumes=(replace(TEN, reach=a_reach()),))
    blind = a_snapshot(reconciled=False)
    assert shown(decide(a_request(), blind, bundle, NoModels())) == ["help"]
    assert shown(decide(a_request(), blind, covered, NoModels())) == []


@given(
    maximum=st.integers(0, 5),
    used=st.integers(0, 6),
    kept=st.lists(st.sampled_from(["phone", "tablet", "help"]), unique=True),
    limit=st.integers(1, 3),
)
def test_no_decision_takes_more_than_is_left(
    maximum: int, used: int, kept: list[str], limit: int
) -> None:
    bundle = a_bundle(PHONE, TABLET, HELP, volumes=[a_volume("devices", maximum=maximum)])
    mine = tuple(Reservation(bucket="devices|ever", action=name, until=None) for name in kept)
    counted = max(used, len(kept))
    snapshot = a_snapshot(volumes={"devices|ever": counted}, reserved=mine)
    decision = decide(a_request("web", Placement(limit=limit)), snapshot, bundle, NoModels())
    anew = set(decision.reserves) - set(mine)
    assert counted + len(anew) <= max(maximum, counted)
    assert {one.action for one in decision.reserves} == set(shown(decision))
    assert len(set(decision.reserves)) == len(decision.reserves)


# -- minimum


def boosts(bundle: Bundle, used: dict[str, int]) -> dict[str, float]:
    """What volumes add to C while so much of them is used."""
    moment = a_moment(bundle, used=used)
    return volumes.boosts(shelf(bundle, moment.channel).values(), moment)


@pytest.mark.parametrize(("used", "behind"), [(0, True), (4, True), (5, False), (9, False)])
def test_a_volume_behind_its_minimum_lifts_its_actions(used: int, behind: bool) -> None:
    volume = a_volume(
        "calls",
        maximum=100,
        period=Period.DAY,
        minimum=10,
        boost=50.0,
        reach=a_reach(actions=["phone"]),
    )
    bundle = a_bundle(PHONE, TABLET, volumes=[volume])  # at noon half of the day has passed
    found = boosts(bundle, {"calls|2026-03-02": used})
    assert found == ({"phone": 50.0} if behind else {})


def test_the_boost_is_in_the_context_weight_and_says_its_name() -> None:
    volume = a_volume("calls", maximum=100, minimum=1, boost=50.0)
    decision = made(a_bundle(PHONE, volumes=[volume]))
    assert decision.candidates[0].context_weight == 1.5
    assert decision.candidates[0].levers == {"volume:minimum": 50.0}


def test_a_minimum_without_a_period_is_behind_until_it_is_reached() -> None:
    volume = a_volume("phones", maximum=100, minimum=2, boost=10.0)
    bundle = a_bundle(PHONE, volumes=[volume])
    assert boosts(bundle, {"phones|ever": 1}) == {"phone": 10.0}
    assert boosts(bundle, {"phones|ever": 2}) == {}


# -- what a decision may look at


def test_the_buckets_to_count_are_those_of_the_customer() -> None:
    volume = a_volume("gifts", per="contract.type", period=Period.MONTH)
    bundle = a_bundle(PHONE, volumes=[TEN, volume])
    snapshot = a_snapshot(features={"contract.type": "Two year"})
    found = volumes.buckets(a_request(), snapshot, bundle)
    assert found == ("phones|ever", "gifts|2026-03-01|Two year")


def test_what_is_kept_of_a_period_that_is_over_no_longer_counts() -> None:
    bundle = a_bundle(PHONE, volumes=[TEN, a_volume("calls", period=Period.DAY)])
    now, before, expired, gone, ever = (
        Reservation(bucket="calls|2026-03-02", action="phone", until=None),
        Reservation(bucket="calls|2026-03-01", action="phone", until=None),
        Reservation(bucket="phones|ever", action="tablet", until=NOW),
        Reservation(bucket="nobody|ever", action="phone", until=None),
        Reservation(bucket="phones|ever", action="phone", until=None),
    )
    assert volumes.current([now, before, expired, gone, ever], bundle, NOW) == (now, ever)
