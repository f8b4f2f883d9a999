"""Scorers that stand in for the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.catalog import Action
from engine.types import Scalar, Scores


class Silent:
    """A scorer without models: every action has its prior."""

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """No score."""
        return Scores()

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """No score for any."""
        return Scores(acceptance=(None,) * len(pairs))


class Witness:
    """A scorer that remembers the features it was given, in order."""

    def __init__(self) -> None:
        self.given: list[Mapping[str, Scalar]] = []

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """One score of the customer."""
        self.given.append(dict(features))
        return Scores(customer={"churn": 0.5})

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """The same score for all."""
        self.given.append(dict(features))
        return Scores(acceptance=(0.5,) * len(pairs))
