"""What contacting a customer changes: treatment effects from a trial, shrunk to what is shown.

For each arm beside not contacting (arm 0), three learners on LightGBM; m_a(x) is the expected
outcome under arm a, e_a its known probability:

    t     m_a(x) - m_0(x), a model an arm
    x     imputed effects, y - m_0(x) of the treated and m_a(x) - y of the others, regressed on x
          (S. Kunzel, J. Sekhon, P. Bickel, B. Yu 2019; both regressions in one, by weights)
    dr    doubly robust effects, regressed on x (E. Kennedy 2020):
          m_a - m_0 + 1[a](y - m_a)/e_a - 1[0](y - m_0)/e_0

Which one is taken, and how far it is believed, is judged on doubly robust effects of rows it did
not learn from: an effect that differs between customers only by chance is shrunk to the average,
and an average that may be chance towards none.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import lightgbm as lgb
import numpy as np

from engine.errors import InvalidInput
from models.encoding import Matrix, Vector
from models.intervals import Codes

FOLDS = 3
ROUNDS = 60
FEWEST_ROWS = 200
_PARAMETERS: Mapping[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.08,
    "num_leaves": 6,
    "lambda_l2": 10.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class Learner(StrEnum):
    """The learners, and the one that learns nothing but averages."""

    T = "t"
    X = "x"
    DR = "dr"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Customers, the arm each was given by a known chance, and what came of it.

    Arm 0 is not contacting. `chances` has a column for each arm.
    """

    rows: Matrix
    arm: Codes
    outcome: Vector
    chances: Matrix

    def take(self, chosen: Any) -> Trial:
        """Some of the customers."""
        return Trial(
            rows=self.rows[chosen],
            arm=self.arm[chosen],
            outcome=self.outcome[chosen],
            chances=self.chances[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplift:
    """Effects of the arms beside 0. `belief`: how much of the differences between customers."""

    learner: Learner
    average: Vector
    belief: Vector
    centre: Vector
    forests: Sequence[Sequence[lgb.Booster]]

    def effects(self, rows: Matrix) -> Matrix:
        """The expected change of the outcome by each arm beside 0, a column an arm."""
        found = np.tile(self.average, (len(rows), 1))
        if self.learner is not Learner.AVERAGE:
            found += self.belief * (_raw(self.learner, self.forests, rows) - self.centre)
        return found


def learn_uplift(trial: Trial, seed: int = 1) -> Uplift:
    """The effects of a trial. Raises InvalidInput where it is no trial or too small."""
    _check(trial)
    outcomes = _crossed(trial, seed)
    shown = _doubly_robust(trial, outcomes)
    average = np.array([_towards_none(column) for column in shown.T])
    learner, belief = _most_borne_out(trial, seed)
    forests = _forests(learner, trial, outcomes, shown, seed)
    centre = np.zeros(len(average))
    if learner is not Learner.AVERAGE:
        centre = _raw(learner, forests, trial.rows).mean(axis=0)
    return Uplift(learner=learner, average=average, belief=belief, centre=centre, forests=forests)


def best_arms(effects: Matrix, value: float, cost: float) -> Codes:
    """The arm worth most to contact each customer with; 0 where none is worth what it costs."""
    worth = np.column_stack([np.zeros(len(effects)), value * effects - cost])
    return worth.argmax(axis=1)


def _check(trial: Trial) -> None:
    rows, arms = trial.chances.shape
    if not len(trial.rows) == len(trial.arm) == len(trial.outcome) == rows:
        raise InvalidInput("a trial's arrays must be of one length")
    if not (trial.chances > 0).all() or not np.allclose(trial.chances.sum(axis=1), 1):
        raise InvalidInput("a trial gives every customer each arm with a chance above 0")
    if not np.isfinite(trial.outcome).all():
        raise InvalidInput("an outcome of a trial is no finite number")
    fewest = int(np.bincount(trial.arm, minlength=arms).min())
    if fewest < FEWEST_ROWS:
        raise InvalidInput(f"an arm has {fewest} customers; at least {FEWEST_ROWS} are needed")


def _doubly_robust(trial: Trial, outcomes: Matrix) -> Matrix:
    """Each row's effects: noisy, and right on average for any kind of customer."""
    place = np.arange(len(trial.arm))
    scores = outcomes.copy()
    missed = trial.outcome - outcomes[place, trial.arm]
    scores[place, trial.arm] += missed / trial.chances[place, trial.arm]
    return scores[:, 1:] - scores[:, :1]


def _towards_none(shown: Vector) -> float:
    """The average effect, less what chance alone would make of it (positive-part James-Stein)."""
    average, error = float(shown.mean()), float(shown.std() / np.sqrt(len(shown)))
    return average * _credible(average, error)


def _credible(value: float, error: float) -> float:
    return max(0.0, 1 - (error / value) ** 2) if value else 0.0


def _folds(trial: Trial, seed: int) -> Codes:
    return np.random.default_rng(seed).permutation(len(trial.arm)) % FOLDS


def _crossed(trial: Trial, seed: int) -> Matrix:
    """Expected outcomes of each arm for each row, by models that did not learn from it."""
    fold = _folds(trial, seed)
    outcomes = np.zeros(trial.chances.shape)
    for each in range(FOLDS):
        out = fold == each
        outcomes[out] = _predicted(_outcome_models(trial.take(~out), seed), trial.rows[out])
    return outcomes


def _most_borne_out(trial: Trial, seed: int) -> tuple[Learner, Vector]:
    """The learner whose differences between customers come nearest to those shown, and how far.

    Both are judged on rows from which neither it nor what it learned from learned anything.
    """
    fold = _folds(trial, seed + 1)
    shown = np.zeros((len(fold), trial.chances.shape[1] - 1))
    learned = {each: np.zeros(shown.shape) for each in Learner if each is not Learner.AVERAGE}
    for each in range(FOLDS):
        out, rest = fold == each, trial.take(fold != each)
        outcomes, models = _crossed(rest, seed), _outcome_models(rest, seed)
        effects = _doubly_robust(rest, outcomes)
        judged = trial.take(out)
        shown[out] = _doubly_robust(judged, _predicted(models, judged.rows))
        for learner, found in learned.items():
            forests = _forests(learner, rest, outcomes, effects, seed)
            found[out] = _centred(_raw(learner, forests, judged.rows))
    beliefs = {each: _beliefs(_centred(shown), found) for each, found in learned.items()}
    best = min(learned, key=lambda each: _missed(shown, beliefs[each] * learned[each]))
    return (best if beliefs[best].any() else Learner.AVERAGE), beliefs[best]


def _missed(shown: Matrix, learned: Matrix) -> float:
    return float(((_centred(shown) - learned) ** 2).sum())


def _centred(columns: Matrix) -> Matrix:
    return columns - columns.mean(axis=0)


def _beliefs(shown: Matrix, learned: Matrix) -> Vector:
    return np.array([_belief(*pair) for pair in zip(shown.T, learned.T, strict=True)])


def _belief(shown: Vector, learned: Vector) -> float:
    """The slope of shown on learned effects, less what chance would make of it, from 0 to 1."""
    squares = float(learned @ learned)
    if squares <= 0:
        return 0.0
    slope = float(shown @ learned) / squares
    error = float(np.sqrt(np.sum((learned * (shown - slope * learned)) ** 2))) / squares
    return min(1.0, max(0.0, slope) * _credible(slope, error))


def _forests(
    learner: Learner, trial: Trial, outcomes: Matrix, shown: Matrix, seed: int
) -> Sequence[Sequence[lgb.Booster]]:
    """For each arm beside 0: two forests whose difference is the effect, or one."""
    arms = range(1, trial.chances.shape[1])
    match learner:
        case Learner.T:
            models = _outcome_models(trial, seed)
            return [(models[arm], models[0]) for arm in arms]
        case Learner.X:
            return [(_imputed(trial, outcomes, arm, seed),) for arm in arms]
        case Learner.DR:
            return [(_fit(trial.rows, shown[:, arm - 1], seed),) for arm in arms]
        case Learner.AVERAGE:
            return ()


def _imputed(trial: Trial, outcomes: Matrix, arm: int, seed: int) -> lgb.Booster:
    given, odds = trial.arm == arm, trial.chances[:, 0] / trial.chances[:, arm]
    either = given | (trial.arm == 0)
    effect = np.where(given, trial.outcome - outcomes[:, 0], outcomes[:, arm] - trial.outcome)
    weight = np.where(given, odds, 1 / odds)
    return _fit(trial.rows[either], effect[either], seed, weight[either])


def _outcome_models(trial: Trial, seed: int) -> Sequence[lgb.Booster]:
    arms = (trial.arm == arm for arm in range(trial.chances.shape[1]))
    return [_fit(trial.rows[given], trial.outcome[given], seed) for given in arms]


def _fit(rows: Matrix, target: Vector, seed: int, weight: Vector | None = None) -> lgb.Booster:
    least = {"min_data_in_leaf": max(20, len(rows) // 100), "seed": seed}
    data = lgb.Dataset(rows, target, weight=weight, params={**_PARAMETERS, **least})
    return lgb.train({**_PARAMETERS, **least}, data, ROUNDS)


def _predicted(models: Sequence[lgb.Booster], rows: Matrix) -> Matrix:
    return np.column_stack([np.asarray(each.predict(rows, num_threads=1)) for each in models])


def _raw(learner: Learner, forests: Sequence[Sequence[lgb.Booster]], rows: Matrix) -> Matrix:
    if learner is Learner.T:
        control = np.asarray(forests[0][1].predict(rows, num_threads=1))
        return _predicted([pair[0] for pair in forests], rows) - control[:, None]
    return _predicted([one[0] for one in forests], rows)
