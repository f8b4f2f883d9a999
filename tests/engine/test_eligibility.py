"""The dates of an action and the rules it must pass; what unknown means, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.catalog import Action, MarginFloor, Rule
from engine.decide import decide
from engine.eligibility import failed_rules, hurdle, unavailable
from engine.logic import Lookup
from engine.moment import Verdicts
from engine.rules import compile_expression
from engine.types import Candidate, Drop, Scalar, Stage, Status
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
from tests.support.scorers import Silent

THREE = (True, False, None)
MICROSECOND = timedelta(microseconds=1)


def found(answer: bool | None) -> dict[str, Scalar]:
    """Features by which `a.x` is true, false or unknown."""
    return {} if answer is None else {"a.x": answer}


def met(answer: bool | None, action: Action, **terms: Any) -> Candidate:
    """What becomes of an action where `a.x` is so."""
    bundle = a_bundle(action, **terms)
    snapshot = a_snapshot(features=found(answer))
    return decide(a_request(explain=True), snapshot, bundle, Silent()).candidates[0]


def failed(rules: Sequence[Rule], lookup: Lookup) -> list[Drop]:
    """What rules drop an action for."""
    return list(failed_rules([hurdle(rule) for rule in rules], Verdicts(lookup)))


# -- three values


@pytest.mark.parametrize(
    ("answer", "unknown_passes", "passes"),
    [
        (True, False, True),
        (True, True, True),
        (False, False, False),
        (False, True, False),
        (None, False, False),
        (None, True, True),
    ],
)
@pytest.mark.parametrize("stage", [Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY])
def test_a_rule_stops_what_is_false_and_what_is_unknown_unless_it_lets_that_pass(
    answer: bool | None, unknown_passes: bool, passes: bool, stage: Stage
) -> None:
    rule = a_rule("a.x", stage=stage, unknown_passes=unknown_passes)
    candidate = met(answer, an_action("one", rules=[rule]))
    assert (candidate.status is Status.CHOSEN) is passes
    assert [drop.stage for drop in candidate.drops] == ([] if passes else [stage])


@pytest.mark.parametrize(
    ("answer", "unknown_passes", "passes"),
    [(True, False, True), (False, True, False), (None, False, False), (None, True, True)],
)
def test_a_rule_of_a_treatment_is_judged_in_the_same_way(
    answer: bool | None, unknown_passes: bool, passes: bool
) -> None:
    rule = a_rule("a.x", stage=Stage.TREATMENT, unknown_passes=unknown_passes)
    said = a_treatment("one", "web", rules=(rule,))
    candidate = met(answer, an_action("one", treatments=[said]))
    assert (candidate.status is Status.CHOSEN) is passes


@pytest.mark.parametrize("answer", THREE)
def test_a_context_weight_adds_only_while_its_condition_is_known_to_hold(
    answer: bool | None,
) -> None:
    candidate = met(answer, an_action("one"), weights=[a_weight("action:one", 100, "a.x")])
    assert candidate.context_weight == (2.0 if answer is True else 1.0)


@pytest.mark.parametrize("answer", THREE)
@pytest.mark.parametrize("margin", [5, 10])
def test_a_margin_floor_stops_unless_it_is_known_not_to_apply(
    answer: bool | None, margin: int
) -> None:
    floor = MarginFloor(name="floor", condition=compile_expression("a.x"), floor=10, because="...")
    action = an_action("one", margin=compile_expression(str(margin)))
    candidate = met(answer, action, margin_floors=(floor,))
    stopped = margin < 10 and answer is not False
    assert (candidate.status is Status.DROPPED) is stopped


@pytest.mark.parametrize("answer", THREE)
def test_a_segment_hands_its_unknown_on_to_the_rule_that_uses_it(answer: bool | None) -> None:
    segments = {"loyal": compile_expression("a.x")}
    for lenient in (True, False):
        rules = [a_rule("not segment.loyal", unknown_passes=lenient)]
        candidate = met(answer, an_action("one", rules=rules), segments=segments)
        passes = answer is False or (answer is None and lenient)
        assert (candidate.status is Status.CHOSEN) is passes


def test_a_condition_that_is_no_truth_value_does_not_pass() -> None:
    """A rule is compiled as a condition; one that was not must not let a 1 or a text through."""
    for value in (1, "yes", 0.5):
        rule = Rule(
            name="odd",
            stage=Stage.ELIGIBILITY,
            condition=compile_expression("a.x"),
            unknown_passes=True,
            because="it must be true",
        )
        assert [drop.rule for drop in failed([rule], {"a.x": value}.get)] == ["odd"]


# -- all reasons, in order


def test_all_failed_rules_are_found_in_order() -> None:
    rules = [
        a_rule("1 == 1", name="fine"),
        a_rule("1 == 2", name="wrong"),
        a_rule("contract.x == 1", name="unknown"),
        a_rule("contract.x == 1", name="lenient", unknown_passes=True),
    ]
    drops = failed(rules, lambda name: None)
    assert [drop.rule for drop in drops] == ["wrong", "unknown"]
    assert [drop.detail.startswith("not known") for drop in drops] == [False, True]


def test_eligibility_comes_first_then_applicability_then_suitability() -> None:
    stages = (Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY)
    rules = [a_rule("a.x", name=stage.value, stage=stage) for stage in stages]
    floor = MarginFloor(name="floor", condition=compile_expression("True"), floor=10, because="...")
    action = an_action("one", rules=rules, margin=compile_expression("1"))
    candidate = met(False, action, margin_floors=(floor,))
    assert [drop.rule for drop in candidate.drops] == [*stages, "margin:floor"]
    bundle = a_bundle(action)
    plain = decide(a_request(), a_snapshot(features=found(False)), bundle, Silent())
    assert [drop.rule for drop in plain.candidates[0].drops] == ["eligibility"]


# -- dates


def test_an_action_is_available_on_its_days_only() -> None:
    action = an_action("one", starts=NOW.date(), ends=NOW.date())
    midnight = NOW.replace(hour=0)
    assert unavailable(action, midnight, UTC) is None
    assert unavailable(action, midnight + DAY - MICROSECOND, UTC) is None
    before = unavailable(action, midnight - MICROSECOND, UTC)
    assert before is not None
    assert before.until == midnight
    after = unavailable(action, midnight + DAY, UTC)
    assert after is not None
    assert after.until is None


def test_dates_are_those_of_the_business_also_when_clocks_change() -> None:
    """On 29 March 2026 the day in Berlin has 23 hours."""
    berlin = ZoneInfo("Europe/Berlin")
    action = an_action("one", starts=date(2026, 3, 29), ends=date(2026, 3, 29))
    starts = datetime(2026, 3, 28, 23, tzinfo=UTC)
    ends = datetime(2026, 3, 29, 22, tzinfo=UTC)
    early = unavailable(action, starts - MICROSECOND, berlin)
    assert early is not None
    assert early.until == starts
    assert unavailable(action, starts, berlin) is None
    assert unavailable(action, ends - MICROSECOND, berlin) is None
    assert unavailable(action, ends, berlin) is not None


def test_a_decision_goes_by_the_calendar_of_the_business() -> None:
    """At noon in London it is the next day on the other side of the world."""
    action = an_action("one", starts=NOW.date() + DAY)
    for zone, status in (("UTC", Status.DROPPED), ("Pacific/Auckland", Status.CHOSEN)):
        bundle = a_bundle(action, zone=zone)
        now = NOW.replace(hour=12)
        decision = decide(a_request(now=now), a_snapshot(), bundle, Silent())
        assert decision.candidates[0].status is status
