"""Two real policies, each estimated from the other's log, come out as they did."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.open_bandit import ITEMS, LOGS, SLOTS, Shown, open_bandit, replayed, thompson
from models.encoding import Matrix


def a_moving_policy(rows: int = 20_000) -> tuple[Shown, Matrix]:
    """A log whose probabilities drift over a week, and all of them."""
    random = np.random.default_rng(1)
    hour = np.sort(random.uniform(0, 168, rows))
    slot = random.integers(0, SLOTS, rows)
    taste = random.normal(size=(SLOTS, ITEMS))
    odds = taste[slot] + np.sin(hour[:, None] / 40 + np.arange(ITEMS))
    chances = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    item = (random.random((rows, 1)) > chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
    propensity = chances[np.arange(rows), item]
    log = Shown(item=item, slot=slot, hour=hour, click=np.zeros(rows), propensity=propensity)
    return log, chances


def test_the_probabilities_of_a_policy_are_read_off_its_log() -> None:
    log, chances = a_moving_policy()
    found, sums = thompson(log, log.slot, log.hour)
    assert np.allclose(found.sum(axis=1), 1.0)
    assert 0.97 < np.median(sums) < 1.03
    assert np.abs(found - chances).sum() < 0.1 * len(found)
    told = replayed(log)
    assert told["median_error"] < 0.06
    assert told["likelihood_logged"] - told["likelihood"] < 0.02


def test_each_policys_clicks_are_within_the_intervals_from_the_others_log() -> None:
    if not LOGS.exists():
        pytest.skip("../shared/data/open_bandit is not there")
    found = open_bandit()
    for direction in ("bts_from_random", "random_from_bts"):
        methods = found[direction]["methods"]
        assert set(methods) == {"ips", "snips", "dm", "dr", "switch"}
        for name, told in methods.items():
            assert told["covers"], (direction, name)
            assert told["relative_error"] < 0.5
            assert told["low"] > 0
    assert found["replayed"]["likelihood"] > found["replayed"]["likelihood_uniform"] + 1
