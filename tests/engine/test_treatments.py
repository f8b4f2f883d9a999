"""Which way to say something is used, and its words: told only what is known and fresh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Treatment
from engine.decide import decide
from engine.logic import scalar
from engine.treatments import in_words, names_in, said, unfit
from engine.types import Candidate, Decision, Placement, Scalar, Stage, Status
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_hold,
    a_request,
    a_rule,
    a_snapshot,
    a_treatment,
    an_action,
)
from tests.support.scorers import Silent

CHARGES = "billing.monthly_charges"


def told(body: str, **more: Any) -> Treatment:
    """A treatment whose words tell something."""
    content = {"body": body}
    treatment = a_treatment("one", "web")
    return replace(treatment, id="one.web:told", content=content, needs=names_in(content), **more)


PLAIN = a_treatment("one", "web")


def decided(*treatments: Treatment, age: float = 0, **features: Scalar) -> Decision:
    """A decision about an action with these treatments; billing is `age` days old, 30 are fine."""
    bundle = a_bundle(
        an_action("one", purpose="nurture", treatments=treatments), max_ages={"billing": 30 * DAY}
    )
    known = {name.replace("__", "."): value for name, value in features.items()}
    times = {"billing": NOW - age * DAY, "contract": NOW}
    snapshot = a_snapshot(features=known, feature_times=times)
    return decide(a_request(), snapshot, bundle, Silent())


def body(decision: Decision) -> str:
    """What the customer reads."""
    return decision.offers[0].content["body"]


# -- told only where reliable and fresh data exist


def test_what_is_fresh_is_told() -> None:
    decision = decided(
        told(f"You pay {{{CHARGES}}}.", preference=1), PLAIN, billing__monthly_charges=70.5
    )
    assert body(decision) == "You pay 70.50."
    assert decision.offers[0].treatment == "one.web:told"


@pytest.mark.parametrize(
    ("age", "value"), [(31, 70.5), (0, None), (0, float("nan")), (0, float("inf")), (31, None)]
)
def test_what_is_old_absent_or_no_number_is_not_told_and_the_next_treatment_is_used(
    age: float, value: float | None
) -> None:
    decision = decided(
        told(f"You pay {{{CHARGES}}}.", preference=1),
        PLAIN,
        age=age,
        billing__monthly_charges=value,
    )
    assert body(decision) == "one"
    assert decision.offers[0].treatment == "one.web"


def test_without_another_treatment_it_is_not_offered_and_the_reason_is_given() -> None:
    candidate = decided(told(f"You pay {{{CHARGES}}} for {{contract.type}}.")).candidates[0]
    assert candidate.status is Status.DROPPED
    assert [drop.stage for drop in candidate.drops] == [Stage.TREATMENT]
    assert candidate.drops[0].rule == f"needs:{CHARGES}"
    assert "not known or too old" in candidate.drops[0].detail


def test_all_that_is_missing_is_told_in_explain_mode() -> None:
    treatment = told(f"{{{CHARGES}}} {{contract.type}} {{{CHARGES}}}")
    bundle = a_bundle(an_action("one", treatments=[treatment]))
    candidate = decide(a_request(explain=True), a_snapshot(), bundle, Silent()).candidates[0]
    assert [drop.rule for drop in candidate.drops] == [f"needs:{CHARGES}", "needs:contract.type"]


def test_the_first_treatment_that_fits_is_used_in_order_of_preference() -> None:
    first = told("{contract.type} first", preference=3, rules=(a_rule("contract.months > 6"),))
    second = replace(told("{contract.type} second", preference=2), id="one.web:second")
    known: dict[str, Any] = {"contract__type": "Flex"}
    assert body(decided(PLAIN, second, first, **known, contract__months=7)) == "Flex first"
    assert body(decided(PLAIN, second, first, **known, contract__months=6)) == "Flex second"
    assert body(decided(PLAIN, second, first, **known)) == "Flex second"
    assert body(decided(PLAIN, second, first)) == "one"


def test_a_treatment_with_a_need_of_its_own_fits_only_where_that_is_known() -> None:
    sure = replace(told("We know you.", preference=1), needs=("contract.type",))
    assert body(decided(sure, PLAIN, contract__type="Flex")) == "We know you."
    assert body(decided(sure, PLAIN)) == "one"


def test_each_placement_finds_its_own_treatment() -> None:
    hero = replace(told("{contract.type}", placement="hero"), id="one.web.hero")
    bundle = a_bundle(
        an_action("one", purpose="nurture", treatments=[hero, a_treatment("one", "web", "rail")])
    )
    placements = (Placement(name="hero"), Placement(name="rail"))
    request = a_request("web", *placements)
    decision = decide(request, a_snapshot(), bundle, Silent())
    assert decision.placements["hero"] == ()
    assert decision.placements["rail"][0].treatment == "one.web.rail"


def test_the_tone_asked_for_does_not_make_an_unfit_treatment_fit() -> None:
    kind = replace(told("{contract.type}", tone="empathetic"), id="one.web.kind")
    bundle = a_bundle(an_action("one", purpose="nurture", treatments=[PLAIN, kind]))
    for features, expected in (({}, "one.web"), ({"contract.type": "Flex"}, "one.web.kind")):
        snapshot = a_snapshot(features=features, holds=(a_hold(),))
        decision = decide(a_request(), snapshot, bundle, Silent())
        assert decision.offers[0].treatment == expected


def test_a_fallback_is_not_shown_with_words_that_miss_something() -> None:
    helping = an_action("help", purpose="service", treatments=[told("{contract.type}")])
    bundle = a_bundle(helping, fallbacks={"*": "help"})
    assert decide(a_request(), a_snapshot(), bundle, Silent()).offers == ()
    snapshot = a_snapshot(features={"contract.type": "Flex"})
    assert body(decide(a_request(), snapshot, bundle, Silent())) == "Flex"


def test_a_rule_that_stops_every_treatment_tells_what_an_officer_can_read_out() -> None:
    rule = a_rule("contract.months > 6", name="half-a-year", stage=Stage.TREATMENT)
    candidate: Candidate = decided(replace(PLAIN, rules=(rule,)), contract__months=1).candidates[0]
    assert [(drop.stage, drop.rule, drop.detail) for drop in candidate.drops] == [
        (Stage.TREATMENT, "half-a-year", "it needs contract.months > 6")
    ]


# -- words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (24, "24"),
        (-3, "-3"),
        (24.0, "24"),
        (70.5, "70.50"),
        (70.35, "70.35"),
        (70.999, "71"),
        (0.004, "0"),
        (-0.004, "0"),
        (-0.0, "0"),
        (1e15, "1000000000000000"),
        ("Fiber optic", "Fiber optic"),
        ("", ""),
    ],
)
def test_values_read_as_people_write_them(value: str | float, words: str) -> None:
    assert in_words(value) == words


@pytest.mark.parametrize("value", ["{contract.type}", "{{contract.type}}", "{", "\\g<1>", "\\1"])
def test_a_value_with_braces_is_not_filled_again(value: str) -> None:
    treatment = told("{profile.name} has {contract.type}")
    found = {"profile.name": value, "contract.type": "Flex"}
    assert said(treatment, found.get)["body"] == f"{value} has Flex"


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(alphabet="{}ab.x", max_size=9)
)


PIECES = st.sampled_from(["{a.x}", "{b.y}", "{", "}", "text", "{a}", "{a.x", "{A.x}", "{a.x }"])


@given(st.lists(PIECES, max_size=6), VALUES, VALUES)
def test_words_are_filled_in_completely_or_the_treatment_does_not_fit(
    pieces: list[str], first: Scalar, second: Scalar
) -> None:
    treatment = told("".join(pieces))
    found = {"a.x": first, "b.y": second}
    known = {name: scalar(value) for name, value in found.items()}
    needed = [known[name] for name in treatment.needs]
    assert any(unfit(treatment, found.get)) is (None in needed)
    if None in needed:
        return
    expected = treatment.content["body"]
    for at, name in enumerate(treatment.needs):
        expected = expected.replace(f"{{{name}}}", chr(at))
    for at, value in enumerate(needed):
        expected = expected.replace(chr(at), in_words("" if value is None else value))
    assert said(treatment, found.get)["body"] == expected
