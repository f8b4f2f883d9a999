"""The stages of the funnel, for one request: what stops an action, and what is left in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from engine import (
    arbitration,
    eligibility,
    exclusions,
    exploration,
    guards,
    placing,
    treatments,
    volumes,
)
from engine.arbitration import Ranked, Weighed
from engine.catalog import Action, Treatment
from engine.moment import Moment
from engine.placing import EMPATHETIC, Filled
from engine.shelf import Place, shelf
from engine.types import Arm, Drop, Level, Request, Scores, Stage

Drops = dict[str, tuple[Drop, ...]]


class Funnel:
    """The stages, for one request. `places` are the actions asked for, on its channel."""

    def __init__(self, request: Request, moment: Moment) -> None:
        self.request = request
        self.moment = moment
        on_channel = shelf(moment.bundle, request.channel)
        self.places = [place for place in on_channel.values() if _asked_for(place.action, request)]
        self.arm = exploration.arm_of(request, moment.bundle.exploration)
        self._on_channel = on_channel
        self._tone = EMPATHETIC if moment.held else None
        self._fits: dict[tuple[str, str], Treatment | None] = {}
        remembered = moment.snapshot.remembered or ()
        self._remembered = {one.action: one for one in remembered} if moment.cached else {}

    # -- before scoring

    def drops(self, place: Place) -> tuple[Drop, ...]:
        """What stops an action before scoring: the first reason, or all of them in explain mode."""
        return tuple(islice(self._obstacles(place), None if self.request.explain else 1))

    def _obstacles(self, place: Place) -> Iterator[Drop]:
        moment = self.moment
        calendar = moment.zones.business
        if (drop := eligibility.unavailable(place.action, moment.now, calendar)) is not None:
            yield drop
        if not any(place.treatments(one.name, None) for one in self.request.placements):
            detail = f"it has no treatment for {moment.channel}"
            yield Drop(stage=Stage.CHANNEL, rule="no_treatment", detail=detail)
        yield from guards.silences(place, moment)
        if place.action.name not in self._remembered:
            yield from eligibility.failed_rules(place.action, moment.lookup)
            yield from exclusions.below_margin(place, moment)
        if self.first_treatment(place) is None:
            yield from self._unfit(place)
        yield from guards.contact_obstacles(place, moment)

    def _unfit(self, place: Place) -> Iterator[Drop]:
        """What stops the treatment that comes closest; nothing where there is none at all."""
        for placement in self.request.placements:
            for treatment in place.treatments(placement.name, self._tone)[:1]:
                yield from treatments.unfit(treatment, self.moment.lookup)
                return

    def fit(self, place: Place, placement: str) -> Treatment | None:
        """The treatment of an action for a placement."""
        key = (place.action.name, placement)
        if key not in self._fits:
            self._fits[key] = treatments.fitting(place, placement, self._tone, self.moment.lookup)
        return self._fits[key]

    def first_treatment(self, place: Place) -> Treatment | None:
        """The treatment a candidate would get at the first placement that takes it."""
        found = (self.fit(place, one.name) for one in self.request.placements)
        return next((treatment for treatment in found if treatment), None)

    # -- after scoring

    def rank(
        self, weighed: Sequence[Weighed], scores: Scores, level: Level
    ) -> tuple[list[Ranked], Drops, dict[str, Ranked]]:
        """The actions in order of priority, the drops of others, and the priorities of all.

        Dropped is what is not allowed at this level, and, unless it is mandatory or the customer is
        in the control slice, what is immature, was not scored in time, or is too weak.
        """
        kept: list[Ranked] = []
        weak: Drops = {}
        parts: dict[str, Ranked] = {}
        for at, one in enumerate(weighed):
            scored = at < len(scores.acceptance)
            ranked = self._ranked(one, at, scores)
            parts[one.action.name] = ranked
            drop = self._too_weak(ranked, level, scored)
            if drop is None:
                kept.append(ranked)
            else:
                weak[one.action.name] = (drop,)
        return arbitration.in_order(kept), weak, parts

    def _ranked(self, one: Weighed, at: int, scores: Scores) -> Ranked:
        remembered = self._remembered.get(one.action.name)
        if remembered is not None and self.arm is Arm.BEST:
            return arbitration.rank(one, exploration.as_given(remembered.propensity))
        score = scores.acceptance[at] if at < len(scores.acceptance) else None
        evidence = scores.evidence[at] if at < len(scores.evidence) else None
        terms = self.moment.bundle.exploration
        chance = exploration.chance(one.action, score, evidence, self.request, terms, self.arm)
        return arbitration.rank(one, chance, self.arm)

    def _too_weak(self, one: Ranked, level: Level, scored: bool) -> Drop | None:
        action = one.action
        if level is not Level.STATIC and not self.moment.offered_at(action.purpose, level):
            detail = f"{action.purpose} is not offered at level {level}"
            return Drop(stage=Stage.LEVEL, rule=f"level:{level}", detail=detail)
        if action.mandatory or self.arm is Arm.CONTROL:
            return None
        drop = exploration.immature(one.place, one.chance.evidence, self.request, self.moment)
        if drop is None and not scored:
            detail = "the time was over before it was scored"
            drop = Drop(stage=Stage.DEADLINE, rule="not_scored", detail=detail)
        return drop or _below_threshold(one)

    def fill(self, ordered: Sequence[Ranked]) -> Filled:
        """The offers by placement, with a fallback where nothing else is left."""

        def fit(one: Ranked, placement: str) -> Treatment | None:
            return self.fit(one.place, placement)

        filled = placing.fill(ordered, self.request.placements, self.moment, fit, self.arm)
        for name, offers in filled.placements.items():
            if not offers:
                self._fall_back(name, filled)
        return filled

    def _fall_back(self, placement: str, filled: Filled) -> None:
        """What an in-page placement shows when nothing else is left; journeys have no fallback.

        It needs no rules, but holds, consent, contact limits and volumes bind it too.
        """
        fallbacks: Mapping[str, str] = self.moment.bundle.fallbacks
        if self.request.purposes or self.request.tags or not self.moment.in_page:
            return
        name = fallbacks.get(placement) or fallbacks.get("*")
        if name is None or name in filled.shown:
            return
        place = self._on_channel[name]
        treatment = self.fit(place, placement)
        bound = chain(
            guards.silences(place, self.moment), guards.contact_obstacles(place, self.moment)
        )
        taken = volumes.taken(place, self.moment, filled.reserves)
        if treatment is None or any(bound) or isinstance(taken, Drop):
            return
        weighed = arbitration.plain(place, self.moment)
        one = arbitration.rank(weighed, exploration.by_prior(place.action))
        offer = placing.offer(one, treatment, 1, self.moment)
        filled.add(placement, (offer,), (*filled.reserves, *taken))


def _below_threshold(one: Ranked) -> Drop | None:
    action, propensity = one.action, one.chance.smoothed
    if propensity < action.minimum_propensity:
        detail = f"propensity {propensity} is below {action.minimum_propensity}"
        return Drop(stage=Stage.PROPENSITY, rule="minimum_propensity", detail=detail)
    if action.minimum_priority and one.steady < action.minimum_priority:
        detail = f"priority {one.steady} is below {action.minimum_priority}"
        return Drop(stage=Stage.ARBITRATION, rule="minimum_priority", detail=detail)
    return None


def _asked_for(action: Action, request: Request) -> bool:
    if request.purposes and action.purpose not in request.purposes:
        return False
    if request.tags:
        return any(tag in request.tags for tag in action.tags)
    return not action.only_for_journeys
