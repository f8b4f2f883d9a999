"""The last places of a limit are kept for worthier messages that journeys have planned."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import Action, Bundle, ContactLimit, Period, Scope, Window, Zone
from engine.contact import limited
from engine.decide import decide
from engine.keeping import kept
from engine.types import Contact, ContactKind, Drop, JourneyState, Planned, Stage, Status
from engine.windows import MILLISECOND
from tests.support.builders import (
    DAY,
    NOW,
    WEEK,
    a_bundle,
    a_contact,
    a_journey,
    a_limit,
    a_purpose,
    a_request,
    a_snapshot,
    an_action,
)
from tests.support.ledgers import NoModels
from tests.support.moments import a_moment, on_channel

HOUR = timedelta(hours=1)
IMPRESSION, DISPATCH = ContactKind.IMPRESSION, ContactKind.DISPATCH
TIP = an_action("tip", purpose="nurture", value=10, prior=0.5)
"""It promises 5."""


def plan(
    ahead: timedelta = DAY,
    value: float = 6,
    *,
    kind: str = "renewal",
    channel: str = "email",
    purpose: str = "retention",
) -> JourneyState:
    """A journey that will send something."""
    planned = Planned(at=NOW + ahead, channel=channel, purpose=purpose, value=value)
    return replace(a_journey(kind, "waiting"), id=f"{kind}:{ahead}:{value}", planned=planned)


def a_keeping_limit(maximum: int = 1, keeps: timedelta = 2 * DAY, **more: Any) -> ContactLimit:
    """A limit that keeps its last places for what is worth more."""
    return a_limit("week", maximum=maximum, keeps_for_better=keeps, **more)


def found(
    limit: ContactLimit,
    *journeys: JourneyState,
    contacts: tuple[Contact, ...] = (),
    action: Action = TIP,
    channel: str = "email",
    now: datetime = NOW,
    **more: Any,
) -> Drop | None:
    """What a place is kept for."""
    bundle = a_bundle(action, limits=[limit])
    moment = a_moment(bundle, *contacts, channel=channel, now=now, journeys=journeys, **more)
    return kept(on_channel(bundle, action, channel), moment)


def test_a_lesser_message_does_not_take_the_last_place_of_a_better_one() -> None:
    assert found(a_keeping_limit(), plan()) == Drop(
        stage=Stage.CONTACT_LIMIT,
        rule="kept:week",
        detail=(
            "a place in the limit week is kept for the renewal journey, which will send something"
            " worth more on email at 2026-03-03 12:00 UTC"
        ),
        until=NOW + DAY,
    )


def test_it_takes_a_place_that_the_better_one_does_not_need() -> None:
    assert found(a_keeping_limit(2), plan()) is None
    assert found(a_keeping_limit(2), plan(), contacts=(a_contact(),)) is not None
    assert found(a_keeping_limit(2), plan(), plan(2 * DAY)) is not None
    assert found(a_keeping_limit(3), plan(), plan(2 * DAY)) is None


@pytest.mark.parametrize(("value", "stops"), [(5.01, True), (5, False), (4.99, False)])
def test_only_what_is_worth_more_has_a_place_kept(value: float, stops: bool) -> None:
    assert (found(a_keeping_limit(), plan(value=value)) is not None) is stops


def test_the_value_of_a_purpose_is_in_what_an_action_promises() -> None:
    limit = a_keeping_limit()
    dear = a_bundle(TIP, limits=[limit], purposes=[a_purpose("nurture", shadow_price=10)])
    moment = a_moment(dear, journeys=(plan(value=9.9),))
    assert kept(on_channel(dear, TIP), moment) is None  # it promises (10 + 10) x 0.5


def test_a_place_is_kept_as_long_ahead_as_the_limit_says_to_the_millisecond() -> None:
    limit = a_keeping_limit(keeps=2 * DAY)
    assert found(limit, plan(2 * DAY)) is not None
    assert found(limit, plan(2 * DAY + MILLISECOND)) is None
    assert found(a_limit(maximum=1), plan()) is None
    assert found(limit, plan(DAY), now=NOW + DAY - MILLISECOND) is not None
    assert found(limit, plan(DAY), now=NOW + DAY) is None


def test_nothing_is_kept_where_enough_frees_by_then() -> None:
    limit = a_keeping_limit(2)
    leaves_before = a_contact(at=NOW - WEEK + DAY)
    assert found(limit, plan(DAY), contacts=(leaves_before,)) is None
    leaves_after = a_contact(at=NOW - WEEK + DAY + MILLISECOND)
    assert found(limit, plan(DAY), contacts=(leaves_after,)) is not None


def test_nothing_is_kept_for_a_message_that_finds_no_place_anyway() -> None:
    full = (a_contact("m1"), a_contact("m2"))
    assert found(a_keeping_limit(2), plan(), contacts=full) is None
    bundle = a_bundle(TIP, limits=[a_keeping_limit(2)])
    assert limited(on_channel(bundle, TIP), a_moment(bundle, *full)) is not None


def test_the_next_period_of_the_calendar_has_places_of_its_own() -> None:
    week = Window(period=Period.WEEK, zone=Zone.UTC)  # NOW is a Monday
    limit = a_keeping_limit(window=week, keeps=10 * DAY)
    assert found(limit, plan(6 * DAY + 11 * HOUR)) is not None
    assert found(limit, plan(6 * DAY + 12 * HOUR)) is None


def test_a_journey_does_not_stand_in_its_own_way() -> None:
    own, other = plan(value=100), plan(value=100, kind="onboarding")
    assert found(a_keeping_limit(), own, journey=own.id) is None
    drop = found(a_keeping_limit(), own, other, journey=own.id)
    assert drop is not None
    assert "the onboarding journey" in drop.detail


@pytest.mark.parametrize(
    ("limit", "stops"),
    [
        (a_keeping_limit(per_channel=True), False),
        (a_keeping_limit(channels=["email"]), False),
        (a_keeping_limit(channels=["email", "whatsapp"]), True),
        (a_keeping_limit(purposes=["nurture"]), False),
        (a_keeping_limit(purposes=["nurture", "retention"]), True),
        (a_keeping_limit(per="purpose"), False),
        (a_keeping_limit(per="group"), False),
        (a_keeping_limit(actions=["tip"]), False),
        (a_keeping_limit(groups=["internet"]), False),
        (a_keeping_limit(kinds=[ContactKind.DELIVERY]), True),
        (a_keeping_limit(kinds=[IMPRESSION]), False),
        (a_keeping_limit(scope=Scope.HOUSEHOLD), True),
    ],
)
def test_a_place_is_kept_only_where_both_count_towards_the_same(
    limit: ContactLimit, stops: bool
) -> None:
    assert (found(limit, plan(channel="whatsapp")) is not None) is stops


def test_what_a_page_shows_takes_a_place_only_where_showing_counts() -> None:
    assert found(a_keeping_limit(), plan(), channel="web") is None
    both = a_keeping_limit(kinds=[IMPRESSION, DISPATCH])
    assert found(both, plan(), channel="web") is not None


def test_mandatory_and_exempt_messages_take_any_place() -> None:
    assert found(a_keeping_limit(), plan(), action=replace(TIP, mandatory=True)) is None
    legal = an_action("terms", purpose="service", exempt="legal")
    assert found(a_keeping_limit(), plan(), action=legal) is None


def test_what_cannot_be_valued_when_it_is_sent_was_compared_when_it_was_decided() -> None:
    unknown = an_action("tip", value="100 * model.churn")
    assert found(a_keeping_limit(), plan(), action=unknown) is not None
    assert found(a_keeping_limit(), plan(), action=unknown, sending=True) is None
    assert found(a_keeping_limit(), plan(), sending=True) is not None


def test_a_decision_names_what_a_place_is_kept_for() -> None:
    offer = an_action("offer", purpose="nurture", value=20, prior=0.5)
    bundle = a_bundle(TIP, offer, limits=[a_keeping_limit()])
    snapshot = a_snapshot(journeys=(plan(),))
    decision = decide(a_request("email"), snapshot, bundle, NoModels())
    by_name = {one.action: one for one in decision.candidates}
    assert [drop.rule for drop in by_name["tip"].drops] == ["kept:week"]
    assert by_name["offer"].status is Status.CHOSEN


plans = st.builds(
    plan,
    st.integers(1, 90).map(lambda hours: hours * HOUR),
    st.integers(1, 10),
    kind=st.sampled_from(["renewal", "onboarding", "complaint"]),
    channel=st.sampled_from(["email", "whatsapp"]),
    purpose=st.sampled_from(["nurture", "retention"]),
)
limits = st.builds(
    a_keeping_limit,
    st.integers(1, 3),
    st.integers(1, 90).map(lambda hours: hours * HOUR),
    window=st.one_of(
        st.integers(1, 80).map(lambda hours: Window(length=hours * HOUR)),
        st.builds(Window, period=st.sampled_from(Period), zone=st.just(Zone.UTC)),
    ),
    per=st.sampled_from(["customer", "purpose"]),
    per_channel=st.booleans(),
)
ages = st.lists(st.integers(0, 80), max_size=3)


def sent(planned: Planned, bundle: Bundle, contacts: list[Contact]) -> bool:
    """Whether a planned message finds a place when its time comes; if so, it takes it."""
    moment = a_moment(bundle, *contacts, channel=planned.channel, now=planned.at)
    if limited(on_channel(bundle, f"planned-{planned.purpose}", planned.channel), moment):
        return False
    contacts.append(a_contact("p", at=planned.at, channel=planned.channel, purpose=planned.purpose))
    return True


@settings(max_examples=150, deadline=None)
@given(limit=limits, journeys=st.lists(plans, min_size=1, max_size=3), ages=ages)
def test_a_place_is_kept_exactly_if_a_better_message_would_miss_it(
    limit: ContactLimit, journeys: list[JourneyState], ages: list[int]
) -> None:
    """Both futures are lived through: one in which the message goes out now, one without it."""
    others = [an_action(f"planned-{name}", purpose=name) for name in ("nurture", "retention")]
    bundle = a_bundle(TIP, *others, limits=[limit])
    contacts = [
        a_contact(f"m{n}", at=NOW - age * HOUR, purpose="nurture") for n, age in enumerate(ages)
    ]
    own = a_contact("own", at=NOW, purpose="nurture", action="tip")
    keeps = limit.keeps_for_better or timedelta()
    better = sorted(
        (
            one.planned
            for one in journeys
            if one.planned and one.planned.value > 5 and one.planned.at <= NOW + keeps
            if limit.per != "purpose" or one.planned.purpose == "nurture"
            if not limit.per_channel or one.planned.channel == "email"
        ),
        key=lambda planned: planned.at,
    )
    without, with_it = [*contacts], [*contacts, own]
    lost = [
        one.at
        for one, fits in [(one, sent(one, bundle, without)) for one in better]
        if not sent(one, bundle, with_it) and fits
    ]
    moment = a_moment(bundle, *contacts, journeys=tuple(journeys))
    drop = kept(on_channel(bundle, TIP), moment)
    assert (drop.until if drop else None) == (lost[0] if lost else None)
