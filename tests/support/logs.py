"""Small logs of decisions for tests of off-policy estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.encoding import Matrix
from models.off_policy import Predicted
from models.support import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A log, the probabilities it was made with, and the expected reward of each action."""

    log: Log
    logging: Matrix
    means: Matrix

    def perfect(self, target: Matrix) -> Predicted:
        """What a model that knows the truth says."""
        value = float((target * self.means).sum(axis=1).mean())
        return Predicted(rewards=self.means, without=np.full(20, value))


def a_log(*, rows: int = 400, actions: int = 4, seed: int = 1, noise: float = 1.0) -> Made:
    """Decisions at random; an action's reward is its number by its row's taste, and noise."""
    random = np.random.default_rng(seed)
    logging = random.dirichlet(np.full(actions, 3.0), rows)
    taken = (random.random((rows, 1)) > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    means = np.arange(actions, dtype=np.float64) * random.choice([0.5, 1.0], (rows, 1))
    place = np.arange(rows)
    reward = means[place, taken] + noise * random.normal(size=rows)
    log = Log(taken=taken, reward=reward, propensity=logging[place, taken])
    return Made(log=log, logging=logging, means=means)


def a_policy(made: Made, seed: int = 2, doubt: float = 1.0) -> Matrix:
    """Another policy: the smaller the `doubt`, the surer of its choices."""
    rows, actions = made.logging.shape
    return np.random.default_rng(seed).dirichlet(np.full(actions, doubt), rows)


def changed(log: Log, **fields: Any) -> Log:
    """A log with other arrays."""
    names = ("taken", "reward", "propensity", "unit", "possible")
    return Log(**{name: fields.get(name, getattr(log, name)) for name in names})
