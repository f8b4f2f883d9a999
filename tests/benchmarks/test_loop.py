"""The loop closes by itself: a hidden preference is learned from answers, and learned anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import loop
from benchmarks.loop_month import Month, Plan
from benchmarks.loop_world import ACTIONS, CHANCE, LIKINGS, ORACLE, liking, people


def test_no_single_action_is_liked_by_everybody_and_what_was_best_becomes_worst() -> None:
    for _, features in people(200):
        now, then = (
            [liking(features, action, reversed_=changed) for action in ACTIONS]
            for changed in (False, True)
        )
        assert sorted(now) == sorted(then) == sorted(LIKINGS)
        assert now.index(max(now)) == then.index(min(then))
    for action in ACTIONS:
        everybody = [liking(features, action, reversed_=False) for _, features in people(200)]
        assert sum(everybody) / 200 < 1.6 * CHANCE


def test_acceptance_rises_once_a_model_has_learned_from_a_day_of_answers(tmp_path: Path) -> None:
    plan = Plan(days=3, visits=400, reversed_on=3)
    first, second, third = Month(tmp_path / "month", plan, seed=2).lived()
    assert first.night == "the first one"
    assert first.expected < 0.6 * ORACLE
    assert (second.expected + third.expected) / 2 > 1.15 * first.expected


@pytest.mark.long
def test_a_hidden_preference_is_learned_and_learned_anew_once_it_is_reversed() -> None:
    found = loop.verdict(loop.PLAN, loop.month(loop.PLAN, seed=1))
    assert found["untaught"] < 0.7
    assert found["first_training"] > found["untaught"]
    assert found["taught"] >= 0.9
    assert found["reversed"] < 0.5 < found["recovered"]
    assert found["last"] >= 0.9
