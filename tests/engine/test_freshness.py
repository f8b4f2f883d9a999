"""P7: what is too old or absent is never scored as fresh, nor seen by any rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import Action, Bundle
from engine.decide import decide
from engine.freshness import known_features
from engine.rules import compile_expression
from engine.types import Level, Placement, Snapshot, Status
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_request,
    a_rule,
    a_snapshot,
    a_treatment,
    a_weight,
    an_action,
)
from tests.support.scorers import Witness

TIMES = a_snapshot().feature_times
MS = timedelta(milliseconds=1)


def stale(bundle: Bundle, snapshot: Snapshot) -> tuple[str, ...]:
    """What is too old now, in words."""
    return known_features(snapshot, bundle, NOW).stale


# -- single cases


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


@pytest.mark.parametrize(("age", "fresh"), [(DAY - MS, True), (DAY, True), (DAY + MS, False)])
def test_exactly_as_old_as_allowed_is_fresh(age: timedelta, fresh: bool) -> None:
    bundle = a_bundle(max_ages={"service": DAY})
    snapshot = a_snapshot(features={"service.x": 1}, feature_times={**TIMES, "service": NOW - age})
    assert ("service.x" in known_features(snapshot, bundle, NOW).features) is fresh


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"service.x": DAY}, {"service.y"}),
        ({"service.x": 3 * DAY}, {"service.x", "service.y"}),
        ({"service": DAY, "service.x": 3 * DAY}, {"service.x"}),
        ({"service": 3 * DAY, "service.x": DAY}, {"service.y"}),
        ({"service": DAY, "service.x": DAY}, set[str]()),
        ({"service": DAY, "service.z": 9 * DAY}, set[str]()),
        ({"serv": DAY, "service.": DAY}, {"service.x", "service.y"}),
    ],
)
def test_the_age_of_a_single_feature_counts_instead_of_that_of_its_view(
    limits: Mapping[str, timedelta], kept: set[str]
) -> None:
    snapshot = a_snapshot(
        features={"service.x": 1, "service.y": 2},
        feature_times={**TIMES, "service": NOW - 2 * DAY},
    )
    assert known_features(snapshot, a_bundle(max_ages=limits), NOW).features.keys() == kept


def test_a_single_feature_that_is_too_old_is_named_unless_it_is_not_there() -> None:
    bundle = a_bundle(max_ages={"service.x": DAY, "service.y": DAY, "service.z": DAY})
    snapshot = a_snapshot(
        features={"service.x": 1, "service.y": None},
        feature_times={**TIMES, "service": NOW - 3 * DAY},
    )
    assert stale(bundle, snapshot) == ("service.x is 3 days old; 24 hours are allowed",)


def test_a_view_whose_name_begins_alike_is_another_one() -> None:
    bundle = a_bundle(max_ages={"serv": DAY, "service.xy": DAY})
    snapshot = a_snapshot(features={"service.x": 1, "service.xyz": 2}, feature_times={})
    assert known_features(snapshot, bundle, NOW).features == snapshot.features
    assert stale(bundle, snapshot) == ()


def test_an_age_of_hours_is_told_in_hours() -> None:
    bundle = a_bundle(max_ages={"service": timedelta(hours=1)})
    snapshot = a_snapshot(feature_times={**TIMES, "service": NOW - timedelta(hours=5)})
    assert stale(bundle, snapshot) == ("service features are 5 hours old; 1 hours are allowed",)


def test_what_has_no_time_is_not_taken_for_fresh() -> None:
    bundle = a_bundle(max_ages={"service": DAY, "profile.x": DAY, "behaviour": DAY})
    snapshot = a_snapshot(features={"service.x": 1, "profile.x": 1}, feature_times={})
    known = known_features(snapshot, bundle, NOW)
    assert known.features == {}
    assert known.stale == (
        "how old service features are is not known; 24 hours are allowed",
        "how old profile.x is is not known; 24 hours are allowed",
    )


def test_a_view_never_pushed_is_not_missing_but_a_loaded_one_is() -> None:
    bundle = a_bundle(max_ages={"behaviour": DAY})
    assert known_features(a_snapshot(), bundle, NOW).missing == ()
    none = known_features(a_snapshot(feature_times={}), bundle, NOW)
    assert none.missing == ("no features are known of this customer",)
    assert none.stale == ()


def test_features_from_a_clock_ahead_of_ours_are_not_old() -> None:
    bundle = a_bundle(max_ages={"service": DAY})
    snapshot = a_snapshot(feature_times={**TIMES, "service": NOW + DAY})
    assert stale(bundle, snapshot) == ()


# -- the promise, through the whole funnel

VIEWS = ("one", "two", "three")
FEATURES = tuple(f"{view}.{feature}" for view in VIEWS for feature in ("x", "y"))
OLD = 777_777
FRESH = 42
HOURS = st.integers(0, 50)


def actions_about(name: str) -> tuple[Action, Action]:
    """An action whose value and words tell a feature where they can, and one that needs it."""
    word = name.replace(".", "-")
    plain = a_treatment(word, "web")
    content = {"body": f"you have {{{name}}}"}
    telling = replace(plain, id=f"{word}.told", content=content, needs=(name,), preference=1)
    return (
        an_action(
            word,
            purpose="nurture",
            value=f"value.{name.replace('.', '_')}",
            treatments=[plain, telling],
        ),
        an_action(f"gate-{word}", purpose="nurture", rules=[a_rule(f"{name} >= 0")]),
    )


def about(limits: Mapping[str, timedelta]) -> Bundle:
    """A bundle that uses every feature in every way."""
    flat = {name: name.replace(".", "_") for name in FEATURES}
    return a_bundle(
        *(action for name in FEATURES for action in actions_about(name)),
        max_ages=limits,
        segments={flat[name]: compile_expression(f"{name} > 0") for name in FEATURES},
        values={
            flat[name]: compile_expression(f"{name} if known({name}) else 1") for name in FEATURES
        },
        weights=[
            a_weight(f"action:{name.replace('.', '-')}", 100, f"segment.{flat[name]}")
            for name in FEATURES
        ],
    )


def is_fresh(name: str, times: Mapping[str, datetime], limits: Mapping[str, timedelta]) -> bool:
    """The promise in one line."""
    view = name.split(".")[0]
    limit = limits.get(name, limits.get(view))
    return limit is None or (view in times and NOW - times[view] <= limit)


@given(
    st.dictionaries(st.sampled_from(VIEWS), HOURS),
    st.dictionaries(st.sampled_from((*VIEWS, *FEATURES)), HOURS),
    st.sets(st.sampled_from(FEATURES)),
)
@settings(deadline=None)
def test_nothing_too_old_is_seen_by_a_model_a_rule_a_value_or_a_customer(
    ages: Mapping[str, int], allowed: Mapping[str, int], present: set[str]
) -> None:
    times = {view: NOW - timedelta(hours=age) for view, age in ages.items()}
    limits = {name: timedelta(hours=hours) for name, hours in allowed.items()}
    fresh = {name for name in present if is_fresh(name, times, limits)}
    features = {name: FRESH if name in fresh else OLD for name in present}
    witness = Witness()
    request = a_request("web", Placement(limit=50))
    snapshot = a_snapshot(features=features, feature_times=times)
    decision = decide(request, snapshot, about(limits), witness)
    assert [given.keys() - {"model.churn"} for given in witness.given] == [fresh, fresh]
    assert all(OLD not in given.values() for given in witness.given)
    seen = {candidate.action: candidate for candidate in decision.candidates}
    said = {offer.action: offer.content["body"] for offer in decision.offers}
    for name in FEATURES:
        word, known = name.replace(".", "-"), name in fresh
        assert seen[word].value == (FRESH if known else 1)
        assert seen[word].context_weight == (2 if known else 1)
        assert said[word] == (f"you have {FRESH}" if known else word)
        assert (seen[f"gate-{word}"].status is Status.DROPPED) is not known
    assert str(OLD) not in str(decision)
    if present - fresh:
        assert decision.level is not Level.FULL


def test_what_is_too_old_stays_in_the_snapshot_and_is_told_in_the_answer() -> None:
    """The snapshot itself stays as it was read: it is what a replay starts from."""
    bundle = about({"one": DAY})
    snapshot = a_snapshot(features={"one.x": OLD}, feature_times={**TIMES, "one": NOW - 9 * DAY})
    decision = decide(a_request(), snapshot, bundle, Witness())
    assert snapshot.features == {"one.x": OLD}
    assert decision.level is Level.STALE
    assert decision.because == ("one features are 9 days old; 24 hours are allowed",)
