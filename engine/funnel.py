"""The stages of the funnel, for one request: what stops an action, and what is left in order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice

from engine import arbitration, contact, eligibility, holds, propensity
from engine.arbitration import EMPATHETIC, Ranked
from engine.catalog import Action, Bundle, Treatment
from engine.logic import Lookup
from engine.shelf import Place, shelf
from engine.types import Drop, Level, Offer, Request, Snapshot, Stage

Drops = dict[str, tuple[Drop, ...]]


class Funnel:
    """The stages, for one request.

    `places` are the actions that were asked for, on its channel; `held` the holds in force.
    """

    def __init__(
        self, request: Request, snapshot: Snapshot, bundle: Bundle, lookup: Lookup
    ) -> None:
        self.request = request
        self.snapshot = snapshot
        self.bundle = bundle
        self.lookup = lookup
        self.held = holds.in_force(snapshot.holds, request.now)
        on_channel = shelf(bundle, request.channel)
        self.places = [place for place in on_channel.values() if _asked_for(place.action, request)]
        self._on_channel = on_channel
        self.tone = EMPATHETIC if self.held else None
        self._harmless = frozenset(bundle.fallbacks.values())

    def drops(self, place: Place) -> tuple[Drop, ...]:
        """What stops an action before scoring: the first reason, or all of them in explain mode."""
        return tuple(islice(self._obstacles(place), None if self.request.explain else 1))

    def _obstacles(self, place: Place) -> Iterator[Drop]:
        action = place.action
        if (drop := eligibility.unavailable(action, self.request.now)) is not None:
            yield drop
        if self._treatment(place) is None:
            detail = f"it has no treatment for {self.request.channel}"
            yield Drop(stage=Stage.CHANNEL, rule="no_treatment", detail=detail)
        yield from self._silences(place)
        yield from eligibility.failed_rules(action, self.lookup)
        yield from self._contact_obstacles(place)

    def _silences(self, place: Place) -> Iterator[Drop]:
        if self.held and (hold := holds.covering(self.held, place.action)) is not None:
            yield Drop(
                stage=Stage.HOLD, rule=f"hold:{hold.id}", detail=hold.because, until=hold.until
            )
        if not self.snapshot.reconciled and not self._careful(place):
            detail = "holds, consents and contacts can't be read: nothing commercial or limited"
            yield Drop(stage=Stage.LEVEL, rule="not_reconciled", detail=detail)

    def _careful(self, place: Place) -> bool:
        """Whether an action may go out while nothing is known of holds, consents and contacts."""
        action = place.action
        if place.limits or holds.commercial(action.purpose, action.tags):
            return False
        return action.exempt is not None or action.name in self._harmless

    def _contact_obstacles(self, place: Place) -> Iterator[Drop]:
        granted = self.snapshot.consents.get(place.consent)
        if not (place.consent_default if granted is None else granted):
            detail = f"no consent for {place.action.purpose} on {self.request.channel}"
            yield Drop(stage=Stage.CONSENT, rule=f"consent:{place.consent}", detail=detail)
        now, channel = self.request.now, self.request.channel
        contacts = self.snapshot.contacts
        limits = [
            contact.counter(one, place.action, channel, now)
            for one in place.limits
            if contacts or not one.maximum
        ]
        full = contact.first_reached(limits, contacts)
        if full is not None:
            counter, until = full
            detail = f"the limit {counter.name} of {counter.maximum} is reached"
            yield Drop(
                stage=Stage.CONTACT_LIMIT, rule=f"limit:{counter.name}", detail=detail, until=until
            )

    def rank(
        self, places: Sequence[Place], scores: Sequence[float | None], level: Level
    ) -> tuple[list[Ranked], Drops, dict[str, Ranked]]:
        """The actions in order of priority, the drops of others, and the priorities of all.

        Dropped is what is too weak, or not allowed at this level.
        """
        weights = arbitration.context_weights(self.bundle, self.lookup)
        kept: list[Ranked] = []
        weak: Drops = {}
        parts: dict[str, Ranked] = {}
        for place, score in zip(places, scores, strict=True):
            chance = propensity.propensity(place.action, score)
            one = arbitration.rank(place, chance, weights, self.lookup)
            parts[place.action.name] = one
            drop = self._too_weak(one, level)
            if drop is None:
                kept.append(one)
            else:
                weak[place.action.name] = (drop,)
        return arbitration.in_order(kept), weak, parts

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
        self, placements: Mapping[str, tuple[Offer, ...]]
    ) -> dict[str, tuple[Offer, ...]]:
        """The placements, with a fallback where nothing else is left; no action is shown twice."""
        shown = {offer.action for offers in placements.values() for offer in offers}
        filled: dict[str, tuple[Offer, ...]] = {}
        for name, offers in placements.items():
            filled[name] = offers or self._fallback(name, shown)
            shown.update(offer.action for offer in filled[name])
        return filled

    def _fallback(self, placement: str, shown: Collection[str]) -> tuple[Offer, ...]:
        """What an in-page placement shows when nothing else is left; journeys have no fallback.

        It needs no rules, but holds, consent and contact limits bind it too.
        """
        asked = self.request.purposes or self.request.tags
        if asked or not self.bundle.channels[self.request.channel].in_page:
            return ()
        name = self.bundle.fallbacks.get(placement) or self.bundle.fallbacks.get("*")
        if name is None or name in shown:
            return ()
        place = self._on_channel[name]
        treatment = place.treatment(placement, self.tone)
        bound = chain(self._silences(place), self._contact_obstacles(place))
        if treatment is None or any(bound):
            return ()
        chance = propensity.propensity(place.action, None)
        one = arbitration.rank(place, chance, {}, self.lookup)
        return (arbitration.offer(one, treatment, 1),)

    def _treatment(self, place: Place) -> Treatment | None:
        for placement in self.request.placements:
            treatment = place.treatment(placement.name, self.tone)
            if treatment is not None:
                return treatment
        return None

    def treatment_id(self, place: Place) -> str:
        """The treatment a candidate would get at the first placement that takes it."""
        treatment = self._treatment(place)
        return treatment.id if treatment else ""


def _asked_for(action: Action, request: Request) -> bool:
    if request.purposes and action.purpose not in request.purposes:
        return False
    if request.tags:
        return any(tag in request.tags for tag in action.tags)
    return not action.only_for_journeys
