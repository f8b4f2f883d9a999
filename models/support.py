"""Whether a log can tell of another policy: weights, effective sample size, and why it can't."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput
from models.encoding import Matrix, Vector
from models.intervals import Codes, mean_interval

_SUM_TOLERANCE = 1e-6
_ALMOST_SURE = 0.9999
_NAMED = 5


class Reason(StrEnum):
    """Why there is no estimate."""

    NO_PROPENSITY = "no_propensity"
    NO_SUPPORT = "no_support"
    TOO_FEW = "too_few"
    WRONG_WEIGHTS = "wrong_weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What was done, row by row, and what came of it.

    `taken` numbers the action, `propensity` is the probability with which it was chosen then.
    Rows of the same `unit` (one customer) may depend on each other. `possible`, where known, says
    of each action whether it could have been taken then.
    """

    taken: Codes
    reward: Vector
    propensity: Vector
    unit: Codes | None = None
    possible: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What is asked of a log before anything is estimated from it."""

    effective: float = 30.0
    rows: int = 100
    unsupported: float = 0.01
    heaviest: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How far the log speaks for the target policy.

    `effective` is the effective sample size, `(sum w)^2 / sum w^2` (Kish 1965); `heaviest` the
    share of all weight on one row; `unsupported` the share of the target's choices that the log
    never made.
    """

    rows: int
    effective: float
    largest_weight: float
    mean_weight: float
    heaviest: float
    unsupported: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No estimate, and why."""

    reason: Reason
    words: str
    support: Support | None = None


def refused(log: Log, target: Matrix, demands: Demands, *, weighed: bool = True) -> Refusal | None:
    """Why this log can't tell of this policy, if it can't. Raises InvalidInput on malformed input.

    Without `weighed`, only what a model of rewards needs is asked: actions that were seen.
    """
    check(log, target)
    if wrong := _wrong_propensities(log):
        return Refusal(reason=Reason.NO_PROPENSITY, words=wrong)
    found = support(log, target)
    for reason, words in (
        (Reason.NO_SUPPORT, _never_made(log, target, found, demands)),
        (Reason.TOO_FEW, _too_few(found, demands, weighed)),
        (Reason.WRONG_WEIGHTS, _wrong_weights(log, target) if weighed else None),
    ):
        if words:
            return Refusal(reason=reason, words=words, support=found)
    return None


def weights(log: Log, target: Matrix) -> Vector:
    """How much more often the target takes what was taken: target over logged probability."""
    return target[np.arange(len(log.taken)), log.taken] / log.propensity


def support(log: Log, target: Matrix) -> Support:
    """The support of a policy in a log with sound propensities."""
    weight = weights(log, target)
    total, squares = float(weight.sum()), float(np.sum(weight**2))
    return Support(
        rows=len(weight),
        effective=total**2 / squares if squares > 0 else 0.0,
        largest_weight=float(weight.max()),
        mean_weight=total / len(weight),
        heaviest=float(weight.max()) / total if total > 0 else 1.0,
        unsupported=float(target[_impossible(log, target)].sum()) / len(weight),
    )


def check(log: Log, target: Matrix) -> None:
    """Raises InvalidInput for arrays that don't fit together or hold what they can't."""
    rows = len(log.taken)
    _need(rows > 0, "a log without rows")
    _need(target.ndim == 2 and len(target) == rows, f"target {target.shape} for {rows} rows")
    for name in ("reward", "propensity", "unit", "possible"):
        found: Any = getattr(log, name)
        _need(found is None or len(found) == rows, f"{name} is not as long as `taken`, {rows} rows")
    _need(log.taken.dtype.kind == "i", f"`taken` holds {log.taken.dtype}, not integers")
    outside = (log.taken < 0) | (log.taken >= target.shape[1])
    _need(not outside.any(), f"`taken` names actions outside 0 to {target.shape[1] - 1}")
    _need(bool(np.isfinite(log.reward).all()), "a reward that is no finite number")
    _need(bool(np.isfinite(target).all() and (target >= 0).all()), "target: a chance below 0")
    off = float(np.abs(target.sum(axis=1) - 1).max())
    _need(off <= _SUM_TOLERANCE, f"target: a row sums to 1 only within {off:.2g}")
    if log.possible is not None:
        _need(log.possible.shape == target.shape, "possible and target differ in shape")


def _need(fine: bool, what: str) -> None:
    if not fine:
        raise InvalidInput(f"off-policy evaluation: {what}")


def _wrong_propensities(log: Log) -> str | None:
    known = log.propensity
    kinds = {
        "absent": ~np.isfinite(known),
        "zero or below": known <= 0,
        "over one": known > 1 + _SUM_TOLERANCE,
    }
    told = [f"{int(rows.sum())} {name}" for name, rows in kinds.items() if rows.any()]
    if not told:
        return None
    return f"propensities of {len(known)} rows: {', '.join(told)}"


def _impossible(log: Log, target: Matrix) -> Any:
    """Where the logging policy could not go: as the log says, else what it was never seen to do."""
    if log.possible is not None:
        return ~log.possible
    seen = np.bincount(log.taken, minlength=target.shape[1]) > 0
    return np.broadcast_to(~seen, target.shape)


def _never_made(log: Log, target: Matrix, found: Support, demands: Demands) -> str | None:
    if found.unsupported <= demands.unsupported:
        return None
    mass = np.where(_impossible(log, target), target, 0.0).mean(axis=0)
    worst = [str(action) for action in np.argsort(-mass)[:_NAMED] if mass[action] > 0]
    return (
        f"{found.unsupported:.1%} of what the policy does was never done in the log "
        f"(actions {', '.join(worst)}); at most {demands.unsupported:.1%} may be"
    )


def _too_few(found: Support, demands: Demands, weighed: bool) -> str | None:
    if found.rows < demands.rows:
        return f"{found.rows} rows; at least {demands.rows} are needed"
    if weighed and found.effective < demands.effective:
        return (
            f"the {found.rows} rows count as {found.effective:.1f} (effective sample size); at "
            f"least {demands.effective:g} are needed: the policies differ too much"
        )
    if weighed and found.heaviest > demands.heaviest:
        return f"one row has {found.heaviest:.0%} of all weight; {demands.heaviest:.0%} may be"
    return None


def _wrong_weights(log: Log, target: Matrix) -> str | None:
    """Weights average to one where propensities are true and nothing is out of reach."""
    found = mean_interval(weights(log, target), log.unit, _ALMOST_SURE)
    if found.error == 0 or found.holds(1.0):
        return None
    return (
        f"the weights average {found.value:.3f} instead of 1, beyond chance: the propensities are "
        "not those of this log, or much of what the policy does was never done"
    )
