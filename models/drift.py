"""How far values have moved from where they were: the population stability index, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from engine.types import Scalar
from models.encoding import Matrix, Vector

BINS = 10
MOST_KINDS = 20
"""Rarer values of a text than the so many most frequent count as one."""
SURE = 0.999
LARGE = 0.25
"""An index from which a change is called large (N. Siddiqi 2006); 0.1 is some."""
_MISSING = "\x00missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """`index`: the sum over bins of (q - p) ln(q / p). Up to `chance` it may be chance alone.

    Without a change the index is about (1/n + 1/m) times chi-square with one degree of freedom less
    than there are bins (B. Yurdakul and J. Naranjo 2020).
    """

    index: float
    chance: float

    @property
    def moved(self) -> bool:
        """Whether it is more than chance, and at least some change."""
        return self.index > max(self.chance, LARGE / 2.5)


def drift(before: Sequence[Scalar], now: Sequence[Scalar]) -> Drift | None:
    """How far values have moved; None where either side is empty.

    >>> same = [float(number % 50) for number in range(1000)]
    >>> drift(same, same), drift(same, [value + 25 for value in same]).moved
    (Drift(index=0.0, chance=...), True)
    """
    if not before or not now:
        return None
    counts = _counts(before, now)
    shares = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    index = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    freedom = max(1, counts.shape[1] - 1)
    chance = _chi_square(freedom) * (1 / len(before) + 1 / len(now))
    return Drift(index=index, chance=chance)


def _chi_square(freedom: int) -> float:
    """Its quantile at SURE (E. Wilson and M. Hilferty 1931).

    >>> round(_chi_square(9), 1)
    28.1
    """
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + NormalDist().inv_cdf(SURE) * spread**0.5) ** 3


def _counts(before: Sequence[Scalar], now: Sequence[Scalar]) -> Matrix:
    """How many values of each side are in each bin; bins in which nothing is left out."""
    numeric = all(not isinstance(value, str) for value in (*before, *now))
    found = _by_number(before, now) if numeric else _by_kind(before, now)
    return found[:, found.sum(axis=0) > 0]


def _by_number(before: Sequence[Scalar], now: Sequence[Scalar]) -> Matrix:
    """Bins that hold a tenth of what was known before; what is unknown has one of its own."""
    sides = [np.array([_number(value) for value in side]) for side in (before, now)]
    known = [side[~np.isnan(side)] for side in sides]
    edges = _edges(known[0])
    counts = [np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in known]
    unknown = [[len(side) - len(left)] for side, left in zip(sides, known, strict=True)]
    return np.hstack([np.array(counts, dtype=np.float64), np.array(unknown, dtype=np.float64)])


def _edges(known: Vector) -> Vector:
    if not len(known):
        return np.zeros(0)
    return np.unique(np.quantile(known, np.arange(1, BINS) / BINS))


def _by_kind(before: Sequence[Scalar], now: Sequence[Scalar]) -> Matrix:
    sides = [
        [_MISSING if value is None else str(value) for value in side] for side in (before, now)
    ]
    names, counts = np.unique(sides[0] + sides[1], return_counts=True)
    frequent = set(names[np.argsort(-counts)][:MOST_KINDS].tolist())
    kinds = {name: at for at, name in enumerate(sorted(frequent))}
    codes = [[kinds.get(value, len(kinds)) for value in side] for side in sides]
    return np.array(
        [np.bincount(side, minlength=len(kinds) + 1) for side in codes], dtype=np.float64
    )


def _number(value: Scalar) -> float:
    return float("nan") if value is None or isinstance(value, str) else float(value)
