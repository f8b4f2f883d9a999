"""The one function that every decision goes through. Pure."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from engine import guards, names, propensity
from engine.catalog import Bundle
from engine.frozen import maker
from engine.funnel import Funnel
from engine.kernel import Kernel
from engine.moment import moment as moment_of
from engine.names import Known
from engine.placing import Filled
from engine.plain import Plain
from engine.propensity import Scorer
from engine.types import Decision, Level, Request, Scores, Snapshot

SUPERSEDED = "superseded"
_decision_as: Any = maker(Decision)


Deciding = Generator[None, None, Decision]
"""A decision on its way: halts before and after its scorer is asked, returns the decision."""


def decide(request: Request, snapshot: Snapshot, bundle: Bundle, scorer: Scorer) -> Decision:
    """The next best actions for one customer, and why every other action is not offered.

    The same arguments give the same decision, byte for byte. `request.channel` must be a channel of
    the bundle.
    """
    return _to_its_end(deciding(request, snapshot, bundle, scorer))


def deciding(request: Request, snapshot: Snapshot, bundle: Bundle, scorer: Scorer) -> Deciding:
    """The same in stages, so that decisions at the same time can take each of them together."""
    swift = snapshot.reconciled and snapshot.remembered is None and not request.explain
    return _deciding(request, snapshot, bundle, scorer, Kernel if swift else Plain)


def plainly(request: Request, snapshot: Snapshot, bundle: Bundle, scorer: Scorer) -> Decision:
    """The same decision, made the plain way."""
    return _to_its_end(_deciding(request, snapshot, bundle, scorer, Plain))


def _to_its_end(way: Deciding) -> Decision:
    while True:
        try:
            next(way)
        except StopIteration as end:
            return end.value


def _deciding(
    request: Request,
    snapshot: Snapshot,
    bundle: Bundle,
    scorer: Scorer,
    through: type[Kernel | Plain],
) -> Deciding:
    known = names.known_features(snapshot, bundle, request.now)
    customer = scorer.customer_scores(known.features)
    yield
    every = names.all_names(request, snapshot, bundle, known.features, customer.customer)
    lookup = every.__getitem__
    now = moment_of(bundle, request.channel, request.now, snapshot, lookup, journey=request.journey)
    funnel = Funnel(request, now)
    way = through(funnel, every)
    pairs = way.weigh()
    models = {f"model.{name}": score for name, score in customer.customer.items()}
    yield
    acceptance = scorer.acceptance({**known.features, **models}, pairs)
    yield
    scores = propensity.merged(customer, acceptance, [action.name for action, _ in pairs])
    level, because = level_of(snapshot, known, scores)
    if request.superseded:
        because = (*because, SUPERSEDED)
    filled = way.fill(scores, level)
    candidates, counts = way.told(filled)
    return _decision_as(
        decision_id=request.decision_id,
        at=request.now,
        level=level,
        because=because,
        placements=filled.placements,
        holds=now.held,
        candidates=candidates,
        funnel=counts,
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


def _exemptions(funnel: Funnel, filled: Filled) -> tuple[str, ...]:
    """Which offered action passed which guard because of its class: `action: limit:name`."""
    return tuple(
        f"{place.action.name} ({place.action.exempt}): {rule}"
        for place in funnel.display.spared
        if place.action.name in filled.shown
        for rule in guards.exemptions(place, funnel.moment)
    )
