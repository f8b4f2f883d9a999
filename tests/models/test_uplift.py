"""Effects are found where they are, and none is made up where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.hillstrom import planted, resampled
from engine.errors import InvalidInput
from models.encoding import Matrix, Vector
from models.uplift import Learner, Trial, best_arms, learn_uplift


def a_trial(effect: Callable[[Matrix], Any], rows: int = 6_000, seed: int = 1) -> Trial:
    """A trial of one arm; `effect` gives each customer's change of chance, from three numbers."""
    random = np.random.default_rng(seed)
    known = random.normal(size=(rows, 3))
    arm = random.integers(0, 2, rows)
    chance = 0.4 + 0.1 * np.tanh(known[:, 1]) + arm * effect(known)
    outcome = (random.random(rows) < chance).astype(np.float64)
    return Trial(rows=known, arm=arm, outcome=outcome, chances=np.full((rows, 2), 0.5))


def test_customers_whom_contact_drives_away_are_left_alone() -> None:
    trial = a_trial(lambda known: np.where(known[:, 0] > 0, 0.2, -0.2))
    learned = learn_uplift(trial)
    fresh = np.random.default_rng(9).normal(size=(2_000, 3))
    arms = best_arms(learned.effects(fresh), value=1.0, cost=0.02)
    assert learned.learner is not Learner.AVERAGE
    assert ((arms > 0) == (fresh[:, 0] > 0)).mean() > 0.93


def test_an_effect_that_is_the_same_for_all_is_the_same_for_all() -> None:
    off: list[float] = []
    spread: list[float] = []
    for seed in range(4):
        learned = learn_uplift(a_trial(lambda _: 0.15, seed=seed))
        effects = learned.effects(np.random.default_rng(9).normal(size=(500, 3)))
        off.append(abs(float(effects.mean()) - 0.15))
        spread.append(float(effects.std()))
    assert max(off) < 0.04
    assert float(np.median(spread)) < 0.01


def test_no_effect_is_shrunk_towards_none_and_nobody_is_contacted_at_a_cost() -> None:
    for seed in range(4):
        learned = learn_uplift(a_trial(lambda _: 0.0, seed=seed))
        effects = learned.effects(np.random.default_rng(9).normal(size=(500, 3)))
        assert abs(float(effects.mean())) < 0.03
        assert (best_arms(effects, value=1.0, cost=0.05) == 0).mean() > 0.98


def test_the_arm_worth_most_is_chosen_and_none_where_it_costs_more_than_it_brings() -> None:
    effects = np.array([[0.2, 0.1], [0.1, 0.2], [0.04, 0.01], [-0.5, -0.1]])
    assert best_arms(effects, value=1.0, cost=0.05).tolist() == [1, 2, 0, 0]
    assert best_arms(effects, value=2.0, cost=0.05).tolist() == [1, 2, 1, 0]


def test_uneven_chances_of_the_arms_bias_nothing() -> None:
    random = np.random.default_rng(1)
    known = random.normal(size=(9_000, 2))
    treated: Vector = np.where(known[:, 0] > 0, 0.8, 0.2)
    arm = (random.random(9_000) < treated).astype(np.int64)
    outcome = known[:, 0] + 0.3 * arm + random.normal(size=9_000)
    chances: Matrix = np.column_stack([1.0 - treated, treated]).astype(np.float64)
    learned = learn_uplift(Trial(rows=known, arm=arm, outcome=outcome, chances=chances))
    assert float(learned.average[0]) == pytest.approx(0.3, abs=0.08)


def test_what_is_no_trial_is_refused() -> None:
    trial = a_trial(lambda _: 0.1, rows=1_000)
    sure = np.tile([1.0, 0.0], (1_000, 1))
    with pytest.raises(InvalidInput, match="a chance above 0"):
        learn_uplift(Trial(rows=trial.rows, arm=trial.arm, outcome=trial.outcome, chances=sure))
    with pytest.raises(InvalidInput, match="at least 200"):
        learn_uplift(trial.take(np.arange(300)))
    with pytest.raises(InvalidInput, match="one length"):
        learn_uplift(
            Trial(rows=trial.rows[1:], arm=trial.arm, outcome=trial.outcome, chances=trial.chances)
        )


def test_planted_effects_are_found_for_both_arms() -> None:
    trial = planted(rows=12_000, seed=3)
    learned = learn_uplift(trial)
    dormant_and_fond = np.zeros((1, 6))
    dormant_and_fond[0, :3] = [-1.0, 1.0, 1.0]
    first, second = learned.effects(dormant_and_fond)[0]
    assert first > 0.15
    assert abs(second) < 0.08


def test_gains_of_overlapping_splits_are_less_sure_than_those_of_separate_ones() -> None:
    gains = np.random.default_rng(1).normal(size=20)
    assert resampled(gains).error == pytest.approx(gains.std(ddof=1) * np.sqrt(1 / 20 + 1))
