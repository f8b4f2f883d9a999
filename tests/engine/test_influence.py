"""Influencers: what happened raises or lowers levers, ramps, decays, and is gone in time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Influencer
from engine.decide import decide
from engine.influence import influences, percent_after
from engine.moment import moment
from engine.types import Contact, ContactKind, Snapshot
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_contact,
    a_journey,
    a_request,
    a_snapshot,
    an_action,
)
from tests.support.ledgers import NoModels

MILLISECOND = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)


def an_influencer(after: str = "action:upgrade", **more: Any) -> Influencer:
    """After `later`, from 0 to 50 percent within 5 days, gone after 10."""
    terms: dict[str, Any] = {"end": 50.0, "ramp": 5 * DAY, "lasts": 10 * DAY}
    if "stage" not in more:
        terms["outcomes"] = frozenset({"later"})
    return Influencer(
        name=more.pop("name", "one"),
        target=more.pop("target", "group:internet"),
        after=after,
        **(terms | more),
    )


def an_answer(outcome: str = "later", at: datetime = NOW - DAY, **more: Any) -> Contact:
    """What a customer answered to the upgrade."""
    return a_contact(kind=ContactKind.RESPONSE, outcome=outcome, at=at, **more)


def found(
    snapshot: Snapshot, *influencers: Influencer, now: datetime = NOW
) -> Mapping[str, Mapping[str, float]]:
    """What is in force."""
    bundle = a_bundle(influencers=influencers)
    return influences(moment(bundle, "web", now, snapshot, lambda _: None))


def percent(influencer: Influencer, *contacts: Contact, now: datetime = NOW) -> float | None:
    """What one influencer adds."""
    of_target = found(a_snapshot(contacts=contacts), influencer, now=now).get(influencer.target, {})
    return of_target.get(f"influencer:{influencer.name}")


def test_it_ramps_up_stays_and_is_gone() -> None:
    one = an_influencer()
    answers = {days: percent(one, an_answer(at=NOW - days * DAY)) for days in (0, 1, 2.5, 5, 7, 10)}
    assert answers == {0: 0.0, 1: 10.0, 2.5: 25.0, 5: 50.0, 7: 50.0, 10: None}


def test_it_may_decay_and_start_below_zero() -> None:
    fading = an_influencer(start=80.0, end=0.0)
    assert percent(fading, an_answer(at=NOW - DAY)) == 64.0
    recovering = an_influencer(start=-60.0, end=40.0)
    days = [percent(recovering, an_answer(at=NOW - n * DAY)) for n in (0, 3, 5)]
    assert days == [-60.0, 0.0, 40.0]


def test_its_edges_are_exact_to_the_millisecond() -> None:
    one = an_influencer(start=20.0, end=50.0, ramp=DAY, step=DAY)
    asked = {
        "before": percent(one, an_answer(at=NOW + MILLISECOND)),
        "at once": percent(one, an_answer(at=NOW)),
        "last of the ramp": percent(one, an_answer(at=NOW - DAY + MILLISECOND)),
        "ramp over": percent(one, an_answer(at=NOW - DAY)),
        "last": percent(one, an_answer(at=NOW - 10 * DAY + MILLISECOND)),
        "gone": percent(one, an_answer(at=NOW - 10 * DAY)),
    }
    assert asked == {
        "before": None,
        "at once": 20.0,
        "last of the ramp": 20.0,
        "ramp over": 50.0,
        "last": 50.0,
        "gone": None,
    }


def test_steps_hold_until_they_are_over_and_end_at_the_end() -> None:
    one = an_influencer(start=0.0, end=60.0, ramp=5 * DAY, step=2 * DAY)
    hours = (0, 47, 48, 95, 96, 119, 120)
    assert [percent_after(one, n * HOUR) for n in hours] == [0.0, 0.0, 24.0, 24.0, 48.0, 48.0, 60.0]


def test_without_a_ramp_it_is_there_at_once() -> None:
    assert percent(an_influencer(ramp=timedelta(0)), an_answer(at=NOW)) == 50.0


def test_the_latest_outcome_starts_it_again() -> None:
    early, late = an_answer(at=NOW - 9 * DAY), an_answer(at=NOW - DAY)
    assert percent(an_influencer(), early, late) == 10.0
    assert percent(an_influencer(), late, early) == 10.0
    assert percent(an_influencer(), early, an_answer("accept", at=NOW - DAY)) == 50.0


@pytest.mark.parametrize(
    ("after", "heard"),
    [
        ("action:upgrade", True),
        ("action:other", False),
        ("group:internet", True),
        ("group:billing", False),
        ("purpose:sales", True),
        ("purpose:service", False),
        ("*", True),
    ],
)
def test_it_hears_only_what_it_waits_for(after: str, heard: bool) -> None:
    assert (percent(an_influencer(after), an_answer()) is not None) is heard


@pytest.mark.parametrize("kind", [kind for kind in ContactKind if kind is not ContactKind.RESPONSE])
def test_a_contact_without_an_answer_goes_by_its_kind(kind: ContactKind) -> None:
    contact = a_contact(kind=kind, outcome="later")
    assert percent(an_influencer(), contact) is None
    assert percent(an_influencer(outcomes=frozenset({kind.value})), contact) == 10.0


def test_any_of_its_outcomes_starts_it() -> None:
    one = an_influencer(outcomes=frozenset({"later", "click"}))
    assert percent(one, an_answer("click")) == 10.0
    assert percent(one, an_answer("reject")) is None


def test_a_stage_of_a_journey_raises_levers_while_it_lasts() -> None:
    one = an_influencer("renewal", stage="offered", end=60.0, lasts=30 * DAY)
    here = a_journey("renewal", "offered", since=NOW - 2 * DAY)
    assert found(a_snapshot(journeys=(here,)), one) == {"group:internet": {"influencer:one": 24.0}}
    elsewhere = a_journey("renewal", "waiting", since=NOW - 2 * DAY, before="offered")
    other = a_journey("onboarding", "offered", since=NOW - 2 * DAY)
    assert found(a_snapshot(journeys=(elsewhere, other)), one) == {}


def test_of_two_journeys_at_a_stage_the_later_counts() -> None:
    one = an_influencer("complaint", stage="open", end=60.0)
    days = [a_journey(since=NOW - n * DAY) for n in (4, 1)]
    assert found(a_snapshot(journeys=tuple(days)), one)["group:internet"] == {
        "influencer:one": 12.0
    }


def test_several_on_one_target_are_told_apart() -> None:
    first, second = an_influencer(name="first"), an_influencer("*", name="second", end=-10.0)
    elsewhere = an_influencer(name="third", target="action:fiber")
    assert found(a_snapshot(contacts=(an_answer(),)), first, second, elsewhere) == {
        "group:internet": {"influencer:first": 10.0, "influencer:second": -2.0},
        "action:fiber": {"influencer:third": 10.0},
    }


def test_nothing_is_known_to_have_happened_without_the_live_state() -> None:
    away = a_snapshot(reconciled=False, contacts=(an_answer(),))
    assert found(away, an_influencer()) == {}


@given(
    st.floats(-100, 100),
    st.floats(-100, 100),
    st.integers(0, 10 * 24),
    st.integers(0, 300),
    st.one_of(st.none(), st.integers(1, 100)),
)
def test_it_never_leaves_the_span_from_start_to_end(
    start: float, end: float, ramp: int, passed: int, step: int | None
) -> None:
    one = an_influencer(
        start=start, end=end, ramp=ramp * HOUR, step=None if step is None else step * HOUR
    )
    said = percent_after(one, passed * HOUR)
    assert (said is None) is (passed >= 240)
    if said is not None:
        assert min(start, end) - 1e-9 <= said <= max(start, end) + 1e-9


def test_what_was_put_off_wins_when_its_time_comes() -> None:
    actions = [an_action("fiber"), an_action("bill", group="billing", value=11)]
    asked_again = an_influencer("action:fiber", start=-50.0, end=30.0, target="action:fiber")
    bundle = a_bundle(*actions, influencers=(asked_again,))

    def shown(days: float) -> list[str]:
        put_off = an_answer(action="fiber", at=NOW - days * DAY)
        snapshot = a_snapshot(contacts=(put_off,))
        return [one.action for one in decide(a_request(), snapshot, bundle, NoModels()).offers]

    assert [shown(n) for n in (0, 3, 4, 9, 10)] == [
        ["bill"], ["bill"], ["fiber"], ["fiber"], ["bill"]
    ]  # fmt: skip
