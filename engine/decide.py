"""The one function that every decision goes through. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine import arbitration, eligibility, propensity
from engine.arbitration import Ranked
from engine.catalog import Bundle
from engine.eligibility import Known
from engine.funnel import Drops, Funnel
from engine.propensity import Scorer
from engine.types import Candidate, Decision, Level, Offer, Request, Scores, Snapshot, Status

SUPERSEDED = "superseded"


def decide(request: Request, snapshot: Snapshot, bundle: Bundle, scorer: Scorer) -> Decision:
    """The next best actions for one customer, and why every other action is not offered.

    The same arguments give the same decision, byte for byte. `request.channel` must be a channel of
    the bundle.
    """
    known = eligibility.known_features(snapshot, bundle, request.now)
    customer = scorer.customer_scores(known.features)
    lookup = eligibility.names(request, snapshot, known.features, customer.customer)
    funnel = Funnel(request, snapshot, bundle, lookup)
    drops = {place.action.name: funnel.drops(place) for place in funnel.places}
    survivors = [place for place in funnel.places if not drops[place.action.name]]
    pairs = [(place.action, request.channel) for place in survivors]
    models = {f"model.{name}": score for name, score in customer.customer.items()}
    scored = {**known.features, **models}
    scores = propensity.merged(customer, scorer.acceptance(scored, pairs))
    level, because = level_of(snapshot, known, scores)
    if request.superseded:
        because = (*because, SUPERSEDED)
    ranked, weak, parts = funnel.rank(survivors, scores.acceptance, level)
    drops |= weak
    placements = arbitration.fill(ranked, request.placements, funnel.tone)
    placements = funnel.with_fallbacks(placements)
    candidates = tuple(_candidates(funnel, parts, drops, placements))
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


def _candidates(
    funnel: Funnel,
    parts: Mapping[str, Ranked],
    drops: Drops,
    placements: Mapping[str, tuple[Offer, ...]],
) -> Iterator[Candidate]:
    chosen = {offer.action: offer.treatment for offers in placements.values() for offer in offers}
    for place in funnel.places:
        action = place.action
        one = parts.get(action.name)
        status = Status.DROPPED if drops.get(action.name) else Status.PASSED
        if action.name in chosen:
            status = Status.CHOSEN
        yield Candidate(
            action=action.name,
            treatment=chosen.get(action.name) or funnel.treatment_id(place),
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
