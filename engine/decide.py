"""The funnel: the one function that every decision goes through. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice

from engine import arbitration, contact, eligibility, holds, propensity
from engine.arbitration import EMPATHETIC, Ranked
from engine.catalog import Action, Bundle
from engine.eligibility import Known
from engine.logic import Lookup
from engine.propensity import Scorer
from engine.types import (
    Candidate,
    Decision,
    Drop,
    Level,
    Offer,
    Request,
    Scores,
    Snapshot,
    Stage,
    Status,
)

SUPERSEDED = "superseded"
Drops = dict[str, tuple[Drop, ...]]


def decide(request: Request, snapshot: Snapshot, bundle: Bundle, scorer: Scorer) -> Decision:
    """The next best actions for one customer, and why every other action is not offered.

    The same arguments give the same decision, byte for byte. `request.channel` must be a channel of
    the bundle.
    """
    known = eligibility.known_features(snapshot, bundle, request.now)
    customer = scorer.customer_scores(known.features)
    lookup = eligibility.names(request, snapshot, known.features, customer.customer)
    funnel = Funnel(request, snapshot, bundle, lookup)
    drops = {action.name: funnel.drops(action) for action in funnel.actions}
    survivors = [action for action in funnel.actions if not drops[action.name]]
    pairs = [(action, request.channel) for action in survivors]
    models = {f"model.{name}": score for name, score in customer.customer.items()}
    scored = {**known.features, **models}
    scores = propensity.merged(customer, scorer.acceptance(scored, pairs))
    level, because = level_of(snapshot, known, scores)
    if request.superseded:
        because = (*because, SUPERSEDED)
    ranked, weak = funnel.rank(survivors, scores.acceptance, level)
    drops |= weak
    tone = EMPATHETIC if funnel.held else None
    placements = arbitration.fill(bundle, ranked, request.placements, request.channel, tone)
    placements = funnel.with_fallbacks(placements, tone)
    candidates = tuple(_candidates(funnel, ranked, drops, placements))
    return Decision(
        decision_id=request.decision_id,
        at=request.now,
        level=level,
        because=because,
        placements=placements,
        holds=funnel.held,
        candidates=candidates,
        funnel=_counts(candidates),
        bundle=bundle.hash,
        scores=scores,
    )


def level_of(snapshot: Snapshot, known: Known, scores: Scores) -> tuple[Level, tuple[str, ...]]:
    """How complete the ground of a decision is, and why it is not full."""
    level = Level.FULL
    if known.stale:
        level = Level.STALE
    if known.missing or scores.because:
        level = Level.PARTIAL
    if not snapshot.reconciled:
        level = Level.STATIC
    return level, (*snapshot.because, *known.stale, *known.missing, *scores.because)


class Funnel:
    """The stages, for one request. `actions` are those that were asked for; `held` the holds in
    force.
    """

    def __init__(
        self, request: Request, snapshot: Snapshot, bundle: Bundle, lookup: Lookup
    ) -> None:
        self.request = request
        self.snapshot = snapshot
        self.bundle = bundle
        self.lookup = lookup
        self.held = holds.in_force(snapshot.holds, request.now)
        self.actions = [action for action in bundle.actions.values() if _asked_for(action, request)]
        self._harmless = frozenset(bundle.fallbacks.values())

    def drops(self, action: Action) -> tuple[Drop, ...]:
        """What stops an action before scoring: the first reason, or all of them in explain mode."""
        return tuple(islice(self._obstacles(action), None if self.request.explain else 1))

    def _obstacles(self, action: Action) -> Iterator[Drop]:
        if (drop := eligibility.unavailable(action, self.request.now)) is not None:
            yield drop
        if self._treatment(action, None) is None:
            detail = f"it has no treatment for {self.request.channel}"
            yield Drop(stage=Stage.CHANNEL, rule="no_treatment", detail=detail)
        yield from self._silences(action)
        yield from eligibility.failed_rules(action, self.lookup)
        yield from self._contact_obstacles(action)

    def _silences(self, action: Action) -> Iterator[Drop]:
        if (hold := holds.covering(self.held, action)) is not None:
            yield Drop(
                stage=Stage.HOLD, rule=f"hold:{hold.id}", detail=hold.because, until=hold.until
            )
        if not self.snapshot.reconciled and not self._careful(action):
            detail = "holds, consents and contacts can't be read: nothing commercial or limited"
            yield Drop(stage=Stage.LEVEL, rule="not_reconciled", detail=detail)

    def _careful(self, action: Action) -> bool:
        """Whether an action may go out while nothing is known of holds, consents and contacts."""
        if holds.commercial(action.purpose, action.tags):
            return False
        limited = contact.counters(self.bundle, action, self.request.channel, self.request.now)
        return not limited and (action.exempt is not None or action.name in self._harmless)

    def _contact_obstacles(self, action: Action) -> Iterator[Drop]:
        channel = self.request.channel
        if not contact.consented(self.bundle, action, channel, self.snapshot.consents):
            detail = f"no consent for {action.purpose} on {channel}"
            yield Drop(
                stage=Stage.CONSENT, rule=f"consent:{action.purpose}:{channel}", detail=detail
            )
        limits = contact.counters(self.bundle, action, channel, self.request.now)
        full = contact.first_reached(limits, self.snapshot.contacts)
        if full is not None:
            counter, until = full
            detail = f"the limit {counter.name} of {counter.maximum} is reached"
            yield Drop(
                stage=Stage.CONTACT_LIMIT, rule=f"limit:{counter.name}", detail=detail, until=until
            )

    def rank(
        self, actions: Sequence[Action], scores: Sequence[float | None], level: Level
    ) -> tuple[list[Ranked], Drops]:
        """The actions in order of priority, and the drops of those that are too weak or not allowed
        at this level.
        """
        weights = arbitration.context_weights(self.bundle, self.lookup)
        kept: list[Ranked] = []
        weak: Drops = {}
        for action, score in zip(actions, scores, strict=True):
            chance = propensity.propensity(action, score)
            one = arbitration.rank(self.bundle, action, chance, weights, self.lookup)
            drop = self._too_weak(one, level)
            if drop is None:
                kept.append(one)
            else:
                weak[action.name] = (drop,)
        return arbitration.in_order(kept), weak

    def _too_weak(self, one: Ranked, level: Level) -> Drop | None:
        if (
            level not in self.bundle.purposes[one.action.purpose].levels
            and level is not Level.STATIC
        ):
            detail = f"{one.action.purpose} is not offered at level {level}"
            return Drop(stage=Stage.LEVEL, rule=f"level:{level}", detail=detail)
        if one.action.mandatory:
            return None
        if one.propensity < self.bundle.minimum_propensity:
            detail = f"propensity {one.propensity} is below {self.bundle.minimum_propensity}"
            return Drop(stage=Stage.PROPENSITY, rule="minimum_propensity", detail=detail)
        if one.priority < self.bundle.minimum_priority:
            detail = f"priority {one.priority} is below {self.bundle.minimum_priority}"
            return Drop(stage=Stage.ARBITRATION, rule="minimum_priority", detail=detail)
        return None

    def with_fallbacks(
        self, placements: Mapping[str, tuple[Offer, ...]], tone: str | None
    ) -> dict[str, tuple[Offer, ...]]:
        """The placements, with a fallback where nothing else is left; no action is shown twice."""
        shown = {offer.action for offers in placements.values() for offer in offers}
        filled: dict[str, tuple[Offer, ...]] = {}
        for name, offers in placements.items():
            filled[name] = offers or self._fallback(name, tone, shown)
            shown.update(offer.action for offer in filled[name])
        return filled

    def _fallback(
        self, placement: str, tone: str | None, shown: Collection[str]
    ) -> tuple[Offer, ...]:
        """What an in-page placement shows when nothing else is left; a journey's question has no
        fallback. It needs no rules, but holds, consent and contact limits bind it too.
        """
        asked = self.request.purposes or self.request.tags
        if asked or not self.bundle.channels[self.request.channel].in_page:
            return ()
        name = self.bundle.fallbacks.get(placement) or self.bundle.fallbacks.get("*")
        if name is None or name in shown:
            return ()
        action = self.bundle.actions[name]
        treatment = self._treatment(action, placement, tone)
        bound = chain(self._silences(action), self._contact_obstacles(action))
        if treatment is None or any(bound):
            return ()
        one = arbitration.rank(
            self.bundle, action, propensity.propensity(action, None), {}, self.lookup
        )
        return (arbitration.offer(one, treatment, 1),)

    def _treatment(
        self, action: Action, placement: str | None, tone: str | None = None
    ) -> arbitration.Treatment | None:
        names = [placement] if placement else [p.name for p in self.request.placements]
        fits = (
            arbitration.treatment_for(self.bundle, action, self.request.channel, name, tone)
            for name in names
        )
        return next((treatment for treatment in fits if treatment is not None), None)

    def treatment_id(self, action: Action) -> str:
        """The treatment a candidate would get at the first placement that takes it."""
        treatment = self._treatment(action, None, EMPATHETIC if self.held else None)
        return treatment.id if treatment else ""


def _asked_for(action: Action, request: Request) -> bool:
    if request.purposes and action.purpose not in request.purposes:
        return False
    if request.tags:
        return any(tag in request.tags for tag in action.tags)
    return not action.only_for_journeys


def _candidates(
    funnel: Funnel,
    ranked: Sequence[Ranked],
    drops: Drops,
    placements: Mapping[str, tuple[Offer, ...]],
) -> Iterator[Candidate]:
    chosen = {offer.action: offer.treatment for offers in placements.values() for offer in offers}
    parts = {one.action.name: one for one in ranked}
    for action in funnel.actions:
        one = parts.get(action.name)
        status = Status.PASSED if one else Status.DROPPED
        if action.name in chosen:
            status = Status.CHOSEN
        yield Candidate(
            action=action.name,
            treatment=chosen.get(action.name) or funnel.treatment_id(action),
            status=status,
            drops=drops.get(action.name, ()),
            propensity=one.propensity if one else None,
            context_weight=one.context_weight if one else None,
            value=one.value if one else None,
            lever=one.lever if one else None,
            priority=one.priority if one else None,
        )


def _counts(candidates: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for candidate in candidates:
        if candidate.status is Status.DROPPED and candidate.drops:
            first = candidate.drops[0]
            stage = counts.setdefault(first.stage.value, {})
            stage[first.rule] = stage.get(first.rule, 0) + 1
    return counts
