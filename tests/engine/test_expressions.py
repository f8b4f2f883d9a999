"""What the expressions of a bundle look back on, and segments that tie themselves in knots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import MarginFloor
from engine.expressions import DEEPEST, expressions, look_back, tangles
from engine.names import names
from engine.rules import Expression, compile_expression
from tests.support.builders import (
    a_bundle,
    a_request,
    a_rule,
    a_snapshot,
    a_treatment,
    a_weight,
    an_action,
)


def sent(days: int) -> str:
    """A condition that looks so far back."""
    return f'sent("upgrade", days={days})'


def compiled(texts: Mapping[str, str]) -> dict[str, Expression]:
    """Expressions by name."""
    return {name: compile_expression(text) for name, text in texts.items()}


def everywhere(days: Mapping[str, int]) -> dict[str, Any]:
    """The parts of a bundle, each with an expression that looks so far back."""
    said = a_treatment("one", "web", rules=(a_rule(sent(days["treatment"])),))
    action = an_action(
        "one",
        value=f"1 if {sent(days['value of one'])} else 2",
        margin=compile_expression(f"1 if {sent(days['margin of one'])} else 2"),
        rules=[a_rule(sent(days["rule"]))],
        treatments=[said],
    )
    floor = compile_expression(sent(days["floor"]))
    return {
        "action": action,
        "weights": [a_weight("action:one", 10, sent(days["weight"]))],
        "margin_floors": (MarginFloor(name="floor", condition=floor, floor=1, because="..."),),
        "segments": compiled({"loyal": sent(days["segment"])}),
        "values": compiled({"yearly": f"1 if {sent(days['formula'])} else 2"}),
    }


PLACES = (
    *("value of one", "margin of one", "rule", "treatment", "weight", "floor"),
    *("segment", "formula"),
)


@given(st.fixed_dictionaries({place: st.integers(1, 400) for place in PLACES}))
def test_a_bundle_looks_back_as_far_as_any_of_its_expressions(days: dict[str, int]) -> None:
    parts = everywhere(days)
    bundle = a_bundle(parts.pop("action"), **parts)
    assert len(list(expressions(bundle))) == len(PLACES)
    assert look_back(bundle) == timedelta(days=max(days.values()))


def test_what_was_ignored_was_said_before_that() -> None:
    rule = a_rule('ignored("one", 3, days=30)')
    bundle = a_bundle(an_action("one", rules=[rule]), answers_within=timedelta(days=5))
    assert look_back(bundle) == timedelta(days=40)
    assert look_back(a_bundle(an_action("one"))) == timedelta(0)


def test_every_expression_says_where_it_stands() -> None:
    parts = everywhere(dict.fromkeys(PLACES, 1))
    bundle = a_bundle(parts.pop("action"), **parts)
    assert [place for place, _ in expressions(bundle)] == [
        "segment loyal",
        "value yearly",
        "value of one",
        "margin of one",
        "rule rule of one",
        "rule rule of one.web",
        f"context weight action:one {sent(1)}",
        "margin floor floor",
    ]


def test_a_circle_is_told_to_everyone_who_is_in_it_and_to_nobody_else() -> None:
    segments = compiled({"a": "segment.b and contract.x", "b": "value.c > 1", "d": "segment.a"})
    values = compiled({"c": "1 if segment.a else 2", "e": "value.e", "f": "contract.x"})
    assert tangles(segments, values) == {
        "segment.a": "segment.a uses itself: segment.a -> segment.b -> value.c -> segment.a",
        "segment.b": "segment.b uses itself: segment.b -> value.c -> segment.a -> segment.b",
        "value.c": "value.c uses itself: value.c -> segment.a -> segment.b -> value.c",
        "value.e": "value.e uses itself: value.e -> value.e",
    }


def test_a_row_that_is_too_long_is_told_with_all_that_is_in_it() -> None:
    row = {f"s{n}": f"segment.s{n + 1}" for n in range(DEEPEST)}
    assert tangles(compiled({**row, f"s{DEEPEST - 1}": "True"}), {}) == {}
    shown = " -> ".join(f"segment.s{n}" for n in range(DEEPEST + 1))
    assert tangles(compiled({**row, f"s{DEEPEST}": "True"}), {}) == {
        "segment.s0": f"segment.s0 uses too many in a row, {DEEPEST} at most: {shown}"
    }


def test_names_that_do_not_exist_are_no_tangle() -> None:
    assert tangles(compiled({"a": "segment.other and value.other"}), {}) == {}


def test_many_segments_that_all_use_each_other_are_judged_in_no_time() -> None:
    """Every way through them would be more than there are atoms."""
    layers = 30
    texts = {
        f"s{layer}_{n}": " or ".join(f"segment.s{layer + 1}_{m}" for m in range(8))
        for layer in range(layers)
        for n in range(8)
    }
    found = tangles(compiled(texts), {})
    assert len(found) == 8 * (layers - DEEPEST)


@given(
    st.dictionaries(
        st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3), max_size=6
    )
)
def test_what_is_not_refused_can_be_worked_out_and_what_is_refused_is_unknown(
    uses: dict[str, list[str]],
) -> None:
    """The check before and the guard at a decision agree: what passes never meets the guard."""
    texts = {
        name: " and ".join(["True", *(f"segment.{one}" for one in used if one in uses)])
        for name, used in uses.items()
    }
    segments = compiled(texts)
    refused = tangles(segments, {})
    for name in uses:
        lookup = names(a_request(), a_snapshot(), a_bundle(segments=segments), {}, {})
        found = lookup(f"segment.{name}")
        assert found in (True, None)
        if not refused:
            assert found is True
        if f"segment.{name}" in refused:
            assert found is None
