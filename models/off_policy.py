"""What another policy would have earned, from a log of what one did: estimates with intervals.

V is the mean reward of the target policy t, m the logging policy's probability, w = t/m, r the
reward, q(x, a) a model's prediction of it, made for a row by a model that did not learn from it.

    ips     mean of w r                             D. Horvitz and D. Thompson 1952
    snips   sum of w r / sum of w                   J. Hajek 1971; A. Swaminathan, T. Joachims 2015
    dm      mean of sum over a of t(a|x) q(x, a)    the model's word alone
    dr      dm + mean of w (r - q)                  M. Dudik, J. Langford, L. Li 2011
    switch  dr, without the second part of rows     Y. Wang, A. Agarwal, M. Dudik 2017
            whose weight is above a threshold
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from engine.errors import InvalidInput
from models.encoding import Matrix, Vector
from models.intervals import LEVEL, Interval, by_unit, jackknife, mean_interval, skewed
from models.support import Demands, Log, Refusal, Support, check, refused, support, weights

_SWITCH_QUANTILES = (0.999, 0.99, 0.98, 0.95, 0.9)
_MOST_BIAS = 0.5
"""A switch may cost at most so many standard errors of bias."""


class Method(StrEnum):
    """The ways to estimate."""

    IPS = "ips"
    SNIPS = "snips"
    DIRECT = "dm"
    DOUBLY_ROBUST = "dr"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A model's rewards, a column an action, each row by a model that did not learn from it.

    `without` are the model's values of the target with one group of rows left out, for `dm`.
    """

    rewards: Matrix
    without: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The mean reward of a policy. `switched` is the target's share beyond the threshold."""

    method: Method
    interval: Interval
    support: Support
    switched: float = 0.0


def estimate(
    method: Method,
    log: Log,
    target: Matrix,
    predicted: Predicted | None = None,
    *,
    demands: Demands | None = None,
    level: float = LEVEL,
) -> Estimate | Refusal:
    """What the target policy would have earned a row, or why the log can't tell.

    `target` has a row for each of the log's and a column for each action: probabilities. Raises
    InvalidInput where arrays don't fit together, or where a model is needed and not given.
    """
    asked = demands or Demands()
    weighed = method is not Method.DIRECT
    if refusal := refused(log, target, asked, weighed=weighed):
        return refusal
    found = support(log, target)
    if method is Method.SNIPS:
        interval, switched = _self_normalised(log, target, found, level), 0.0
    elif method is Method.IPS:
        values = weights(log, target) * log.reward
        interval, switched = mean_interval(values, log.unit, level, found.effective), 0.0
    else:
        interval, switched = _with_model(method, log, target, _needed(predicted, target), level)
    return Estimate(method=method, interval=interval, support=found, switched=switched)


def contributions(
    method: Method, log: Log, target: Matrix, predicted: Predicted | None = None
) -> Vector:
    """A value for each row whose mean is the estimate: for differences between policies.

    Raises InvalidInput for the methods that are no mean of rows: `dm` and `switch`.
    """
    check(log, target)
    weight = weights(log, target)
    match method:
        case Method.IPS:
            return weight * log.reward
        case Method.SNIPS:
            value = float(weight @ log.reward) / float(weight.sum())
            return value + weight * (log.reward - value) / float(weight.mean())
        case Method.DOUBLY_ROBUST:
            rewards = _needed(predicted, target).rewards
            return (target * rewards).sum(axis=1) + weight * _residuals(log, rewards)
        case _:
            raise InvalidInput(f"{method} is no mean of contributions")


def _needed(predicted: Predicted | None, target: Matrix) -> Predicted:
    if predicted is None:
        raise InvalidInput("this estimate needs a model's rewards")
    if predicted.rewards.shape != target.shape or not np.isfinite(predicted.rewards).all():
        raise InvalidInput(f"a model's rewards must be finite and of shape {target.shape}")
    return predicted


def _residuals(log: Log, rewards: Matrix) -> Vector:
    return log.reward - rewards[np.arange(len(log.taken)), log.taken]


def _self_normalised(log: Log, target: Matrix, found: Support, level: float) -> Interval:
    """The interval of the ratio by its linear part (delta method), with its skewness."""
    values = contributions(Method.SNIPS, log, target)
    value = float(values.mean())
    return skewed(value, by_unit(values - value, log.unit), level, found.effective)


def _with_model(
    method: Method, log: Log, target: Matrix, predicted: Predicted, level: float
) -> tuple[Interval, float]:
    if method is Method.DIRECT:
        value = float((target * predicted.rewards).sum(axis=1).mean())
        return jackknife(value, predicted.without, level), 0.0
    if method is Method.SWITCH:
        return _switched(log, target, predicted, level)
    values = contributions(method, log, target, predicted)
    return mean_interval(values, log.unit, level, support(log, target).effective), 0.0


def _switched(
    log: Log, target: Matrix, predicted: Predicted, level: float
) -> tuple[Interval, float]:
    """The threshold of least error: variance, and a bound of the squared bias.

    The bound is the target's share beyond the threshold times the model's root mean square
    residual. A threshold whose bound exceeds half a standard error is not taken; the interval is
    widened by what the bias may be.
    """
    weight, residual = weights(log, target), _residuals(log, predicted.rewards)
    model = (target * predicted.rewards).sum(axis=1)
    scale = float(np.sqrt(np.mean(residual**2)))
    freedom = support(log, target).effective
    thresholds = [np.inf, *np.quantile(weight, _SWITCH_QUANTILES).tolist()]
    best: tuple[float, Interval, float] | None = None
    for threshold in thresholds:
        kept = weight <= threshold
        share = float((weight * ~kept).mean())
        interval = mean_interval(model + weight * kept * residual, log.unit, level, freedom)
        bias = share * scale
        if kept.all() or bias <= _MOST_BIAS * interval.error:
            error = interval.error**2 + bias**2
            if best is None or error < best[0]:
                best = (error, interval.widened(bias, level), share)
    assert best is not None  # the first threshold keeps all
    return best[1], best[2]
