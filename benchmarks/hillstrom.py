"""Whom to send which e-mail, learned from half of a real trial and judged by the other half.

In Kevin Hillstrom's test a third of the customers each got an e-mail on men's wear, one on women's,
or none. A visit is worth 1, an e-mail costs COST. The learned policy sends each customer the e-mail
whose effect is worth most, or none. It is compared with

    everyone      everyone gets the e-mail that did better in the half learned from
    propensity    the same number of e-mails, to those likeliest to visit when they get one,
                  each the e-mail that makes the visit likelier
    threshold     an e-mail for everyone whose likely visit is worth more than it costs

by the known chances (a third each) on the other half: a difference and its interval, row by row
paired, for each of 20 splits. Overall, the splits share their customers: the error of their mean is
that of C. Nadeau and Y. Bengio (2003), `sqrt(1/20 + judged/learned) s`.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.encoding import Matrix, Vector
from models.intervals import Codes, Interval, mean_interval, student
from models.off_policy import Method, contributions
from models.support import Log
from models.uplift import Trial, Uplift, best_arms, learn_uplift

TABLE = Path(__file__).parents[2] / "shared" / "data" / "hillstrom" / "hillstrom.csv.gz"
ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
COST = 0.05
SPLITS = 20
RIVALS = ("everyone", "propensity", "threshold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split: what the policies earned a customer, and how the learned one compares."""

    learner: str
    contacted: float
    earned: Mapping[str, float]
    gain: Mapping[str, Interval]


def trial_of(path: Path = TABLE) -> Trial:
    """Visits of the real test; texts become the position of their value."""
    table = pd.read_csv(path)
    known = table[["recency", "history", "mens", "womens", "newbie"]].to_numpy(np.float64)
    texts = [pd.factorize(table[name], sort=True)[0] for name in ("zip_code", "channel")]
    return Trial(
        rows=np.column_stack([known, *texts]).astype(np.float64),
        arm=table["segment"].map(ARMS.index).to_numpy(np.int64),
        outcome=table["visit"].to_numpy(np.float64),
        chances=np.full((len(table), len(ARMS)), 1 / len(ARMS)),
    )


def planted(rows: int = 20_000, seed: int = 1) -> Trial:
    """A trial where e-mails help some, drive others away, and do nothing to the most active."""
    random = np.random.default_rng(seed)
    known = random.normal(size=(rows, 6))
    activity, taste, patience = known[:, 0], known[:, 1], known[:, 2]
    liked = 0.25 * (patience > 0) - 0.1 * (patience <= 0)
    dormant = activity < 0.5
    effects = np.column_stack(
        [np.zeros(rows), dormant * liked * (taste > 0), dormant * liked * (taste <= 0)]
    )
    arm = random.integers(0, 3, rows)
    chance = 0.15 + 0.45 * (activity >= 0.5) + effects[np.arange(rows), arm]
    visit = (random.random(rows) < chance).astype(np.float64)
    return Trial(rows=known, arm=arm, outcome=visit, chances=np.full((rows, 3), 1 / 3))


def splits(trial: Trial, count: int = SPLITS, cost: float = COST) -> Sequence[Split]:
    """As many splits into halves, the same ones always."""
    return [_split(trial, seed, cost) for seed in range(count)]


def told(found: Sequence[Split]) -> Mapping[str, Any]:
    """The splits and what they come to, by rival."""
    return {
        "contacted": float(np.mean([each.contacted for each in found])),
        "learners": [each.learner for each in found],
        "earned": {
            name: float(np.mean([each.earned[name] for each in found])) for name in found[0].earned
        },
        "against": {rival: _against(rival, found) for rival in RIVALS},
    }


def _against(rival: str, found: Sequence[Split]) -> Mapping[str, Any]:
    gains = [each.gain[rival] for each in found]
    overall = resampled(np.array([gain.value for gain in gains]))
    return {
        "gain": overall.value,
        "low": overall.low,
        "high": overall.high,
        "splits_above": sum(gain.low > 0 for gain in gains),
        "splits_below": sum(gain.high < 0 for gain in gains),
        "splits": [[gain.value, gain.low, gain.high] for gain in gains],
    }


def resampled(gains: Vector, judged_by_learned: float = 1.0) -> Interval:
    """The mean of the gains of several splits of the same customers, and its interval."""
    count = len(gains)
    error = float(gains.std(ddof=1)) * math.sqrt(1 / count + judged_by_learned)
    reach = student(0.95, count - 1) * error
    value = float(gains.mean())
    return Interval(value=value, low=value - reach, high=value + reach, error=error)


def _split(trial: Trial, seed: int, cost: float) -> Split:
    half = np.random.default_rng(seed).permutation(len(trial.arm)) % 2 == 0
    known, judged = trial.take(half), trial.take(~half)
    learned = learn_uplift(known, seed)
    policies = _policies(known, judged.rows, learned, cost)
    values = {name: _earned(judged, arms, cost) for name, arms in policies.items()}
    return Split(
        learner=learned.learner.value,
        contacted=float((policies["learned"] > 0).mean()),
        earned={name: float(each.mean()) for name, each in values.items()},
        gain={rival: mean_interval(values["learned"] - values[rival]) for rival in RIVALS},
    )


def _policies(known: Trial, rows: Matrix, learned: Uplift, cost: float) -> Mapping[str, Codes]:
    arms = best_arms(learned.effects(rows), 1.0, cost)
    means = [float(known.outcome[known.arm == arm].mean()) for arm in range(1, len(ARMS))]
    chance = _chances(known, rows)
    likelier, top = chance.argmax(axis=1) + 1, chance.max(axis=1)
    first = np.zeros(len(rows), dtype=bool)
    first[np.argsort(-top, kind="stable")[: int((arms > 0).sum())]] = True
    return {
        "learned": arms,
        "everyone": np.full(len(rows), int(np.argmax(means)) + 1),
        "propensity": np.where(first, likelier, 0),
        "threshold": np.where(top > cost, likelier, 0),
    }


def _chances(known: Trial, rows: Matrix) -> Matrix:
    """How likely a visit is with each e-mail: plain LightGBM, a model an e-mail."""
    parameters = {"objective": "binary", "num_leaves": 8, "learning_rate": 0.05, "verbosity": -1}
    columns: list[Any] = []
    for arm in range(1, len(ARMS)):
        given = known.arm == arm
        data = lgb.Dataset(known.rows[given], known.outcome[given], params={"verbosity": -1})
        model = lgb.train({**parameters, "num_threads": 1}, data, 60)
        columns.append(model.predict(rows, num_threads=1))
    return np.column_stack(columns)


def _earned(judged: Trial, arms: Codes, cost: float) -> Vector:
    """What a policy earns, row by row, by the known chances: visits less what e-mails cost."""
    place = np.arange(len(judged.arm))
    log = Log(
        taken=judged.arm,
        reward=judged.outcome - cost * (judged.arm > 0),
        propensity=judged.chances[place, judged.arm],
    )
    return contributions(Method.IPS, log, np.eye(len(ARMS))[arms])
