"""How segments and values use each other, and what is refused when they tie themselves in knots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import MarginFloor
from engine.expressions import DEEPEST, expressions, rests_on, tangles
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
from tests.support.written import refusals, shop


def compiled(texts: Mapping[str, str]) -> dict[str, Expression]:
    """Expressions by name."""
    return {name: compile_expression(text) for name, text in texts.items()}


def test_a_name_rests_on_all_that_its_segment_or_value_needs() -> None:
    segments = compiled({"a": "value.b > 1 and contract.x", "loop": "segment.loop or age.y"})
    values = compiled({"b": "model.churn * 2 if sent('x', days=3) else value.none"})
    assert rests_on("contract.x", segments, values) == {"contract.x"}
    assert rests_on("segment.loop", segments, values) == {"age.y"}
    assert rests_on("segment.a", segments, values) == {
        *("contract.x", "model.churn", "history.sent:x:3", "value.none")
    }


def test_every_expression_of_a_bundle_says_where_it_stands() -> None:
    said = a_treatment("one", "web", rules=(a_rule("a.x", name="young"),))
    margin = compile_expression("a.x")
    action = an_action("one", margin=margin, rules=[a_rule("a.x", name="old")], treatments=[said])
    bundle = a_bundle(
        action,
        weights=[a_weight("action:one", 10, "a.x")],
        margin_floors=(MarginFloor(name="floor", condition=margin, floor=1, because="..."),),
        segments=compiled({"loyal": "a.x"}),
        values=compiled({"yearly": "a.x"}),
    )
    assert [place for place, _ in expressions(bundle)] == [
        "segment loyal",
        "value yearly",
        "value of one",
        "margin of one",
        "rule old of one",
        "rule young of one.web",
        "context weight action:one a.x",
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


@pytest.mark.parametrize(
    ("per", "refused"),
    [("profile.genre", False), ("segment.readers", False), ("segment.leaving", True)],
)
def test_a_volume_is_not_counted_by_what_a_model_says(
    tmp_path: Path, per: str, refused: bool
) -> None:
    """It is counted before the models are asked, so that it would be counted as unknown."""
    more = f"""\
segments:
  readers: profile.reader
  leaving: value.risk > 3
values:
  risk: model.churn * billing.spent
volumes:
  gifts: {{at_most: 50, in: month, per: {per}, because: They are gone., actions: [novel]}}
"""
    why = (
        "per of volume gifts rests on model.churn, which is not known yet when volumes are counted"
    )
    found = [problem for problem in refusals(tmp_path, more) if why in problem] if refused else []
    assert bool(found) is refused
    if not refused:
        assert shop(tmp_path, more).volumes[0].per == per
