"""The stages of the funnel, for one request: what stops an action, and what is left in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

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
from engine.display import display
from engine.moment import Moment, Verdicts
from engine.placing import EMPATHETIC, Filled, Ordered
from engine.shelf import Place, shelf
from engine.types import Arm, Drop, Level, Request, Scores, Stage

Drops = dict[str, tuple[Drop, ...]]
Obstacles = Callable[[Place], Iterable[Drop]]
"""What stops an action at one stage."""


class Funnel:
    """The stages, for one request. `places` are the actions asked for, on its channel."""

    def __init__(self, request: Request, moment: Moment) -> None:
        self.request = request
        self.moment = moment
        self._tone = EMPATHETIC if moment.held else None
        self.display = display(moment.bundle, request, self._tone)
        self.places = self.display.places
        self.arm = exploration.arm_of(request, moment.bundle.exploration)
        self._terms = moment.bundle.exploration
        self._verdicts = Verdicts(moment.lookup)
        self._fits: dict[tuple[str, str], Treatment | None] = {}
        remembered = moment.snapshot.remembered or ()
        self._remembered = {one.action: one for one in remembered} if moment.cached else {}

    # -- before scoring

    def drops(self) -> Drops:
        """What stops actions before scoring, by action: the first reason each, or all of them in
        explain mode. What is not there has passed.
        """
        drops: Drops = {}
        explain = self.request.explain
        for places, obstacles in self._stages():
            for place in places:
                name = place.action.name
                if explain:
                    found = tuple(obstacles(place))
                    if found:
                        drops[name] = (*drops.get(name, ()), *found)
                elif name not in drops:
                    for drop in obstacles(place):
                        drops[name] = (drop,)
                        break
        return drops

    def _stages(self) -> Iterator[tuple[Iterable[Place], Obstacles]]:
        """The stages in order, each with the places that it may stop something at."""
        here, moment = self.display, self.moment
        yield here.dated, self._unavailable
        yield here.unsayable, self._unsayable
        careful = moment.held or not moment.snapshot.reconciled
        yield here.places if careful else here.stoppable, self._silences
        yield self._known_anew(here.ruled), self._failed_rules
        yield self._known_anew(here.margined), self._below_margin
        yield here.unsure, self._unfit
        yield self._bound(), self._contact_obstacles

    def _known_anew(self, places: Sequence[Place]) -> Sequence[Place]:
        """Those that are not offered only because they were before."""
        if not self._remembered:
            return places
        return [place for place in places if place.action.name not in self._remembered]

    def _bound(self) -> Sequence[Place]:
        """Those that contact obstacles may stop."""
        if guards.at_rest(self.moment):
            return [one for one in self.places if not guards.consented(one, self.moment)]
        return self.places

    def _unavailable(self, place: Place) -> Iterator[Drop]:
        moment = self.moment
        drop = eligibility.unavailable(place.action, moment.now, moment.zones.business)
        if drop is not None:
            yield drop

    def _unsayable(self, place: Place) -> Iterator[Drop]:
        yield place.no_treatment

    def _silences(self, place: Place) -> Iterator[Drop]:
        return guards.silences(place, self.moment)

    def _failed_rules(self, place: Place) -> Iterator[Drop]:
        return eligibility.failed_rules(place.hurdles, self._verdicts)

    def _below_margin(self, place: Place) -> Iterator[Drop]:
        return exclusions.below_margin(place, self.moment)

    def _contact_obstacles(self, place: Place) -> Iterator[Drop]:
        return guards.contact_obstacles(place, self.moment)

    def _unfit(self, place: Place) -> Iterator[Drop]:
        """What stops the treatment that comes closest, where none fits."""
        if self._first_treatment(place) is not None:
            return
        for placement in self.request.placements:
            for treatment in place.treatments(placement.name, self._tone)[:1]:
                yield from treatments.unfit(treatment, self.moment.lookup)
                return

    def unfit(self, place: Place) -> Drop | None:
        """What stops the treatment that comes closest, where none fits."""
        return next(self._unfit(place), None)

    def fit(self, place: Place, placement: str) -> Treatment | None:
        """The treatment of an action for a placement."""
        key = (place.action.name, placement)
        fixed = self.display.fixed
        if key in fixed:
            return fixed[key]
        if key not in self._fits:
            self._fits[key] = treatments.fitting(place, placement, self._tone, self.moment.lookup)
        return self._fits[key]

    def said(self, place: Place) -> str:
        """The treatment a candidate would get at the first placement that takes it, if any."""
        said = self.display.said.get(place.action.name)
        if said is None:
            first = self._first_treatment(place)
            said = first.id if first else ""
        return said

    def _first_treatment(self, place: Place) -> Treatment | None:
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
            parts[one.place.action.name] = ranked
            drop = self.too_weak(ranked, level, scored)
            if drop is None:
                kept.append(ranked)
            else:
                weak[one.place.action.name] = (drop,)
        return arbitration.in_order(kept), weak, parts

    def _ranked(self, one: Weighed, at: int, scores: Scores) -> Ranked:
        action = one.place.action
        remembered = self._remembered.get(action.name)
        if remembered is not None and self.arm is Arm.BEST:
            return arbitration.rank(one, exploration.as_given(remembered.propensity))
        score = scores.acceptance[at] if at < len(scores.acceptance) else None
        evidence = scores.evidence[at] if at < len(scores.evidence) else None
        chance = exploration.chance(action, score, evidence, self.request, self._terms, self.arm)
        return arbitration.rank(one, chance, self.arm)

    def too_weak(self, one: Ranked, level: Level, scored: bool) -> Drop | None:
        """What stops an action after scoring."""
        place = one.weighed.place
        action = place.action
        if level not in place.purpose.levels and level is not Level.STATIC:
            detail = f"{action.purpose} is not offered at level {level}"
            return Drop(stage=Stage.LEVEL, rule=f"level:{level}", detail=detail)
        if action.mandatory or self.arm is Arm.CONTROL:
            return None
        drop = None
        if action.new:
            drop = exploration.immature(place, one.chance.evidence, self.request, self.moment)
        if drop is None and not scored:
            detail = "the time was over before it was scored"
            drop = Drop(stage=Stage.DEADLINE, rule="not_scored", detail=detail)
        return drop or _below_threshold(action, one)

    def fill(self, ordered: Ordered) -> Filled:
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
        place = shelf(self.moment.bundle, self.request.channel)[name]
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


def _below_threshold(action: Action, one: Ranked) -> Drop | None:
    propensity = one.chance.smoothed
    if propensity < action.minimum_propensity:
        detail = f"propensity {propensity} is below {action.minimum_propensity}"
        return Drop(stage=Stage.PROPENSITY, rule="minimum_propensity", detail=detail)
    if action.minimum_priority and one.steady < action.minimum_priority:
        detail = f"priority {one.steady} is below {action.minimum_priority}"
        return Drop(stage=Stage.ARBITRATION, rule="minimum_priority", detail=detail)
    return None
