"""Which rows a trial learns from and which it is judged by: crosswise, or forward in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.encoding import Vector
from models.metrics import Labels

MANY_ROWS = 50_000
FORWARD = (0.5, 0.7, 0.85, 0.95, 0.975, 1.0)
"""Where forward folds begin and end: the newest rows count most, since tomorrow is most like them.
"""
FEWEST_JUDGED = 60
FEWEST_OF_A_CLASS = 5

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Masks of rows. Rows that are in no fold's `judged` are only learned from."""

    learned: Mask
    judged: Mask


def crosswise(target: Labels, seed: int) -> Sequence[Fold]:
    """Every row is judged once, every class spread evenly; none for tables that are too small."""
    rarest = int(np.bincount(target).min())
    count = min(3 if len(target) > MANY_ROWS else 5, rarest)
    if count < 2:
        return ()
    names = np.zeros(len(target), dtype=np.int64)
    random = np.random.default_rng(seed)
    for label in np.unique(target):
        rows = random.permutation(np.flatnonzero(target == label))
        names[rows] = (np.arange(len(rows)) + label) % count
    return [Fold(learned=names != name, judged=names == name) for name in range(count)]


def forward(at: Vector, target: Labels) -> Sequence[Fold]:
    """Later rows are judged by earlier ones; none where times don't tell rows apart.

    Steps too small to be judged by are one with the next.
    """
    found: list[Fold] = []
    begins = FORWARD[0]
    for ends in FORWARD[1:]:
        start = float(np.quantile(at, begins))
        end = np.inf if ends == 1.0 else float(np.quantile(at, ends))
        learned, judged = at < start, (at >= start) & (at < end)
        if _tells(target[judged], FEWEST_JUDGED) and _tells(target[learned], FEWEST_JUDGED):
            found.append(Fold(learned=learned, judged=judged))
            begins = ends
    return found if len(found) > 1 else ()


def _tells(target: Labels, fewest: int) -> bool:
    positives = int(target.sum())
    enough = min(positives, len(target) - positives) >= FEWEST_OF_A_CLASS
    return len(target) >= fewest and enough


def mean_over(folds: Sequence[Fold], loss: Any) -> float:
    """The mean of a loss over the folds, each counting alike, however few its rows are."""
    return float(np.mean([loss(fold.judged) for fold in folds]))


def judged_by(folds: Sequence[Fold], rows: int) -> Mask:
    """The rows that some fold judges; all of them without folds."""
    found = np.full(rows, not folds)
    for fold in folds:
        found |= fold.judged
    return found
