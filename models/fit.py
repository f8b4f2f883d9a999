"""Fits a model to any examples: LightGBM chosen, stopped and calibrated by cross-validation."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import lightgbm as lgb
import numpy as np

from models.artefact import Artefact, Golden, golden_row
from models.calibrate import Calibration, best, fit_slope, softmax
from models.encoding import ColumnKind, Matrix
from models.frames import Examples
from models.inputs import ACTION, CHANNEL, answers_key
from models.metrics import Labels, Metrics, binary, several

MOST_ROUNDS = 800
PATIENCE = 40
GOLDEN_ROWS = 12
_MANY_ROWS = 15_000

_COMMON: Mapping[str, Any] = {
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
    "bagging_freq": 1,
    "bagging_fraction": 0.8,
    "cat_smooth": 20.0,
    "cat_l2": 20.0,
    "max_cat_to_onehot": 8,
}
_SHAPES: tuple[Mapping[str, Any], ...] = (
    {"num_leaves": 5, "learning_rate": 0.06, "feature_fraction": 0.5, "lambda_l2": 10.0},
    {"num_leaves": 15, "learning_rate": 0.04, "feature_fraction": 0.6, "lambda_l2": 5.0},
    {"num_leaves": 31, "learning_rate": 0.04, "feature_fraction": 0.8, "min_data_in_leaf": 40},
)
"""From nearly additive to deep: small tables are won by the first, large ones by the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    shape: Mapping[str, Any]
    seed: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What cross-validation found for one shape: rounds to train, out-of-fold raw scores, loss."""

    plan: _Plan
    rounds: int
    raw: Matrix
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What an artefact says of where it comes from."""

    name: str
    target: str
    trained_at: datetime
    window: tuple[datetime, datetime]
    vocabulary: Mapping[str, tuple[str, ...]]


def fit(
    examples: Examples, provenance: Provenance, seed: int = 7, most_rounds: int = MOST_ROUNDS
) -> Artefact:
    """A calibrated model of the examples; its metrics are those of rows held out in turn."""
    folds = _folds(examples.target, seed)
    plans = [_Plan(shape=shape, seed=seed, most=most_rounds) for shape in _shapes(examples)]
    trials = [_trial(examples, plan, folds) for plan in plans]
    chosen = min(trials, key=lambda trial: trial.loss)
    booster = _all_rows(examples, chosen)
    calibration = _calibration(examples, chosen.raw)
    text = booster.model_to_string(num_iteration=-1)
    return Artefact(
        name=provenance.name,
        target=provenance.target,
        classes=examples.classes,
        columns=examples.columns,
        calibration=calibration,
        model=text,
        golden=_golden(text, examples.rows, seed),
        trained_at=provenance.trained_at,
        window=provenance.window,
        rows=len(examples.rows),
        metrics=_plain(judge(examples, probabilities(calibration, chosen.raw))),
        vocabulary=provenance.vocabulary,
        learned=_learned(examples),
    )


def _learned(examples: Examples) -> Mapping[str, int] | None:
    """How many of the examples are of each action on each channel; None where none is of any."""
    place = {column.name: at for at, column in enumerate(examples.columns)}
    if not {ACTION, CHANNEL} <= place.keys():
        return None
    told = examples.rows[:, [place[ACTION], place[CHANNEL]]]
    codes, counts = np.unique(told[~np.isnan(told).any(axis=1)], axis=0, return_counts=True)
    actions, channels = (examples.columns[place[name]].categories for name in (ACTION, CHANNEL))
    return {
        answers_key(actions[int(action)], channels[int(channel)]): int(count)
        for (action, channel), count in zip(codes.tolist(), counts.tolist(), strict=True)
    }


def probabilities(calibration: Calibration, raw: Matrix) -> Matrix:
    """One column of probabilities for each class from raw scores (one column: a binary target)."""
    if raw.shape[1] > 1:
        return softmax(raw, calibration.slope)
    positive = calibration(raw[:, 0])
    return np.column_stack([1 - positive, positive])


def judge(examples: Examples, probability: Matrix) -> Metrics:
    """The metrics of probabilities on examples, binary or not as the classes are."""
    if len(examples.classes) == 2:
        return binary(examples.target.astype(np.float64), probability[:, 1])
    return several(examples.target, probability)


def _shapes(examples: Examples) -> tuple[Mapping[str, Any], ...]:
    if len(examples.classes) > 2 or len(examples.rows) < 500:
        return _SHAPES[:2]
    return _SHAPES


def _folds(target: Labels, seed: int) -> Labels:
    """A fold for each row, every class spread evenly over them; none (all 0) for tiny tables."""
    rarest = int(np.bincount(target).min())
    count = min(3 if len(target) > _MANY_ROWS else 5, rarest)
    folds = np.zeros(len(target), dtype=np.int64)
    if count < 2:
        return folds
    random = np.random.default_rng(seed)
    for label in np.unique(target):
        rows = random.permutation(np.flatnonzero(target == label))
        folds[rows] = (np.arange(len(rows)) + label) % count
    return folds


def _trial(examples: Examples, plan: _Plan, folds: Labels) -> Trial:
    names = np.unique(folds)
    outputs = 1 if len(examples.classes) == 2 else len(examples.classes)
    raw = np.zeros((len(folds), outputs))
    if len(names) < 2:  # too few rows to hold any out: shallow, few rounds, not calibrated
        return Trial(plan=plan, rounds=20, raw=raw, loss=0.0)
    fitted = [_stopped(examples, folds == fold, plan) for fold in names]
    rounds = max(1, int(np.mean([booster.best_iteration for booster in fitted])))
    for fold, booster in zip(names, fitted, strict=True):
        held_out = folds == fold
        found: Any = booster.predict(
            examples.rows[held_out], raw_score=True, num_threads=1, num_iteration=rounds
        )
        raw[held_out] = np.asarray(found).reshape(-1, outputs)
    loss = judge(examples, probabilities(Calibration(), raw))["log_loss"]
    return Trial(plan=plan, rounds=rounds, raw=raw, loss=float(loss or 0.0))


def _stopped(examples: Examples, held_out: Any, plan: _Plan) -> lgb.Booster:
    learning, stopping = examples.take(~held_out), examples.take(held_out)
    data = _dataset(learning)
    return lgb.train(
        _parameters(examples, plan),
        data,
        plan.most,
        valid_sets=[data.create_valid(stopping.rows, stopping.target)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )


def _all_rows(examples: Examples, trial: Trial) -> lgb.Booster:
    return lgb.train(_parameters(examples, trial.plan), _dataset(examples), trial.rounds)


def _dataset(examples: Examples) -> lgb.Dataset:
    categorical = [
        place for place, column in enumerate(examples.columns) if column.kind is ColumnKind.CATEGORY
    ]
    return lgb.Dataset(
        examples.rows,
        examples.target,
        feature_name=[f"column_{place}" for place in range(len(examples.columns))],
        categorical_feature=categorical,
        params={"feature_pre_filter": False, "verbosity": -1, "num_threads": 1},
    )


def _parameters(examples: Examples, plan: _Plan) -> dict[str, Any]:
    several_classes = len(examples.classes) > 2
    objective = {"objective": "multiclass", "num_class": len(examples.classes)}
    small = {"min_data_in_leaf": 5, "min_data_per_group": 10} if len(examples.rows) < 500 else {}
    return {
        **_COMMON,
        **plan.shape,
        **small,
        **(objective if several_classes else {"objective": "binary"}),
        "seed": plan.seed,
    }


def _calibration(examples: Examples, raw: Matrix) -> Calibration:
    if not raw.any():
        return Calibration()
    if raw.shape[1] > 1:
        return fit_slope(raw, examples.target)
    return best(raw[:, 0], examples.target.astype(np.float64))


def _golden(text: str, rows: Matrix, seed: int) -> Golden:
    """Rows that no customer has: each column is shuffled by itself, and one row is all unknown."""
    random = np.random.default_rng(seed)
    picked = [random.choice(rows[:, place], GOLDEN_ROWS) for place in range(rows.shape[1])]
    made = np.vstack([np.column_stack(picked), np.full(rows.shape[1], np.nan)])
    found: Any = lgb.Booster(model_str=text).predict(made, raw_score=True, num_threads=1)
    scores = np.asarray(found).reshape(len(made), -1)
    return Golden(
        rows=tuple(golden_row(row) for row in made.tolist()),
        scores=tuple(tuple(row) for row in scores.tolist()),
    )


def _plain(metrics: Metrics) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}
