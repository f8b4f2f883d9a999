"""Made-up logs whose truth is known: skewed or rare rewards, many actions, sure or far targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.encoding import Matrix, Vector
from models.intervals import Codes
from models.support import Log

CELLS = 4

Rewards = Callable[[np.random.Generator, Vector], Vector]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A log's world: the chance of each cell, and by cell and action what happens there.

    `logging` and `target` are the policies, `means` the expected rewards, `draw` makes rewards of
    given means.
    """

    rows: int
    cells: Vector
    logging: Matrix
    target: Matrix
    means: Matrix
    draw: Rewards

    @property
    def truth(self) -> float:
        """The value of the target policy."""
        return float(self.cells @ (self.target * self.means).sum(axis=1))

    def log(self, seed: int) -> tuple[Codes, Log]:
        """The cells of a log, and the log."""
        random = np.random.default_rng(seed)
        cell = random.choice(len(self.cells), self.rows, p=self.cells)
        chances = self.logging[cell]
        taken = (random.random((self.rows, 1)) > chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
        place = np.arange(self.rows)
        reward = self.draw(random, self.means[cell, taken])
        log = Log(
            taken=taken, reward=reward, propensity=chances[place, taken], possible=chances > 0
        )
        return cell, log


def worlds() -> Mapping[str, World]:
    """The worlds by name, the same ones always."""
    return {
        "plain": _world(1, rows=2_000, actions=5, rate=0.3),
        "skewed rewards": _world(2, rows=2_000, actions=5, rate=0.2, draw=_spending),
        "rare rewards": _world(3, rows=6_000, actions=5, rate=0.012),
        "many actions": _world(4, rows=4_000, actions=60, rate=0.3, sharpness=0.7),
        "sure target": _world(5, rows=2_000, actions=5, rate=0.3, sure=True),
        "far target": _world(6, rows=4_000, actions=10, rate=0.3, sharpness=2.5),
        "heavy weights": _with_a_rarity(_world(7, rows=4_000, actions=5, rate=0.3)),
    }


def _world(
    seed: int,
    *,
    rows: int,
    actions: int,
    rate: float,
    draw: Rewards | None = None,
    sharpness: float = 1.0,
    sure: bool = False,
) -> World:
    random = np.random.default_rng(seed)
    taste = random.normal(size=(CELLS, actions))
    logging = _softmax(0.5 * sharpness * random.normal(size=(CELLS, actions)) + 0.4 * taste)
    target = np.eye(actions)[taste.argmax(axis=1)] if sure else _softmax(sharpness * taste)
    return World(
        rows=rows,
        cells=_softmax(0.5 * random.normal(size=(1, CELLS)))[0],
        logging=logging,
        target=target,
        means=rate * np.exp(0.4 * taste.clip(-2, 2)),
        draw=draw or _happens,
    )


def _with_a_rarity(world: World) -> World:
    """The last action is taken once in 2,000 rows, and by the target in one of 150: weight 13."""
    return replace(
        world, logging=_last(world.logging, 1 / 2_000), target=_last(world.target, 1 / 150)
    )


def _last(policy: Matrix, chance: float) -> Matrix:
    others = policy[:, :-1] / policy[:, :-1].sum(axis=1, keepdims=True)
    return np.column_stack([others * (1 - chance), np.full(len(policy), chance)])


def _happens(random: np.random.Generator, mean: Vector) -> Vector:
    return (random.random(len(mean)) < mean).astype(np.float64)


def _spending(random: np.random.Generator, mean: Vector) -> Vector:
    """Nothing for most; for some an amount whose logarithm is normal, with a heavy tail."""
    buys = random.random(len(mean)) < 0.3 * mean / mean.max()
    amount = np.exp(random.normal(size=len(mean)) - 0.5)
    return buys * amount * mean.max() / 0.3


def _softmax(odds: Matrix) -> Matrix:
    shares = np.exp(odds)
    return shares / shares.sum(axis=1, keepdims=True)
