"""Confidence intervals of means of skewed values, of refitted models, and with a bounded bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from models.encoding import Vector

LEVEL = 0.95
_NORMAL = NormalDist()

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value between its bounds, and its standard error."""

    value: float
    low: float
    high: float
    error: float

    def holds(self, truth: float) -> bool:
        """Whether it covers a value."""
        return self.low <= truth <= self.high

    def widened(self, bias: float, level: float = LEVEL) -> Interval:
        """The interval that still covers when the value may be off by up to `bias` either way."""
        if bias <= 0 or self.error <= 0:
            more = max(bias, 0.0)
        else:
            more = self.error * (critical(bias / self.error, level) - _two_sided(level))
        return Interval(
            value=self.value, low=self.low - more, high=self.high + more, error=self.error
        )


def mean_interval(
    values: Vector, unit: Codes | None = None, level: float = LEVEL, freedom: float = math.inf
) -> Interval:
    """The mean of `values` and an interval that allows for their skewness.

    Hall's transformation of the studentised mean (P. Hall, On the removal of skewness by
    transformation, J. R. Statist. Soc. B 54, 1992), with Student's quantile for `freedom` degrees
    of freedom. Rows of one `unit` (a customer, say) need not be independent of each other.

    >>> found = mean_interval(np.array([0.0, 0.0, 0.0, 0.0, 5.0] * 20))
    >>> found.value, found.high - found.value > found.value - found.low
    (1.0, True)
    """
    value = float(values.mean())
    spread = by_unit(values - value, unit)
    return skewed(value, spread, level, freedom)


def skewed(value: float, spread: Vector, level: float, freedom: float = math.inf) -> Interval:
    """Hall's interval around `value`, whose independent, centred contributions are `spread`."""
    count = len(spread)
    deviation = float(spread.std(ddof=1)) if count > 1 else 0.0
    if deviation <= 1e-14 * max(1.0, abs(value)):
        return Interval(value=value, low=value, high=value, error=0.0)
    skew = float(np.mean(spread**3)) / deviation**3
    reach = student(level, freedom) / math.sqrt(count)
    return Interval(
        value=value,
        low=value - deviation * _untransformed(reach, skew, count),
        high=value - deviation * _untransformed(-reach, skew, count),
        error=deviation / math.sqrt(count),
    )


def by_unit(centred: Vector, unit: Codes | None) -> Vector:
    """Centred values summed by unit, scaled so that their mean varies as that of the rows does."""
    if unit is None:
        return centred
    _, place = np.unique(unit, return_inverse=True)
    sums: Vector = np.bincount(place, weights=centred).astype(np.float64)
    return sums * (len(sums) / len(centred))


def jackknife(value: float, without: Vector, level: float = LEVEL) -> Interval:
    """The interval of anything fitted, from its values with one of several equal groups left out.

    The delete-a-group jackknife (J. Shao and D. Tu, The Jackknife and Bootstrap, 1995; P. Kott,
    The delete-a-group jackknife, 2001), with Student's quantile. It knows how the value varies with
    the rows, not how wrong the fitted model is.
    """
    groups = len(without)
    squares = float(np.sum((without - without.mean()) ** 2))
    error = math.sqrt((groups - 1) / groups * squares)
    reach = student(level, groups - 1) * error
    return Interval(value=value, low=value - reach, high=value + reach, error=error)


def student(level: float, freedom: float) -> float:
    """The two-sided quantile of Student's t (Abramowitz and Stegun 26.7.5); normal at infinity.

    >>> round(student(0.95, 19), 3), round(student(0.95, math.inf), 3)
    (2.093, 1.96)
    """
    z = _two_sided(level)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def critical(bias: float, level: float = LEVEL) -> float:
    """How many standard errors cover, if the bias is at most so many standard errors.

    The quantile of |N(bias, 1)| (T. Armstrong and M. Kolesár, Optimal inference in a class of
    regression models, Econometrica 86, 2018).

    >>> round(critical(0.0), 2), round(critical(0.5), 2), round(critical(5.0), 2)
    (1.96, 2.18, 6.64)
    """
    low, high = 0.0, bias + 10.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        covered = _NORMAL.cdf(middle - bias) - _NORMAL.cdf(-middle - bias)
        low, high = (middle, high) if covered < level else (low, middle)
    return high


def _two_sided(level: float) -> float:
    return _NORMAL.inv_cdf((1 + level) / 2)


def _untransformed(reach: float, skew: float, count: int) -> float:
    """The inverse of g(t) = t + k t^2 / 3 + k^2 t^3 / 27 + k / 6n for the skewness k."""
    if abs(skew) < 1e-9:
        return reach
    inner = 1 + skew * (reach - skew / (6 * count))
    return 3 / skew * (float(np.cbrt(inner)) - 1)
