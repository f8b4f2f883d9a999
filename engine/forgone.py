"""What a recorded decision would have shown, had one rule not been there. Pure.

A candidate that several reasons stopped would have been stopped without any one of them: only what
one rule alone kept back is laid to that rule. Whether volumes or packages would have stopped it
later is not played on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engine import arbitration, exploration, names
from engine.arbitration import Ranked
from engine.catalog import Bundle
from engine.funnel import Funnel
from engine.moment import moment as moment_of
from engine.propensity import Scorer
from engine.record import Record
from engine.shelf import Place
from engine.types import Arm, Candidate, Drop, Level, Offer, Scores, Stage, Status

_RANKED = (Stage.MATURITY, Stage.PROPENSITY, Stage.ARBITRATION, Stage.VOLUME)
"""The stages that stop what has its P already."""

Rule = tuple[Stage, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBack:
    """The best of what one rule alone kept back in one decision; P is what it would rank by.

    `instead` is the offer that has the first place now, if any; `wins`: it would have had it.
    """

    rule: Rule
    treatment: str
    propensity: float
    value: float
    instead: Offer | None
    wins: bool


def kept_back(kept: Record, bundle: Bundle, scorer: Scorer) -> Iterator[KeptBack]:
    """For each rule that alone kept something back the best of it, under the decision's own bundle.

    `scorer` says P of what was stopped before it was scored. Nothing of the control slice, whose
    order is chance, of decisions without features, and of those for other than one kind of place.
    """
    decision = kept.decision
    if decision.arm is not Arm.BEST or kept.snapshot.remembered is not None:
        return
    best: dict[Rule, tuple[float, KeptBack]] = {}
    for rule, one in (*_never_scored(kept, bundle, scorer), *_scored(decision.candidates)):
        shown = _first(kept)
        rival = -1.0 if shown is None else shown.priority
        if rule in best and best[rule][0] >= one.priority:
            continue
        found = KeptBack(
            rule=rule,
            treatment=one.treatment,
            propensity=one.propensity,
            value=one.value,
            instead=shown,
            wins=one.priority > rival,
        )
        best[rule] = (one.priority, found)
    yield from (found for _, found in best.values())


def _first(kept: Record) -> Offer | None:
    place = kept.request.placements[0].name
    return next(iter(kept.decision.placements.get(place, ())), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worth:
    treatment: str
    propensity: float
    value: float
    priority: float


def _scored(candidates: Sequence[Candidate]) -> Iterator[tuple[Rule, _Worth]]:
    """What was dropped after it was scored: its parts are on record."""
    for one in candidates:
        if one.status is not Status.DROPPED or len(one.drops) != 1 or one.priority is None:
            continue
        drop = one.drops[0]
        if drop.stage in _RANKED and one.smoothed is not None:
            worth = _Worth(
                treatment=one.treatment,
                propensity=one.smoothed,
                value=1.0 if one.value is None else one.value,
                priority=one.priority,
            )
            yield (drop.stage, _of_all(drop)), worth


def _never_scored(kept: Record, bundle: Bundle, scorer: Scorer) -> Iterator[tuple[Rule, _Worth]]:
    """What was dropped before: weighed and scored now, without what stopped it."""
    request = replace(kept.request, explain=True)
    known = names.known_features(kept.snapshot, bundle, request.now)
    customer = kept.decision.scores.customer
    lookup = names.all_names(request, kept.snapshot, bundle, known.features, customer).__getitem__
    moment = moment_of(
        bundle, request.channel, request.now, kept.snapshot, lookup, journey=request.journey
    )
    funnel = Funnel(request, moment)
    alone = {
        name: (drops[0].stage, _of_all(drops[0]))
        for name, drops in funnel.drops().items()
        if len({(drop.stage, drop.rule) for drop in drops}) == 1
    }
    places = [place for place in funnel.places if place.action.name in alone and _sayable(place)]
    weighed = arbitration.weigh(places, moment)
    pairs = [(one.action, request.channel) for one in weighed]
    models = {f"model.{name}": score for name, score in customer.items()}
    said = scorer.acceptance({**known.features, **models}, pairs) if pairs else Scores()
    for at, one in enumerate(weighed):
        score = said.acceptance[at] if at < len(said.acceptance) else None
        evidence = said.evidence[at] if at < len(said.evidence) else None
        terms = replace(bundle.exploration, thompson=False)
        chance = exploration.chance(one.action, score, evidence, request, terms, Arm.BEST)
        ranked = arbitration.rank(one, chance)
        if funnel.too_weak(ranked, Level.FULL, scored=True) is None:
            yield alone[one.action.name], _worth(funnel, ranked)


def _sayable(place: Place) -> bool:
    """Whether there is any way to say it on the channel."""
    return bool(place.action.treatments)


def _worth(funnel: Funnel, one: Ranked) -> _Worth:
    return _Worth(
        treatment=funnel.said(one.place) or f"{one.action.name}.{funnel.request.channel}",
        propensity=one.chance.smoothed,
        value=one.weighed.value,
        priority=one.priority,
    )


def _of_all(drop: Drop) -> str:
    """The name of what stopped it, the same for all customers: a hold's without its case.

    >>> _of_all(Drop(stage=Stage.HOLD, rule="hold:complaint:4711", detail=""))
    'hold:complaint'
    """
    if drop.stage is Stage.HOLD:
        return ":".join(drop.rule.split(":")[:2])
    return drop.rule
