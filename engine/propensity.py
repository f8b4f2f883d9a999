"""P of the priority: what the model says, or the action's prior where no model can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from engine.catalog import Action
from engine.types import Scalar, Scores

DECIMALS = 9
"""Scores are rounded to this before they rank, so that two scoring back ends rank alike."""


class Scorer(Protocol):
    """The models, as the engine asks them."""

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """Scores of the customer alone, such as `churn`."""
        ...

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """One propensity per (action, channel), in order."""
        ...


class Recorded:
    """A scorer that repeats what the models said when a decision was made."""

    def __init__(self, scores: Scores, scored: Sequence[str]) -> None:
        """`scored`: the actions that were scored, in the order of `scores.acceptance`."""
        self._scores = scores
        self._acceptance = dict(zip(scored, scores.acceptance, strict=True))

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """The recorded scores of the customer."""
        return Scores(customer=self._scores.customer)

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """What was recorded; no propensity for an action that was not scored then."""
        known = tuple(self._acceptance.get(action.name) for action, _ in pairs)
        return replace(self._scores, acceptance=known)


def merged(customer: Scores, acceptance: Scores) -> Scores:
    """Both answers as one, as it is recorded."""
    return Scores(
        customer={**acceptance.customer, **customer.customer},
        acceptance=acceptance.acceptance,
        models={**customer.models, **acceptance.models},
        backend=acceptance.backend if acceptance.backend != "none" else customer.backend,
        because=tuple(dict.fromkeys((*customer.because, *acceptance.because))),
    )


def propensity(action: Action, score: float | None) -> float:
    """The final P of an action, rounded; its prior when the model has no score."""
    return round(action.prior if score is None else score, DECIMALS)
