"""Raw scores to probabilities that mean what they say, in plain numbers kept with the artefact."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import numpy as np

from models.encoding import Matrix, Vector
from models.metrics import log_loss

_FOLDS = 5
_MOST_STEPS = 50
_MOST_POINTS, _ROWS_A_POINT = 20, 400
_ONE = np.array(1.0)
_STEEPEST = np.array(700.0)
"""The exponential of more than this is too large. Arrays, since numpy converts floats each time."""


class Method(StrEnum):
    """`none`: the logistic function alone; `platt`: with slope and offset; `isotonic`: a curve.

    `curve`: straight lines between a few points, from raw score to log-odds.
    """

    NONE = "none"
    PLATT = "platt"
    CURVE = "curve"
    ISOTONIC = "isotonic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A monotone curve from raw score (log-odds) to probability, applied in float64.

    `knots` and `levels` are the points of a curve, straight lines between them: probabilities
    (`isotonic`) or log-odds (`curve`), which go on by `slope` beyond the first and the last.
    """

    method: Method = Method.NONE
    slope: float = 1.0
    offset: float = 0.0
    knots: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()

    def __call__(self, raw: Vector) -> Vector:
        """Probabilities for raw scores.

        >>> float(Calibration()(np.array([0.0]))[0])
        0.5
        """
        if self.method is Method.ISOTONIC:
            return np.interp(raw, self.knots, self.levels)
        if self.method is Method.PLATT:
            raw = self.slope * raw + self.offset
        elif self.method is Method.CURVE:
            beyond = raw - np.minimum(np.maximum(raw, self.knots[0]), self.knots[-1])
            raw = np.interp(raw, self.knots, self.levels) + self.slope * beyond
        return logistic(raw)

    def one(self, raw: float) -> float:
        """The probability for one raw score; the last bit may differ from that of a vector.

        >>> Calibration().one(0.0)
        0.5
        """
        if self.method is Method.ISOTONIC:
            return float(np.interp(raw, self.knots, self.levels))
        if self.method is Method.PLATT:
            raw = self.slope * raw + self.offset
        elif self.method is Method.CURVE:
            return float(self(np.array([raw]))[0])
        return 1.0 / (1.0 + math.exp(min(700.0, -raw)))


def logistic(raw: Vector) -> Vector:
    """1 / (1 + exp(-raw)), without overflow."""
    return _ONE / (_ONE + np.exp(np.minimum(-raw, _STEEPEST)))


def softmax(raw: Matrix, slope: float = 1.0) -> Matrix:
    """Probabilities of several classes from raw scores; `slope` below 1 makes them less sure."""
    scaled = slope * raw
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_slope(raw: Matrix, target: Any) -> Calibration:
    """The slope of `softmax` with the least log loss, by golden-section search."""
    rows = np.arange(len(raw))

    def loss(power: float) -> float:
        chosen = softmax(raw, math.exp(power))[rows, target]
        return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())

    low, high, ratio = -2.0, 2.0, (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return Calibration(method=Method.PLATT, slope=math.exp((low + high) / 2))


def fit_platt(raw: Vector, target: Vector) -> Calibration:
    """Slope and offset of least log loss, by damped Newton steps (Platt 1999, smoothed targets)."""
    positives, negatives = float(target.sum()), float(len(target) - target.sum())
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    wanted = np.where(target > 0, high, low)
    inputs = np.column_stack([raw, np.ones_like(raw)])
    weights = np.array([1.0, 0.0])
    for _ in range(_MOST_STEPS):
        step = _newton_step(inputs, wanted, weights)
        if float(np.abs(step).max()) < 1e-10:
            break
        weights = weights - step
    if not np.isfinite(weights).all() or weights[0] <= 0:
        return Calibration()
    return Calibration(method=Method.PLATT, slope=float(weights[0]), offset=float(weights[1]))


def _newton_step(inputs: Matrix, wanted: Vector, weights: Vector) -> Vector:
    """A step that lowers the loss, halved until it does; far from the goal a whole one may not."""
    p = logistic(inputs @ weights)
    gradient = inputs.T @ (p - wanted)
    curvature = (inputs * (p * (1 - p))[:, None]).T @ inputs + 1e-9 * np.eye(2)
    step: Vector = np.asarray(np.linalg.solve(curvature, gradient), dtype=np.float64)
    loss = log_loss(wanted, p)
    for _ in range(_MOST_STEPS):
        if log_loss(wanted, logistic(inputs @ (weights - step))) <= loss:
            return step
        step = step / 2
    return np.zeros(2)


def fit_isotonic(raw: Vector, target: Vector) -> Calibration:
    """The best rising curve, kept a little off 0 and 1: certainty is not learned from a sample."""
    # training only: the API never loads it
    from sklearn.isotonic import IsotonicRegression  # pyright: ignore[reportMissingTypeStubs]

    edge = 1 / (len(target) + 2)
    curve = cast(Any, IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip"))
    curve.fit(raw, target)
    knots = tuple(float(each) for each in curve.X_thresholds_)
    levels = tuple(float(each) for each in curve.y_thresholds_)
    return Calibration(method=Method.ISOTONIC, knots=knots, levels=levels)


def fit_curve(raw: Vector, target: Vector) -> Calibration:
    """A rising curve of few points: the isotonic one, averaged in bins of as many rows each.

    Platt's where there are too few rows for three points.
    """
    straight = fit_platt(raw, target)
    count = min(_MOST_POINTS, len(raw) // _ROWS_A_POINT)
    edges = np.unique(np.quantile(raw, np.linspace(0, 1, count + 1))) if count else raw[:0]
    if len(edges) < 4 or straight.method is not Method.PLATT:
        return straight
    place = np.clip(np.searchsorted(edges, raw, side="right") - 1, 0, len(edges) - 2)
    rows = np.bincount(place)
    mean = np.bincount(place, weights=fit_isotonic(raw, target)(raw)) / rows
    level = np.maximum.accumulate(mean)  # means of one plateau may differ in their last bit
    return Calibration(
        method=Method.CURVE,
        slope=straight.slope,
        knots=tuple((np.bincount(place, weights=raw) / rows).tolist()),
        levels=tuple(np.log(level / (1 - level)).tolist()),
    )


def best(raw: Vector, target: Vector, seed: int = 0) -> Calibration:
    """The method with the least cross-validated log loss; a more flexible one must earn it.

    `raw` must be out-of-fold scores: a model's scores on its own training rows are too sure.
    """
    folds = np.random.default_rng(seed).permutation(len(raw)) % _FOLDS
    fits: list[Callable[[Vector, Vector], Calibration]] = [
        lambda raw, target: Calibration(),
        fit_platt,
        fit_curve,
        fit_isotonic,
    ]
    losses = [_held_out_loss(fit, raw, target, folds) for fit in fits]
    noise = (0.0, min(0.0002, 1 / len(raw)), 0.0002, 0.002)
    chosen = min(range(len(fits)), key=lambda i: losses[i] + noise[i])
    return fits[chosen](raw, target)


def _held_out_loss(
    fit: Callable[[Vector, Vector], Calibration], raw: Vector, target: Vector, folds: Any
) -> float:
    losses = [
        log_loss(
            target[folds == fold],
            fit(raw[folds != fold], target[folds != fold])(raw[folds == fold]),
        )
        for fold in range(_FOLDS)
    ]
    return float(np.mean(losses))
