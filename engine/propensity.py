"""P of the priority: what the model says, or the action's prior where no model can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from engine.catalog import Action
from engine.frozen import maker
from engine.types import Scalar, Scores

DECIMALS = 9
"""Scores are rounded to this before they rank, so that two scoring back ends rank alike."""


_scores_as = maker(Scores)


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


@runtime_checkable
class Foresighted(Protocol):
    """A scorer that scores several customers for less than one after the other."""

    def expect(self, features: Mapping[str, Scalar]) -> None:
        """Says that these features, this very object, will be asked about before long."""
        ...


class Recorded:
    """A scorer that repeats what the models said when a decision was made, by action.

    Asked for the same actions it gives the same answer; asked for others as well, it has no
    propensity for those that were not scored then, and stops where the deadline had cut in.
    """

    def __init__(self, scores: Scores, scored: Sequence[str] = ()) -> None:
        """`scored`: the actions that were asked for, where the scores themselves don't say."""
        self._scores = scores
        asked = tuple(scores.scored or scored)
        self._acceptance = dict(zip(asked, scores.acceptance, strict=False))
        self._evidence = dict(zip(asked, scores.evidence, strict=False))
        self._late = frozenset(asked[len(scores.acceptance) :])

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """The recorded scores of the customer."""
        return Scores(customer=self._scores.customer)

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """What was recorded; no propensity for an action that was not scored then."""
        asked = [action.name for action, _ in pairs]
        while asked and asked[-1] in self._late:
            asked.pop()
        known = tuple(self._acceptance.get(name) for name in asked)
        counted = tuple(self._evidence.get(name, (0, 0)) for name in asked if self._evidence)
        return replace(self._scores, acceptance=known, evidence=counted)


def merged(customer: Scores, acceptance: Scores, scored: Sequence[str]) -> Scores:
    """Both answers as one, as it is recorded; `scored` names the actions that were asked for."""
    return _scores_as(
        customer={**acceptance.customer, **customer.customer},
        acceptance=acceptance.acceptance,
        evidence=acceptance.evidence,
        scored=tuple(scored),
        models={**customer.models, **acceptance.models},
        backend=acceptance.backend if acceptance.backend != "none" else customer.backend,
        because=tuple(dict.fromkeys((*customer.because, *acceptance.because))),
    )


def propensity(action: Action, score: float | None) -> float:
    """The final P of an action, rounded; its prior when the model has no score."""
    return round(action.prior if score is None else score, DECIMALS)
