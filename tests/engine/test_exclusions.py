"""The emergency stop reaches every way out; no offer goes below the margin floor of who pays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Bundle, Exclusion, MarginFloor, Reach
from engine.decide import decide
from engine.exclusions import below_margin, excluded
from engine.guards import silences
from engine.moment import Moment, moment
from engine.rules import compile_expression
from engine.shelf import shelf
from engine.types import Candidate, Decision, Drop, Scalar, Stage, Status
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_reach,
    a_request,
    a_snapshot,
    an_action,
)
from tests.support.scorers import Silent

MS = timedelta(milliseconds=1)
ACTIONS = (
    an_action("upgrade"),
    an_action("advice", purpose="service", group="care"),
    an_action("recall", purpose="service", group="care", exempt="safety", mandatory=True),
)


def a_stop(
    name: str = "wrong-price", reach: Reach | None = None, until: datetime | None = None
) -> Exclusion:
    """An emergency stop; of all, unless said otherwise."""
    return Exclusion(
        name=name, because="The price was wrong.", reach=reach or a_reach(), until=until
    )


def bundle_of(*stops: Exclusion, **more: Any) -> Bundle:
    """A bundle with emergency stops."""
    return a_bundle(*ACTIONS, exclusions=stops, **more)


def decided(bundle: Bundle, channel: str = "web", **features: Scalar) -> Decision:
    """A decision in explain mode."""
    known = {name.replace("__", "."): value for name, value in features.items()}
    request = a_request(channel, explain=True)
    return decide(request, a_snapshot(features=known), bundle, Silent())


def stopped(decision: Decision) -> set[str]:
    """The actions that an emergency stop keeps away."""
    return {
        one.action
        for one in decision.candidates
        if one.drops and one.drops[0].stage is Stage.EXCLUSION
    }


# -- emergency stop


@pytest.mark.parametrize(
    ("reach", "channel", "expected"),
    [
        (a_reach(), "web", {"upgrade", "advice", "recall"}),
        (a_reach(actions=["upgrade"]), "web", {"upgrade"}),
        (a_reach(groups=["care"]), "email", {"advice", "recall"}),
        (a_reach(purposes=["sales"]), "call", {"upgrade"}),
        (a_reach(channels=["email"]), "email", {"upgrade", "advice", "recall"}),
        (a_reach(channels=["email"]), "web", set[str]()),
        (a_reach(actions=["upgrade"], channels=["email"]), "web", set[str]()),
        (a_reach(actions=["upgrade"], groups=["care"]), "web", set[str]()),
    ],
)
def test_a_stop_covers_an_action_or_a_channel_and_what_is_exempt_or_mandatory_too(
    reach: Reach, channel: str, expected: set[str]
) -> None:
    assert stopped(decided(bundle_of(a_stop(reach=reach)), channel)) == expected


def test_a_stop_is_the_first_reason_and_says_what_and_until_when() -> None:
    until = NOW + DAY
    candidate = decided(bundle_of(a_stop(until=until))).candidates[0]
    assert candidate.drops[0] == Drop(
        stage=Stage.EXCLUSION,
        rule="exclusion:wrong-price",
        detail="The price was wrong.",
        until=until,
    )


@pytest.mark.parametrize(("left", "stops"), [(MS, True), (timedelta(0), False), (-MS, False)])
def test_a_stop_ends_at_its_end_and_not_a_millisecond_earlier(left: timedelta, stops: bool) -> None:
    assert (stopped(decided(bundle_of(a_stop(until=NOW + left)))) != set()) is stops


ENDS = st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=1, max_size=5)


@given(ENDS)
def test_of_several_stops_the_one_that_ends_last_is_told(ends: list[int | None]) -> None:
    stops = [
        a_stop(f"stop-{at}", until=None if days is None else NOW + days * DAY)
        for at, days in enumerate(ends)
    ]
    here = _moment(bundle_of(*stops))
    drop = excluded(shelf(here.bundle, "web")["upgrade"], here)
    in_force = [one.until for one in stops if one.until is None or one.until > NOW]
    if not in_force:
        assert drop is None
        return
    assert drop is not None
    assert drop.until == (None if None in in_force else max(one for one in in_force if one))


def _moment(bundle: Bundle, **more: Any) -> Moment:
    return moment(bundle, "web", NOW, a_snapshot(), lambda name: None, **more)


@pytest.mark.parametrize("sending", [True, False])
def test_a_stop_holds_when_a_message_is_about_to_leave_as_well(sending: bool) -> None:
    here = _moment(bundle_of(a_stop(reach=a_reach(actions=["recall"]))), sending=sending)
    drops = list(silences(shelf(here.bundle, "web")["recall"], here))
    assert [drop.stage for drop in drops] == [Stage.EXCLUSION]


def test_a_stopped_fallback_is_not_shown_either() -> None:
    free = bundle_of(a_stop(reach=a_reach(purposes=["sales", "service"])))
    with_fallback = bundle_of(a_stop(), fallbacks={"*": "advice"})
    assert decided(free).offers == ()
    assert decided(with_fallback).offers == ()


# -- margin floor


def a_floor(name: str = "floor", condition: str = "True", floor: float = 10) -> MarginFloor:
    """A floor under the margin."""
    return MarginFloor(
        name=name, condition=compile_expression(condition), floor=floor, because=f"below {floor}"
    )


def offered(margin: str | None, *floors: MarginFloor, **features: Any) -> Candidate:
    """What becomes of an action with this margin."""
    stated = None if margin is None else compile_expression(margin)
    bundle = a_bundle(an_action("upgrade", margin=stated), margin_floors=floors)
    return decided(bundle, **features).candidates[0]


@pytest.mark.parametrize(
    ("margin", "passes"), [(9.99, False), (10, True), (10.01, True), (0, False), (-5, False)]
)
def test_a_margin_at_the_floor_passes_and_one_below_does_not(margin: float, passes: bool) -> None:
    candidate = offered("billing.margin", a_floor(), billing__margin=margin)
    assert (candidate.status is Status.CHOSEN) is passes
    assert [drop.rule for drop in candidate.drops] == ([] if passes else ["margin:floor"])


def test_the_floor_is_that_of_who_pays() -> None:
    floors = (
        a_floor("business", 'contract.payer == "company"', 50),
        a_floor("private", 'contract.payer == "person"', 10),
    )
    assert offered("20", *floors, contract__payer="person").status is Status.CHOSEN
    company = offered("20", *floors, contract__payer="company")
    assert [(drop.stage, drop.rule) for drop in company.drops] == [
        (Stage.SUITABILITY, "margin:business")
    ]
    unknown = offered("20", *floors)
    assert [(drop.rule, drop.detail) for drop in unknown.drops] == [
        ("margin:business", "not known: below 50")
    ]
    assert offered("60", *floors).status is Status.CHOSEN, "high enough, whoever pays"


@pytest.mark.parametrize("value", [None, "12", float("nan"), float("inf")])
def test_a_margin_that_is_not_known_reaches_no_floor(value: Scalar) -> None:
    candidate = offered("billing.margin", a_floor(floor=-1e9), billing__margin=value)
    assert [drop.detail for drop in candidate.drops] == ["not known: below -1000000000.0"]
    free = offered("billing.margin", a_floor(condition="False"), billing__margin=value)
    assert free.status is Status.CHOSEN


def test_an_action_that_states_no_margin_has_no_floor() -> None:
    assert offered(None, a_floor(floor=1e9)).status is Status.CHOSEN


@given(
    margin=st.one_of(st.none(), st.floats(-20, 20)),
    floors=st.lists(
        st.tuples(st.sampled_from([True, False, None]), st.floats(-20, 20)), max_size=4
    ),
)
def test_what_passes_is_never_below_a_floor_that_may_apply(
    margin: float | None, floors: list[tuple[bool | None, float]]
) -> None:
    words = {True: "1 == 1", False: "1 == 2", None: "un.known"}
    terms = tuple(a_floor(f"f{n}", words[applies], at) for n, (applies, at) in enumerate(floors))
    stated = compile_expression("billing.margin")
    bundle = a_bundle(an_action("upgrade", margin=stated), margin_floors=terms)
    lookup = {"billing.margin": margin}.get
    here = moment(bundle, "web", NOW, a_snapshot(), lookup)
    drops = list(below_margin(shelf(bundle, "web")["upgrade"], here))
    bad = [
        f"margin:f{n}"
        for n, (applies, at) in enumerate(floors)
        if applies is not False and (margin is None or margin < at)
    ]
    assert [drop.rule for drop in drops] == bad
