"""An expression written as source means what the same expression means as closures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inline import Lines
from engine.rules import Expression, Kind, RuleError, compile_expression
from engine.types import Scalar
from tests.engine.test_rules import ANYTHING, EXPRESSIONS, HUGE, NAMES, any_expression, conditions

KNOWN = (*NAMES, "history.sent:x:3")
ANY = st.one_of(ANYTHING, HUGE)
VALUES = st.tuples(ANY, ANY, ANY, st.none() | st.integers(0, 1_000))
"""What is known; how often something happened is a number, or not known."""


def written(expression: Expression, known: Mapping[str, object]) -> Scalar:
    """What it gives as source."""
    lines = Lines()
    return lines.function("said", lines.expression(expression))(known.get, known.get)


def same(first: object, second: object) -> bool:
    """Whether two answers are one: 1, 1.0 and true are three."""
    return type(first) is type(second) and repr(first) == repr(second)


@pytest.mark.parametrize("kind", Kind)
@given(text=st.one_of(any_expression(), conditions()), values=VALUES)
@settings(max_examples=200, deadline=None)
def test_any_expression_gives_the_same_as_source_and_as_closures(
    kind: Kind, text: str, values: Sequence[object]
) -> None:
    try:
        expression = compile_expression(text, kind)
    except RuleError:
        return
    known: dict[str, object] = dict(zip(KNOWN, values, strict=True))
    assert same(written(expression, known), expression(known.get))


@given(values=VALUES)
@settings(max_examples=100, deadline=None)
def test_what_many_expressions_share_is_worked_out_once_and_means_the_same(
    values: Sequence[object],
) -> None:
    lines = Lines()
    said = [lines.expression(one) for one in EXPRESSIONS]
    known: dict[str, object] = dict(zip(KNOWN, values, strict=True))
    asked: list[str] = []

    def get(name: str) -> object:
        asked.append(name)
        return known[name]

    found = lines.function("said", f"[{', '.join(said)}]")(get, known.get)
    assert len(asked) == len(set(asked))
    for expression, one in zip(EXPRESSIONS, found, strict=True):
        assert same(one, expression(known.get)), expression.text


def test_a_segment_is_written_out_unless_its_name_is_known_already() -> None:
    rich = compile_expression("a.x > 5", Kind.CONDITION)
    lines = Lines({"rich": rich}, {})
    said = lines.function("said", lines.expression(compile_expression("not segment.rich")))
    for known, answer in (({"a.x": 9}, False), ({"a.x": 9, "segment.rich": False}, True)):
        assert said(known.get, known.get) is answer


def test_what_asks_of_the_past_is_not_cheap_even_by_way_of_a_segment() -> None:
    lines = Lines({"asked": compile_expression("sent('*', days=3)")}, {})
    assert not lines.cheap(compile_expression("a.x and segment.asked"))
    assert lines.cheap(compile_expression("a.x and segment.rich"))
