"""Models of rewards for off-policy estimates, fitted so that no row is judged by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.encoding import Matrix, Vector
from models.intervals import Codes
from models.off_policy import Predicted
from models.support import Log

FOLDS = 20

Context = Any
"""What is known of each row before an action is taken, rows first."""
Learner = Callable[[Context, Codes, Vector], Callable[[Context], Matrix]]
"""Learns rewards from contexts and actions taken; predicts a column for each action."""


def cross_fit(
    learn: Learner, context: Context, log: Log, target: Matrix, *, folds: int = FOLDS, seed: int = 1
) -> Predicted:
    """A model's rewards for each row, learned from the other folds only; units stay together."""
    fold = _folds(log, folds, seed)
    rewards = np.zeros(target.shape)
    without = np.zeros(folds)
    for each in range(folds):
        out = fold == each
        rest = ~out
        predict = learn(context[rest], log.taken[rest], log.reward[rest])
        rewards[out] = predict(context[out])
        without[each] = float((target[rest] * predict(context[rest])).sum(axis=1).mean())
    return Predicted(rewards=rewards, without=without)


def _folds(log: Log, folds: int, seed: int) -> Codes:
    """A fold for each unit, all of about one size."""
    rows = np.arange(len(log.taken)) if log.unit is None else log.unit
    _, place = np.unique(rows, return_inverse=True)
    even = np.random.default_rng(seed).permutation(int(place.max()) + 1) % folds
    return even[place]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMeans:
    """The mean reward of each action in each cell of the context (integers from 0).

    Each is shrunk as if `prior` further rows had the action's mean over all cells, and that as if
    `prior` further rows had the mean of the actions. Actions weigh in that by credibility
    (H. Buhlmann and E. Straub 1970), not by rows: what the log liked best is not the usual.
    """

    cells: int
    actions: int
    prior: float = 5.0

    def __call__(self, cell: Codes, taken: Codes, reward: Vector) -> Callable[[Codes], Matrix]:
        """Learns, and returns what predicts."""
        place = cell * self.actions + taken
        size = self.cells * self.actions
        count = np.bincount(place, minlength=size).reshape(self.cells, self.actions)
        total = np.bincount(place, reward, minlength=size).reshape(self.cells, self.actions)
        action = self._actions(count.sum(axis=0), total.sum(axis=0))
        means = (total + self.prior * action) / (count + self.prior)
        return lambda cells: means[cells]

    def _actions(self, count: Codes, total: Vector) -> Vector:
        credible = count / (count + self.prior)
        usual = float(credible @ (total / np.maximum(count, 1)) / credible.sum())
        return (total + self.prior * usual) / (count + self.prior)
