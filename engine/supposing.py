"""A question with things supposed to be otherwise: what would be decided then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine import names
from engine.catalog import Action, Bundle, Treatment
from engine.decide import decide
from engine.logic import Lookup
from engine.propensity import Scorer
from engine.shelf import shelf
from engine.types import Candidate, Decision, Drop, Request, Scalar, Scores, Snapshot, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that a decision depends on. `scores` and `chances` are supposed instead of the models'.

    `scores` are of the customer (`churn`), `chances` propensities by action.
    """

    request: Request
    snapshot: Snapshot
    bundle: Bundle
    scorer: Scorer
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    chances: Mapping[str, float] = field(default_factory=dict[str, float])

    def decided(self) -> Decision:
        """The decision of this world, with all reasons of every drop."""
        scorer = _Supposed(self) if self.scores or self.chances else self.scorer
        return decide(replace(self.request, explain=True), self.snapshot, self.bundle, scorer)

    def of(self, action: str) -> Outcome:
        """What becomes of one action."""
        decision = self.decided()
        found = _candidate(decision, action)
        if found is not None and found.status is Status.PASSED and self._fits_by_turn(action):
            found = self._in_its_turn(found)
        return Outcome(decision=decision, candidate=found)

    def _fits_by_turn(self, name: str) -> bool:
        """Whether only its turn tells that there is none left of it, or no room for its package."""
        action = self.bundle.actions[name]
        place = shelf(self.bundle, self.request.channel)[name]
        return bool(place.volumes or action.requires or action.only_as_member)

    def _in_its_turn(self, outranked: Candidate) -> Candidate:
        """What better ones leave no place for is looked at as if it came first: what stops it then
        stops it whatever it is worth.
        """
        first = self.with_action(outranked.action, mandatory=True).decided()
        found = _candidate(first, outranked.action)
        if found is None or found.status is not Status.DROPPED:
            return outranked
        return replace(outranked, status=Status.DROPPED, drops=found.drops)

    def lookup(self) -> Lookup:
        """The names that expressions use."""
        known = names.known_features(self.snapshot, self.bundle, self.request.now)
        scores = {**self.scorer.customer_scores(known.features).customer, **self.scores}
        return names.names(self.request, self.snapshot, self.bundle, known.features, scores)

    # -- what is supposed

    def at(self, now: datetime) -> World:
        """The same question at another time, everything else unchanged."""
        return replace(self, request=replace(self.request, now=now))

    def knowing(self, **changes: Any) -> World:
        """With another snapshot."""
        return replace(self, snapshot=replace(self.snapshot, **changes))

    def under(self, **changes: Any) -> World:
        """With another bundle."""
        return replace(self, bundle=replace(self.bundle, **changes))

    def with_action(self, name: str, **changes: Any) -> World:
        """With one action changed."""
        changed = replace(self.bundle.actions[name], **changes)
        return self.under(actions={**self.bundle.actions, name: changed})

    def with_treatments(self, name: str, change: Callable[[Treatment], Treatment]) -> World:
        """With every treatment of an action changed."""
        treatments = tuple(change(one) for one in self.bundle.actions[name].treatments)
        return self.with_action(name, treatments=treatments)


def _candidate(decision: Decision, action: str) -> Candidate | None:
    return next((one for one in decision.candidates if one.action == action), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one action; without a candidate it was not even considered."""

    decision: Decision
    candidate: Candidate | None

    @property
    def wins(self) -> bool:
        """Whether it is offered."""
        return self.candidate is not None and self.candidate.status is Status.CHOSEN

    @property
    def possible(self) -> bool:
        """Whether it is offered, or would be but for better ones."""
        return self.candidate is not None and self.candidate.status is not Status.DROPPED

    @property
    def drops(self) -> tuple[Drop, ...]:
        """All that stops it; nothing where it is possible."""
        return () if self.candidate is None or self.possible else self.candidate.drops

    @property
    def priority(self) -> float | None:
        """Its priority, where it came so far."""
        return None if self.candidate is None else self.candidate.priority


class _Supposed:
    """A scorer that says what is supposed, and asks the models for everything else."""

    def __init__(self, world: World) -> None:
        self._world = world

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """The scores of the customer alone."""
        said = self._world.scorer.customer_scores(features)
        return replace(said, customer={**said.customer, **self._world.scores})

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """One propensity per pair."""
        said = self._world.scorer.acceptance(features, pairs)
        supposed = self._world.chances
        found = tuple(
            supposed.get(action.name, score)
            for (action, _), score in zip(pairs, said.acceptance, strict=False)
        )
        return replace(said, acceptance=found)
