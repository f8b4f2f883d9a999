"""Priority = P x C x V x L, and the order it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.catalog import Action, Bundle
from engine.exploration import Chance
from engine.influence import influences
from engine.logic import Lookup
from engine.moment import Moment
from engine.propensity import DECIMALS
from engine.shelf import Place
from engine.volumes import boosts

Percents = Mapping[str, Mapping[str, float]]
"""What raises or lowers a target such as `group:internet`, by name, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What an action is worth apart from P, and what is in it by name, in percent."""

    place: Place
    context_weight: float
    value: float
    lever: float
    levers: Mapping[str, float]

    @property
    def action(self) -> Action:
        """What is weighed."""
        return self.place.action

    @property
    def worth(self) -> float:
        """C x V x L: the priority at P = 1."""
        return self.context_weight * self.value * self.lever


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A candidate with its priority and the parts of it, rounded to be the same everywhere."""

    weighed: Weighed
    chance: Chance
    priority: float

    @property
    def place(self) -> Place:
        """What is ranked, on its channel."""
        return self.weighed.place

    @property
    def action(self) -> Action:
        """What is ranked."""
        return self.weighed.place.action


def weigh(places: Sequence[Place], moment: Moment) -> list[Weighed]:
    """The worth of each action, the most promising first: by prior x C x V x L, then by name.

    C = 1 + sum/100 of the context weights and of the volumes behind their minimum;
    L = 1 + (purpose + group + action lever + influencers)/100; both at least 0.
    """
    context, influence, behind = _context_weights(moment), influences(moment), boosts(moment)
    found = [_weighed(place, moment, context, influence, behind) for place in places]
    return sorted(found, key=lambda one: (-one.worth * one.action.prior, one.action.name))


def plain(place: Place, moment: Moment) -> Weighed:
    """The worth of one action apart from context and influencers: what a fallback ranks by."""
    return _weighed(place, moment, {}, {}, {})


def _context_weights(moment: Moment) -> Percents:
    added: dict[str, dict[str, float]] = {}
    for weight in moment.bundle.context_weights:
        if weight.condition(moment.lookup) is True:
            added.setdefault(weight.target, {})[f"context:{weight.name}"] = weight.percent
    return added


def _weighed(
    place: Place,
    moment: Moment,
    context: Percents,
    influence: Percents,
    behind: Mapping[str, float],
) -> Weighed:
    in_context = _listened(context, place.targets)
    if (boost := behind.get(place.action.name)) is not None:
        in_context["volume:minimum"] = boost
    in_levers = _listened(influence, place.targets)
    return Weighed(
        place=place,
        context_weight=_factor(sum(in_context.values())),
        value=value_of(place.action, moment.bundle, moment.lookup),
        lever=_factor(place.lever + sum(in_levers.values())),
        levers={**_own_levers(place, moment.bundle), **in_context, **in_levers},
    )


def _listened(percents: Percents, targets: Iterable[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for target in targets:
        found.update(percents.get(target, {}))
    return found


def _factor(percent: float) -> float:
    return round(max(0.0, 1 + percent / 100), DECIMALS)


def _own_levers(place: Place, bundle: Bundle) -> dict[str, float]:
    action = place.action
    levers = (bundle.purposes[action.purpose].lever, bundle.groups.get(action.group, 0.0))
    by_target = zip(place.targets, (*levers, action.lever), strict=True)
    return {target: percent for target, percent in by_target if percent}


def value_of(action: Action, bundle: Bundle, lookup: Lookup) -> float:
    """V: the action's own, never below 0, with its purpose's shadow price, capped by its purpose.

    A value that is not known counts as 1.
    """
    found = action.value(lookup)
    known = isinstance(found, int | float) and not isinstance(found, bool)
    purpose = bundle.purposes[action.purpose]
    value = (max(0.0, float(found)) if known and found is not None else 1.0) + purpose.shadow_price
    return value if purpose.most_value is None else min(value, purpose.most_value)


def rank(weighed: Weighed, chance: Chance) -> Ranked:
    """The priority of one action."""
    return Ranked(
        weighed=weighed, chance=chance, priority=round(chance.final * weighed.worth, DECIMALS)
    )


def in_order(ranked: Iterable[Ranked]) -> list[Ranked]:
    """Mandatory first, then by priority, then by stable keys."""
    return sorted(
        ranked,
        key=lambda one: (
            not one.action.mandatory,
            -one.priority,
            one.action.purpose,
            one.action.group,
            one.action.name,
        ),
    )
