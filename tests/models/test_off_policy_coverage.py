"""Intervals of off-policy estimates hold the truth as often as they say."""

from __future__ import annotations

import pytest

from benchmarks.coverage import RUNS, covered
from benchmarks.synthetic_logs import World, worlds

WORLDS = worlds()


@pytest.mark.long
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_of_500_intervals_of_each_method_92_to_98_percent_hold_the_truth(world: World) -> None:
    found = covered(world, RUNS)
    assert len(found) == 5
    assert {name: share for name, share in found.items() if not 0.92 <= share <= 0.98} == {}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_most_of_40_intervals_hold_the_truth(world: World) -> None:
    assert min(covered(world, runs=40).values()) >= 0.8
