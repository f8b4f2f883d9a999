"""P of the priority: smoothing, sampling, the control slice, maturity, and the odds of a choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.catalog import Action, Exploration
from engine.propensity import DECIMALS
from engine.shelf import Place
from engine.types import Arm, Drop, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """P of one action: what the model said, that after smoothing, and that after sampling."""

    model: float | None
    smoothed: float
    final: float
    evidence: tuple[int, int] | None = None


def arm_of(request: Request, exploration: Exploration) -> Arm:
    """The slice of the audience a customer is in this month."""
    return Arm.BEST


def chance(
    action: Action,
    score: float | None,
    evidence: tuple[int, int] | None,
    request: Request,
    exploration: Exploration,
    arm: Arm,
) -> Chance:
    """P of one action; its prior where the model has no score."""
    smoothed = round(action.prior if score is None else score, DECIMALS)
    return Chance(model=score, smoothed=smoothed, final=smoothed, evidence=evidence)


def by_prior(action: Action) -> Chance:
    """P of an action that was not scored: its prior."""
    prior = round(action.prior, DECIMALS)
    return Chance(model=None, smoothed=prior, final=prior)


def immature(
    place: Place, evidence: tuple[int, int] | None, request: Request, exploration: Exploration
) -> Drop | None:
    """Why a new action does not reach this customer on a delivering channel yet."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One action that could have been chosen: its P, and its priority per unit of P."""

    chance: Chance
    worth: float


def selection(
    chosen: int, contenders: Sequence[Contender], exploration: Exploration, arm: Arm
) -> float:
    """The probability that this one of the contenders comes first, over all draws."""
    return 1.0
