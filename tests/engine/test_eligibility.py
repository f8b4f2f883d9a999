"""What rules can look up, and how they drop."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.eligibility import failed_rules, known_features, names, unavailable
from engine.types import JourneyState, Scalar
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_journey,
    a_request,
    a_rule,
    a_snapshot,
    an_action,
)

TIMES = a_snapshot().feature_times


def looked_up(name: str, *journeys: JourneyState, reconciled: bool = True) -> Scalar:
    """What a rule finds under a name."""
    context = {"page": "billing", "count": 3, "nested": {"a": 1}, "none": None}
    snapshot = a_snapshot(reconciled=reconciled, journeys=journeys)
    features: dict[str, Scalar] = {"contract.type": "One year", "contract.absent": None}
    lookup = names(a_request(context=context), snapshot, features, {"churn": 0.25})
    value = lookup(name)
    assert value is None or isinstance(value, str | int | float | bool)
    return value


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
        ("model.churn", 0.25),
        ("model.other", None),
        ("journey.complaint", True),
        ("journey.complaint.stage", "open"),
        ("journey.renewal", False),
        ("journey.renewal.stage", None),
    ],
)
def test_every_kind_of_name_can_be_looked_up(name: str, value: Scalar) -> None:
    assert looked_up(name, a_journey()) == value


def test_whether_a_journey_runs_is_unknown_while_the_live_state_is() -> None:
    assert looked_up("journey.renewal", reconciled=False) is None
    assert looked_up("journey.renewal.stage", reconciled=False) is None


def test_a_context_can_not_pretend_to_be_a_journey_or_a_model() -> None:
    request = a_request(context={"../journey.complaint": True})
    lookup = names(request, a_snapshot(), {}, {})
    assert lookup("journey.complaint") is False


def test_each_view_ages_on_its_own() -> None:
    bundle = a_bundle(max_ages={"behaviour": 2 * DAY, "service": 9 * DAY, "contract": 9 * DAY})
    old = NOW - 3 * DAY
    snapshot = a_snapshot(
        features={"behaviour.last_page": "x", "service.messages_7d": 1, "profile.senior": True},
        feature_times={**TIMES, "behaviour": old, "service": old},
    )
    known = known_features(snapshot, bundle, NOW)
    assert known.features == {"service.messages_7d": 1, "profile.senior": True}
    assert known.stale == ("behaviour features are 3 days old; 2 days are allowed",)
    assert known.missing == ()


def test_an_age_of_hours_is_told_in_hours() -> None:
    bundle = a_bundle(max_ages={"service": timedelta(hours=1)})
    snapshot = a_snapshot(feature_times={**TIMES, "service": NOW - timedelta(hours=5)})
    stale = known_features(snapshot, bundle, NOW).stale
    assert stale == ("service features are 5 hours old; 1 hours are allowed",)


def test_a_view_never_pushed_is_not_missing_but_a_loaded_one_is() -> None:
    bundle = a_bundle(max_ages={"behaviour": DAY})
    assert known_features(a_snapshot(), bundle, NOW).missing == ()
    none = known_features(a_snapshot(feature_times={}), bundle, NOW)
    assert none.missing == ("no features are known of this customer",)


def test_features_from_a_clock_ahead_of_ours_are_not_old() -> None:
    bundle = a_bundle(max_ages={"service": DAY})
    snapshot = a_snapshot(feature_times={**TIMES, "service": NOW + DAY})
    assert known_features(snapshot, bundle, NOW).stale == ()


def test_all_failed_rules_are_found_in_order() -> None:
    action = an_action(
        "one",
        rules=[
            a_rule("1 == 1", name="fine"),
            a_rule("1 == 2", name="wrong"),
            a_rule("contract.x == 1", name="unknown"),
            a_rule("contract.x == 1", name="lenient", unknown_passes=True),
        ],
    )
    drops = list(failed_rules(action, lambda name: None))
    assert [drop.rule for drop in drops] == ["wrong", "unknown"]
    assert [drop.detail.startswith("not known") for drop in drops] == [False, True]


def test_an_action_is_available_on_its_days_only() -> None:
    action = an_action("one", starts=NOW.date(), ends=NOW.date())
    midnight = NOW.replace(hour=0)
    assert unavailable(action, midnight) is None
    assert unavailable(action, midnight + DAY - timedelta(microseconds=1)) is None
    before = unavailable(action, midnight - timedelta(microseconds=1))
    assert before is not None
    assert before.until == midnight
    after = unavailable(action, midnight + DAY)
    assert after is not None
    assert after.until is None
