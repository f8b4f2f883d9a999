"""How often 95 % intervals of off-policy estimates hold the truth, on made-up logs."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.synthetic_logs import CELLS, World, worlds
from models.intervals import Codes
from models.off_policy import Estimate, Method, Predicted, estimate
from models.rewards import CellMeans, cross_fit
from models.support import Log

RUNS = 500

Coverage = Mapping[str, Mapping[str, float]]


def coverage(runs: int = RUNS) -> Coverage:
    """The share of runs whose interval holds the truth, by world and method."""
    return {name: covered(world, runs) for name, world in worlds().items()}


def covered(world: World, runs: int = RUNS) -> Mapping[str, float]:
    """The share of runs whose interval holds this world's truth; a refusal holds nothing."""
    held = dict.fromkeys(Method, 0)
    for seed in range(runs):
        for method, found in _estimates(world, seed).items():
            held[method] += found.interval.holds(world.truth)
    return {method.value: count / runs for method, count in held.items()}


def _estimates(world: World, seed: int) -> Mapping[Method, Estimate]:
    cell, log = world.log(seed)
    target = world.target[cell]
    predicted = _predicted(world, cell, log)
    found = {method: estimate(method, log, target, predicted) for method in Method}
    return {method: each for method, each in found.items() if isinstance(each, Estimate)}


def _predicted(world: World, cell: Codes, log: Log) -> Predicted:
    learn = CellMeans(cells=CELLS, actions=world.means.shape[1])
    return cross_fit(learn, cell, log, world.target[cell])
