"""Rules that can't all hold are found; rules that can are left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import Rule
from engine.contradictions import Contradiction, contradiction
from engine.rules import Kind, compile_expression
from engine.types import Scalar
from tests.support.builders import a_rule

SEGMENTS = {
    "gold": compile_expression("billing.spent >= 100", Kind.CONDITION),
    "poor": compile_expression("not segment.gold and billing.spent < 10", Kind.CONDITION),
}


def found(*conditions: str, unknown_passes: bool = False) -> Contradiction | None:
    rules = [
        a_rule(condition, name=f"r{number}", unknown_passes=unknown_passes)
        for number, condition in enumerate(conditions)
    ]
    return contradiction(rules, SEGMENTS)


@pytest.mark.parametrize(
    "conditions",
    [
        ('x.a == "a"', 'x.a == "b"'),
        ('x.a == "a"', 'x.a != "a"'),
        ('x.a in ("a", "b")', 'x.a in ("c", "d")'),
        ('x.a == "a"', "x.a > 3"),
        ("x.a > 3", "x.a < 3"),
        ("x.a > 3 and x.b", "x.c and x.a <= 3"),
        ("x.a >= 3", "x.a < 2.5"),
        ("x.a > -1", "x.a < -1"),
        ("x.a", "not x.a"),
        ("x.a == True", "x.a == False"),
        ("known(x.a)", "not known(x.a)"),
        ("not known(x.a)", "x.a == 1"),
        ("x.a == 1 or x.a == 2", "x.a == 3"),
        ("journey.complaint", "not journey.complaint"),
        ("segment.gold", "not segment.gold"),
        ("segment.gold", "billing.spent < 100"),
        ("segment.gold", "segment.poor"),
        ("1 == 2",),
        ("False",),
        ("x.a == 1 and x.a == 2",),
        ("3 < x.a < 2",),
    ],
    ids=" | ".join,
)
def test_rules_that_nobody_can_pass_are_found(conditions: Sequence[str]) -> None:
    assert found(*conditions) is not None


@pytest.mark.parametrize(
    "conditions",
    [
        ('x.a == "a"', 'x.b == "b"'),
        ('x.a == "a" or x.b', 'x.a == "b"'),
        ("x.a > 3", "x.a < 4"),
        ("x.a > 3", "x.a < 3.5"),
        ("x.a >= 3", "x.a <= 3"),
        ("x.a != 1", "x.a != 2", "x.a != 3"),
        ('x.a > "a"', 'x.a < "b"'),
        ("x.a * 2 > 5", "x.a < 1"),
        ("not (x.a and x.b)", "x.a"),
        ("known(x.a)", "x.a == 1"),
        ("segment.gold", "billing.spent > 200"),
        ('shown("novel", days=3)', 'not shown("novel", days=9)'),
        ("True",),
    ],
    ids=" | ".join,
)
def test_rules_that_somebody_may_pass_are_left_alone(conditions: Sequence[str]) -> None:
    assert found(*conditions) is None


def test_who_is_unknown_may_pass_rules_that_let_the_unknown_pass() -> None:
    assert found('x.a == "a"', 'x.a == "b"', unknown_passes=True) is None
    assert found("known(x.a)", 'x.a == "a"', 'x.a == "b"', unknown_passes=True) is None
    strict = a_rule('x.a == "a"', name="strict")
    mild = a_rule('x.a == "b"', name="mild", unknown_passes=True)
    assert contradiction([strict, mild], {}) == Contradiction(rules=("strict", "mild"), name="x.a")


def test_a_number_passes_what_asks_for_a_text_and_lets_the_unknown_pass() -> None:
    mild = a_rule('x.a == "a"', name="mild", unknown_passes=True)
    assert contradiction([mild, a_rule("x.a > 3", name="strict")], {}) is None


def test_only_the_rules_that_contradict_each_other_are_named() -> None:
    known = found("x.a > 0", "x.a < 5", "x.b", "x.a > 9", "x.a != 7")
    assert known == Contradiction(rules=("r1", "r3"), name="x.a")
    assert found("x.b", "False") == Contradiction(rules=("r1",), name="")


ATOMS = st.sampled_from(
    [
        *('x.a == "a"', 'x.a == "b"', 'x.a != "a"', 'x.a in ("a", "c")', "x.a", "not x.a"),
        *("x.a == 1", "x.a != 0", "x.a < 1", "x.a > 1", "x.a <= 0.5", "x.a >= -2", "x.a < -2"),
        *("known(x.a)", "not known(x.a)", "x.a == 2 or x.a == -3", 'not (x.a < 2 or x.a == "b")'),
    ]
)
VALUES = st.sampled_from(
    [None, True, False, "", "a", "b", "c", "z", 0, 1, 2, -2, -3, 0.25, 0.5, 7, -9.5, 1.5]
)


@given(rules=st.lists(st.tuples(ATOMS, st.booleans()), min_size=1, max_size=4), value=VALUES)
@settings(max_examples=600, deadline=None)
def test_nobody_passes_rules_that_are_said_to_contradict_each_other(
    rules: list[tuple[str, bool]], value: Scalar
) -> None:
    made: list[Rule] = [
        a_rule(condition, name=f"r{number}", unknown_passes=passes)
        for number, (condition, passes) in enumerate(rules)
    ]
    answers = [(rule.condition({"x.a": value}.get), rule.unknown_passes) for rule in made]
    passed = all(answer is True or (answer is None and passes) for answer, passes in answers)
    assert not (passed and contradiction(made, {}))
