"""Every name that a rule can look up, and what makes it unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Bundle, SessionTerms
from engine.expressions import DEEPEST
from engine.names import ROOTS, names
from engine.rules import Lookup, compile_expression
from engine.types import JourneyState, Scalar, Session
from tests.support.builders import DAY, NOW, a_bundle, a_journey, a_request, a_snapshot, an_action

CONTEXT: dict[str, Any] = {
    "page": "billing",
    "count": 3,
    "nested": {"a": 1},
    "none": None,
    "infinite": float("inf"),
    "huge": 10**400,
}
MS = timedelta(milliseconds=1)
IDLE = timedelta(minutes=30)


def looking(
    *journeys: JourneyState,
    bundle: Bundle | None = None,
    context: Mapping[str, Any] = CONTEXT,
    features: Mapping[str, Scalar] | None = None,
    scores: Mapping[str, float] | None = None,
    now: datetime = NOW,
    **snapshot: Any,
) -> Lookup:
    """A lookup."""
    return names(
        a_request(context=context, now=now),
        a_snapshot(journeys=journeys, **snapshot),
        bundle or a_bundle(),
        features or {},
        scores or {},
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("contract.type", "One year"),
        ("contract.absent", None),
        ("contract.other", None),
        ("context.page", "billing"),
        ("context.count", 3),
        ("context.nested", None),
        ("context.none", None),
        ("context.infinite", None),
        ("context.huge", None),
        ("context.other", None),
        ("model.churn", 0.25),
        ("model.broken", None),
        ("model.other", None),
        ("journey.complaint", True),
        ("journey.complaint.stage", "open"),
        ("journey.complaint.before", "reported"),
        ("journey.complaint.days_in_stage", 2),
        ("journey.complaint.other", None),
        ("journey.complaint.stage.x", None),
        ("journey.renewal", False),
        ("journey.renewal.stage", None),
        ("journey.renewal.days_in_stage", None),
        ("age.contract", 36.0),
        ("age.behaviour", None),
        ("request.channel", "web"),
        ("request.other", None),
        ("segment.other", None),
        ("value.other", None),
        ("history.nonsense", None),
        ("", None),
        ("contract", None),
        ("age.", None),
        ("other.root", None),
    ],
)
def test_every_kind_of_name_can_be_looked_up(name: str, value: Scalar) -> None:
    complaint = a_journey(since=NOW - 3 * DAY + MS, before="reported")
    lookup = looking(
        complaint,
        features={"contract.type": "One year", "contract.absent": None},
        feature_times={"contract": NOW - 1.5 * DAY},
        scores={"churn": 0.25, "broken": float("nan")},
    )
    assert lookup(name) == value
    assert lookup(name) == value, "and again"


@given(st.text(max_size=20), st.sampled_from(sorted(ROOTS)))
def test_no_name_makes_a_lookup_raise(rest: str, root: str) -> None:
    lookup = looking(a_journey())
    for name in (rest, f"{root}.{rest}", f"{root}{rest}", f"{root}..{rest}"):
        found = lookup(name)
        assert found is None or isinstance(found, str | int | float | bool)


# -- journeys


def test_journeys_are_unknown_while_the_live_state_is() -> None:
    lookup = looking(a_journey(), reconciled=False)
    for name in ("complaint", "complaint.stage", "renewal", "renewal.stage"):
        assert lookup(f"journey.{name}") is None


def test_of_several_journeys_the_one_that_came_to_its_stage_last_tells_where_it_stands() -> None:
    early = replace(a_journey(stage="open", since=NOW - 9 * DAY), id="complaint:z:1")
    late = replace(a_journey(stage="resolving", since=NOW - DAY), id="complaint:a:2")
    for journeys in ((early, late), (late, early)):
        lookup = looking(*journeys)
        assert lookup("journey.complaint.stage") == "resolving"
        assert lookup("journey.complaint.days_in_stage") == 1


def test_journeys_that_moved_at_once_are_told_apart_by_their_ids() -> None:
    one = replace(a_journey(stage="open"), id="complaint:a:1")
    other = replace(a_journey(stage="closed"), id="complaint:b:1")
    stages = {looking(*both)("journey.complaint.stage") for both in ((one, other), (other, one))}
    assert stages == {"closed"}


@pytest.mark.parametrize(
    ("length", "days"), [(DAY - MS, 0), (DAY, 1), (2 * DAY - MS, 1), (-DAY, 0)]
)
def test_days_in_a_stage_are_whole_and_never_negative(length: timedelta, days: int) -> None:
    assert looking(a_journey(since=NOW - length))("journey.complaint.days_in_stage") == days


def test_a_journey_in_its_first_stage_was_in_none_before() -> None:
    assert looking(a_journey())("journey.complaint.before") is None


def test_a_context_can_not_pretend_to_be_a_journey_or_a_model() -> None:
    lookup = looking(context={"../journey.complaint": True, ".model.churn": 1})
    assert lookup("journey.complaint") is False
    assert lookup("model.churn") is None


def test_a_feature_view_can_not_pretend_to_be_a_journey_or_a_segment() -> None:
    lookup = looking(
        features={"journey.complaint": True, "segment.loyal": True, "contract.type": "One year"},
        feature_times={"journey": NOW, "segment": NOW, "contract": NOW},
    )
    assert lookup("journey.complaint") is False
    assert lookup("segment.loyal") is None
    assert lookup("contract.type") == "One year"


# -- what a session remembers


def remembering(last: datetime, remembers: set[str], context: Mapping[str, Any]) -> Lookup:
    """A lookup in a session that has said `page` and `reason` before."""
    session = Session(
        started=NOW - DAY,
        last=last,
        channel="call",
        context={"page": "cancel", "reason": "price", "odd": float("nan")},
    )
    bundle = a_bundle(session=SessionTerms(idle=IDLE, remembers=frozenset(remembers)))
    return looking(bundle=bundle, session=session, context=context)


def test_what_this_request_leaves_out_the_session_remembers() -> None:
    lookup = remembering(NOW - MS, {"page", "reason"}, {"page": "billing"})
    assert lookup("context.page") == "billing"
    assert lookup("context.reason") == "price"


def test_only_what_the_bundle_names_is_remembered() -> None:
    lookup = remembering(NOW - MS, {"reason", "odd"}, {})
    assert lookup("context.page") is None
    assert lookup("context.reason") == "price"
    assert lookup("context.odd") is None


@pytest.mark.parametrize("said", [None, {"a": 1}, float("nan")])
def test_what_this_request_says_counts_even_if_it_says_nothing(said: object) -> None:
    assert remembering(NOW - MS, {"page"}, {"page": said})("context.page") is None


@pytest.mark.parametrize(("idle", "found"), [(IDLE - MS, "cancel"), (IDLE, None), (9 * DAY, None)])
def test_a_session_that_is_over_remembers_nothing(idle: timedelta, found: Scalar) -> None:
    assert remembering(NOW - idle, {"page"}, {})("context.page") == found


# -- segments and values


def named(**expressions: str) -> dict[str, Any]:
    """Expressions by name."""
    return {name: compile_expression(text) for name, text in expressions.items()}


def test_segments_and_values_use_features_and_each_other() -> None:
    bundle = a_bundle(
        segments=named(loyal="contract.tenure_months >= 24", big="value.yearly > 1000"),
        values=named(
            yearly="billing.monthly_charges * 12",
            margin="value.yearly * (0.4 if segment.big and segment.loyal else 0.2)",
        ),
    )
    lookup = looking(
        bundle=bundle, features={"contract.tenure_months": 30, "billing.monthly_charges": 100}
    )
    assert lookup("segment.loyal") is True
    assert lookup("value.margin") == 480.0
    unknown = looking(bundle=bundle, features={"billing.monthly_charges": 100})
    assert unknown("segment.loyal") is None
    assert unknown("value.margin") is None


def test_a_segment_is_worked_out_once_and_only_when_asked_for() -> None:
    asked: list[str] = []

    def evaluate(lookup: Lookup) -> Scalar:
        asked.append("loyal")
        return True

    counting = replace(compile_expression("True"), evaluate=evaluate)
    lookup = looking(bundle=a_bundle(segments={"loyal": counting}))
    assert asked == []
    assert lookup("segment.loyal") is lookup("segment.loyal") is True
    assert asked == ["loyal"]


@pytest.mark.parametrize("start", ["segment.a", "segment.b", "value.c"])
def test_segments_that_need_themselves_are_unknown_and_end(start: str) -> None:
    """A bundle with such is refused; should one slip through, nothing breaks."""
    bundle = a_bundle(
        segments=named(a="segment.b", b="value.c > 1 and not segment.a"),
        values=named(c="segment.a"),
    )
    assert looking(bundle=bundle)(start) is None


def test_a_chain_of_segments_that_is_too_long_is_unknown_and_does_not_exhaust_the_stack() -> None:
    deep = "not " * 25
    chain = {f"s{n}": f"{deep}segment.s{n + 1}" for n in range(500)}
    bundle = a_bundle(segments=named(**chain, s500="True"))
    assert looking(bundle=bundle)("segment.s0") is None
    assert looking(bundle=bundle)(f"segment.s{501 - DEEPEST}") is not None
    assert looking(bundle=bundle)(f"segment.s{500 - DEEPEST}") is None


# -- ages, clocks


@pytest.mark.parametrize(
    ("at", "hours"), [(NOW, 0.0), (NOW - timedelta(minutes=90), 1.5), (NOW + DAY, 0.0)]
)
def test_the_age_of_a_view_is_told_in_hours(at: datetime, hours: float) -> None:
    assert looking(feature_times={"service": at})("age.service") == hours


def test_an_age_is_told_even_of_what_is_too_old_to_be_used() -> None:
    bundle = a_bundle(max_ages={"service": DAY})
    assert looking(bundle=bundle, feature_times={"service": NOW - 9 * DAY})("age.service") == 216


@pytest.mark.parametrize(
    ("zone", "hour", "weekday"),
    [
        ("Asia/Tokyo", 1, "sunday"),
        ("America/New_York", 11, "saturday"),
        ("Nowhere/At_All", 17, "saturday"),
    ],
)
def test_the_hour_and_the_day_are_those_of_the_customer(zone: str, hour: int, weekday: str) -> None:
    bundle = a_bundle(customer_zone="profile.zone", zone="Europe/Berlin")
    now = datetime(2026, 3, 7, 16, 30, tzinfo=UTC)
    lookup = looking(bundle=bundle, features={"profile.zone": zone}, now=now)
    assert lookup("request.local_hour") == hour
    assert lookup("request.weekday") == weekday


def test_a_zone_that_needs_the_hour_is_the_zone_of_the_business() -> None:
    lookup = looking(bundle=a_bundle(customer_zone="request.weekday", zone="Asia/Tokyo"))
    assert lookup("request.weekday") == "monday"
    assert lookup("request.local_hour") == 21


def test_a_lookup_looks_and_changes_nothing() -> None:
    features: dict[str, Scalar] = {"contract.type": "One year"}
    bundle = a_bundle(an_action("one"), segments=named(loyal="contract.type == 'One year'"))
    lookup = looking(bundle=bundle, features=features)
    assert lookup("segment.loyal") is True
    assert features == {"contract.type": "One year"}
