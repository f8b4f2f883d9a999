"""The one function that every decision goes through. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine import arbitration, guards, names, propensity
from engine.arbitration import Ranked
from engine.catalog import Bundle
from engine.frozen import maker
from engine.funnel import Drops, Funnel
from engine.moment import moment as moment_of
from engine.names import Known
from engine.placing import Filled
from engine.propensity import Scorer
from engine.types import Candidate, Decision, Drop, Level, Request, Scores, Snapshot, Stage, Status

SUPERSEDED = "superseded"


def decide(request: Request, snapshot: Snapshot, bundle: Bundle, scorer: Scorer) -> Decision:
    """The next best actions for one customer, and why every other action is not offered.

    The same arguments give the same decision, byte for byte. `request.channel` must be a channel of
    the bundle.
    """
    known = names.known_features(snapshot, bundle, request.now)
    customer = scorer.customer_scores(known.features)
    lookup = names.names(request, snapshot, bundle, known.features, customer.customer)
    now = moment_of(bundle, request.channel, request.now, snapshot, lookup, journey=request.journey)
    funnel = Funnel(request, now)
    drops = funnel.drops()
    survivors = [place for place in funnel.places if place.action.name not in drops]
    weighed = arbitration.weigh(survivors, funnel.moment)
    models = {f"model.{name}": score for name, score in customer.customer.items()}
    pairs = [(one.action, request.channel) for one in weighed]
    acceptance = scorer.acceptance({**known.features, **models}, pairs)
    scores = propensity.merged(customer, acceptance, [one.action.name for one in weighed])
    level, because = level_of(snapshot, known, scores)
    if request.superseded:
        because = (*because, SUPERSEDED)
    ranked, weak, parts = funnel.rank(weighed, scores, level)
    filled = funnel.fill(ranked)
    drops |= weak
    drops |= {name: (drop,) for name, drop in filled.drops.items()}
    candidates = tuple(_candidates(funnel, parts, drops, filled))
    return Decision(
        decision_id=request.decision_id,
        at=request.now,
        level=level,
        because=because,
        placements=filled.placements,
        holds=funnel.moment.held,
        candidates=candidates,
        funnel=_counts(candidates),
        bundle=bundle.hash,
        scores=scores,
        arm=funnel.arm,
        exemptions=_exemptions(funnel, filled),
        reserves=filled.reserves,
    )


def level_of(snapshot: Snapshot, known: Known, scores: Scores) -> tuple[Level, tuple[str, ...]]:
    """How complete the ground of a decision is, and why it is not full."""
    level = Level.FULL
    if known.stale:
        level = Level.STALE
    if known.missing or scores.because:
        level = Level.PARTIAL
    if snapshot.remembered is not None:
        level = Level.CACHED
    if not snapshot.reconciled:
        level = Level.STATIC
    return level, (*snapshot.because, *known.stale, *known.missing, *scores.because)


def _candidates(
    funnel: Funnel, parts: Mapping[str, Ranked], drops: Drops, filled: Filled
) -> Iterator[Candidate]:
    offers = (offer for offers in filled.placements.values() for offer in offers)
    chosen = {offer.action: offer.treatment for offer in offers}
    for place in funnel.places:
        name = place.action.name
        found, said = drops.get(name, ()), chosen.get(name)
        if said is not None:
            yield _candidate(name, said, Status.CHOSEN, found, parts.get(name))
            continue
        kept = funnel.display.dropped(place, found[0]) if len(found) == 1 else None
        if kept is not None:
            yield kept
            continue
        status = Status.DROPPED if found else Status.PASSED
        yield _candidate(name, funnel.said(place), status, found, parts.get(name))


_candidate_as = maker(Candidate)


def _candidate(
    name: str, treatment: str, status: Status, drops: Sequence[Drop], one: Ranked | None
) -> Candidate:
    if one is None:
        return _candidate_as(action=name, treatment=treatment, status=status, drops=tuple(drops))
    weighed, chance = one.weighed, one.chance
    return _candidate_as(
        action=name,
        treatment=treatment,
        status=status,
        drops=tuple(drops),
        propensity=chance.final,
        context_weight=weighed.context_weight,
        value=weighed.value,
        lever=weighed.lever,
        priority=one.priority,
        model=chance.model,
        smoothed=chance.smoothed,
        levers=weighed.levers,
    )


def _exemptions(funnel: Funnel, filled: Filled) -> tuple[str, ...]:
    """Which offered action passed which guard because of its class: `action: limit:name`."""
    return tuple(
        f"{place.action.name} ({place.action.exempt}): {rule}"
        for place in funnel.places
        if place.spared is not None and place.action.name in filled.shown
        for rule in guards.exemptions(place, funnel.moment)
    )


def _counts(candidates: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    stopped = [one.drops[0] for one in candidates if one.status is Status.DROPPED and one.drops]
    counts: dict[Stage, dict[str, int]] = {}
    for drop in stopped:
        rules = counts.get(drop.stage)
        if rules is None:
            rules = counts[drop.stage] = {}
        rules[drop.rule] = rules.get(drop.rule, 0) + 1
    return {stage.value: rules for stage, rules in counts.items()}
