"""How good predicted probabilities are: ranking, log loss, Brier score, calibration error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.encoding import Matrix, Vector

BINS = 10
_EPSILON = 1e-12

Metrics = dict[str, float | None]
Labels = npt.NDArray[np.int64]


def auc(target: Vector, score: Vector) -> float | None:
    """The chance that a positive ranks above a negative, ties half; None with one class only.

    >>> auc(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.9, 0.2]))
    0.75
    """
    positives = int(target.sum())
    negatives = len(target) - positives
    if positives == 0 or negatives == 0:
        return None
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(ranks[place][target > 0].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def log_loss(target: Vector, probability: Vector) -> float:
    """Mean negative log-likelihood of a binary target."""
    p = np.clip(probability, _EPSILON, 1 - _EPSILON)
    return float(-np.mean(target * np.log(p) + (1 - target) * np.log1p(-p)))


def brier(target: Vector, probability: Vector) -> float:
    """Mean squared distance of the probability from what happened.

    >>> round(brier(np.array([0.0, 1.0]), np.array([0.1, 0.8])), 6)
    0.025
    """
    return float(np.mean((probability - target) ** 2))


def calibration_error(target: Vector, probability: Vector, bins: int = BINS) -> float:
    """Expected calibration error: |mean probability - rate| in bins of equal width, by size.

    >>> calibration_error(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    0.0
    """
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weights=probability - target, minlength=bins)
    return float(np.abs(gaps).sum() / len(target))


def binary(target: Vector, probability: Vector) -> Metrics:
    """All metrics of a binary target."""
    return {
        "auc": auc(target, probability),
        "log_loss": log_loss(target, probability),
        "brier": brier(target, probability),
        "calibration_error": calibration_error(target, probability),
    }


def several(target: Labels, probability: Matrix) -> Metrics:
    """All metrics of a target with several classes: `target` holds positions of columns.

    AUC is one class against the rest, averaged; Brier sums over classes; the calibration error
    is that of the most likely class.
    """
    rows = np.arange(len(target))
    truth = np.zeros_like(probability)
    truth[rows, target] = 1.0
    guess = probability.argmax(axis=1)
    areas = [auc(truth[:, k], probability[:, k]) for k in range(probability.shape[1])]
    known = [area for area in areas if area is not None]
    right = (guess == target).astype(np.float64)
    return {
        "auc": float(np.mean(known)) if known else None,
        "log_loss": float(-np.mean(np.log(np.clip(probability[rows, target], _EPSILON, 1)))),
        "brier": float(np.mean((probability - truth) ** 2)) * probability.shape[1],
        "calibration_error": calibration_error(right, probability[rows, guess]),
        "macro_f1": _macro_f1(target, guess),
        "accuracy": float(right.mean()),
    }


def _macro_f1(target: Labels, guess: Labels) -> float:
    scores: list[float] = []
    labels: set[int] = {*target.tolist(), *guess.tolist()}
    for label in sorted(labels):
        hit = np.count_nonzero((guess == label) & (target == label))
        total = np.count_nonzero(guess == label) + np.count_nonzero(target == label)
        scores.append(2 * hit / total)
    return float(np.mean(scores))
