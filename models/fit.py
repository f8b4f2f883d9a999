"""Fits a model to any examples: LightGBM chosen, stopped and calibrated on rows held out."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import lightgbm as lgb
import numpy as np

from models.artefact import Artefact
from models.calibrate import Calibration, Method, best, fit_slope, softmax
from models.encoding import ColumnKind, Matrix, Vector
from models.folds import Fold, Mask, crosswise, forward, judged_by, mean_over
from models.frames import Examples
from models.kept_beside import golden_of, learned_from
from models.metrics import Metrics, binary, several
from models.soundness import name_in_model

MOST_ROUNDS = 800
PATIENCE = 40
RARE = 0.2
"""A class with a smaller share is tried with a higher weight."""
RECENT = 0.15
"""Where there are times: a row this share of the whole span older counts half, in a trial."""
GAIN = 0.0005
"""How much less the loss of a trial must be to be worth what it adds."""

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
    """`weight` is that of a positive row; `half` the seconds after which a row counts half."""

    shape: Mapping[str, Any]
    seed: int
    most: int
    weight: float = 1.0
    half: float = 0.0

    def words(self) -> str:
        """What is special about it."""
        told = [f"{self.shape['num_leaves']} leaves"]
        told += [f"positives weigh {self.weight:.1f}"] if self.weight != 1.0 else []
        told += [f"half after {self.half / 86_400:.1f} days"] if self.half else []
        return ", ".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the folds found for one plan: rounds to train, raw scores of judged rows, loss."""

    plan: _Plan
    rounds: int
    raw: Matrix
    loss: float

    def words(self) -> str:
        """For the report of a training."""
        return f"{self.plan.words()}: {self.rounds} rounds, log loss {self.loss:.4f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model, and every trial on the way to it; the one chosen is first."""

    artefact: Artefact
    trials: tuple[str, ...]
    shape: Mapping[str, Any]


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
    return search(examples, provenance, seed, most_rounds).artefact


def search(
    examples: Examples,
    provenance: Provenance,
    seed: int = 7,
    most_rounds: int = MOST_ROUNDS,
    shapes: Sequence[Mapping[str, Any]] = (),
) -> Fitted:
    """The same with all trials: the shapes, then what may make the best one of them better."""
    folds = forward(examples.at, examples.target) if examples.at is not None else ()
    folds = folds or crosswise(examples.target, seed)
    plans = [
        _Plan(shape=shape, seed=seed, most=most_rounds) for shape in shapes or _shapes(examples)
    ]
    trials = [_trial(examples, plan, folds) for plan in plans]
    chosen = min(trials, key=lambda trial: trial.loss)
    for change in _changes(examples) if folds else ():
        trials.append(_trial(examples, replace(chosen.plan, **change), folds))
        if trials[-1].loss < chosen.loss - GAIN:
            chosen = trials[-1]
    others = [trial.words() for trial in trials if trial is not chosen]
    judged = judged_by(folds, len(examples.rows))
    artefact = _artefact(examples, provenance, chosen, examples.take(judged), chosen.raw[judged])
    told = (chosen.words(), *others)
    return Fitted(artefact=artefact, trials=told, shape=chosen.plan.shape)


def _changes(examples: Examples) -> Iterator[Mapping[str, float]]:
    share = int((examples.target == 1).sum()) / max(1, len(examples.target))
    if len(examples.classes) == 2 and 0 < share < RARE:
        yield {"weight": math.sqrt((1 - share) / share)}
    if examples.at is not None and (span := _span(examples.at)) > 0:
        yield {"half": RECENT * span}


def _span(at: Vector) -> float:
    return float(at.max() - at.min())


def _artefact(
    examples: Examples, provenance: Provenance, chosen: Trial, judged: Examples, raw: Matrix
) -> Artefact:
    calibration = _calibration(judged, raw)
    text = _all_rows(examples, chosen).model_to_string(num_iteration=-1)
    return Artefact(
        name=provenance.name,
        target=provenance.target,
        classes=examples.classes,
        columns=examples.columns,
        calibration=calibration,
        model=text,
        golden=golden_of(text, examples.rows, chosen.plan.seed),
        trained_at=provenance.trained_at,
        window=provenance.window,
        rows=len(examples.rows),
        metrics=_plain(judge(judged, probabilities(calibration, raw))),
        vocabulary=provenance.vocabulary,
        learned=learned_from(examples, int(chosen.plan.shape["num_leaves"])),
    )


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


def _trial(examples: Examples, plan: _Plan, folds: Sequence[Fold]) -> Trial:
    outputs = 1 if len(examples.classes) == 2 else len(examples.classes)
    raw = np.zeros((len(examples.rows), outputs))
    if not folds:  # too few rows to hold any out: shallow, few rounds, not calibrated
        return Trial(plan=plan, rounds=20, raw=raw, loss=0.0)
    fitted = [_stopped(examples, fold, plan) for fold in folds]
    rounds = max(1, int(np.mean([booster.best_iteration for booster in fitted])))
    for fold, booster in zip(folds, fitted, strict=True):
        found: Any = booster.predict(
            examples.rows[fold.judged], raw_score=True, num_threads=1, num_iteration=rounds
        )
        raw[fold.judged] = np.asarray(found).reshape(-1, outputs)
    undone = Calibration(method=Method.PLATT, offset=-math.log(plan.weight))

    def loss(judged: Mask) -> float:
        found = judge(examples.take(judged), probabilities(undone, raw[judged]))
        return found["log_loss"] or 0.0

    return Trial(plan=plan, rounds=rounds, raw=raw, loss=mean_over(folds, loss))


def _stopped(examples: Examples, fold: Fold, plan: _Plan) -> lgb.Booster:
    learning, stopping = examples.take(fold.learned), examples.take(fold.judged)
    data = _dataset(learning, plan)
    return lgb.train(
        _parameters(examples, plan),
        data,
        plan.most,
        valid_sets=[data.create_valid(stopping.rows, stopping.target)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )


def _all_rows(examples: Examples, trial: Trial) -> lgb.Booster:
    return lgb.train(
        _parameters(examples, trial.plan), _dataset(examples, trial.plan), trial.rounds
    )


def _weights(examples: Examples, plan: _Plan) -> Any:
    if plan.weight == 1.0 and not plan.half:
        return None
    found = np.where(examples.target == 1, plan.weight, 1.0)
    if plan.half and examples.at is not None:
        found = found * 0.5 ** ((examples.at.max() - examples.at) / plan.half)
    return found


def _dataset(examples: Examples, plan: _Plan) -> lgb.Dataset:
    categorical = [
        place for place, column in enumerate(examples.columns) if column.kind is ColumnKind.CATEGORY
    ]
    return lgb.Dataset(
        examples.rows,
        examples.target,
        weight=_weights(examples, plan),
        feature_name=[name_in_model(column) for column in examples.columns],
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


def _plain(metrics: Metrics) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}
