"""Priority = P x C x V x L, and the order it gives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.catalog import Action, Bundle, ContextWeight, Purpose
from engine.exploration import Chance
from engine.frozen import maker
from engine.influence import influences
from engine.logic import Lookup
from engine.moment import Moment
from engine.propensity import DECIMALS
from engine.shelf import Place
from engine.types import Arm
from engine.volumes import boosts

UNKNOWN_VALUE = "value:unknown"
"""Among the levers, at 0 percent: the value was not known and counted as 1."""
_BOOST = "volume:minimum"
_UNKNOWN = {UNKNOWN_VALUE: 0.0}
_MOST_VALUE, _MOST_FACTOR = 1e15, 1e6
"""No product of what is within these is infinite, and so no record of it unreadable."""
Percents = Mapping[str, Mapping[str, float]]
"""What raises or lowers a target such as `group:internet`, by name, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What an action is worth apart from P, and what is in C and L by name, in percent.

    In C are the names that start with `context:` and `volume:`, in L all others.
    """

    place: Place
    context_weight: float
    value: float
    lever: float
    levers: Mapping[str, float]
    worth: float
    """C x V x L: the priority at P = 1."""

    @property
    def action(self) -> Action:
        """What is weighed."""
        return self.place.action


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A candidate with its priority and the parts of it, rounded to be the same everywhere."""

    weighed: Weighed
    chance: Chance
    priority: float
    steady: float
    """The priority before anything was drawn: what thresholds look at."""

    @property
    def place(self) -> Place:
        """What is ranked, on its channel."""
        return self.weighed.place

    @property
    def action(self) -> Action:
        """What is ranked."""
        return self.weighed.place.action


weighed_as, ranked_as = maker(Weighed), maker(Ranked)


def weigh(places: Sequence[Place], moment: Moment) -> list[Weighed]:
    """The worth of each action, the most promising first: by prior x C x V x L, then by name."""
    weights = moment.bundle.context_weights
    context = in_context(weights, [one.condition(moment.lookup) is True for one in weights])
    influence = influences(moment)
    behind = boosts(places, moment)
    in_force = {*context, *influence}
    found = [
        plain(place, moment)
        if in_force.isdisjoint(place.targets) and place.action.name not in behind
        else weighed(place, own_value(place.action, moment.lookup), context, influence, behind)
        for place in places
    ]
    return sorted(found, key=_promise)


def _promise(one: Weighed) -> tuple[float, str]:
    action = one.place.action
    return -one.worth * action.prior, action.name


def plain(place: Place, moment: Moment) -> Weighed:
    """The worth of one action apart from context and influencers: what a fallback ranks by."""
    return always(place) or of_value(place, own_value(place.action, moment.lookup))


def of_value(place: Place, own: float | None) -> Weighed:
    """The same, where the action's own value is at hand; None if it is not known."""
    return _worth(place, own, place.levers, {})


def always(place: Place) -> Weighed | None:
    """The same for an action whose value is the same for everybody; None if it is not."""
    return place.once("weighed", _always)


def _always(place: Place) -> Weighed | None:
    if place.action.value.names:
        return None
    return _worth(place, own_value(place.action, lambda _: None), place.levers, {})


def in_context(weights: Sequence[ContextWeight], holds: Sequence[bool]) -> Percents:
    """The context weights, as far as they hold: by target, then by name."""
    added: dict[str, dict[str, float]] = {}
    for weight, is_so in zip(weights, holds, strict=True):
        if is_so:
            _add(added.setdefault(weight.target, {}), {f"context:{weight.name}": weight.percent})
    return added


def always_in_context(
    place: Place, context: Percents
) -> tuple[Weighed | None, Mapping[str, float]]:
    """The worth of one action in a context, if that is the same for everybody; and the percents."""
    percents = _listened(context, place.targets)
    one = always(place)
    if one is None:
        return None, percents
    own = own_value(place.action, lambda _: None)
    return _worth(place, own, place.levers, percents), percents


def of_value_in_context(place: Place, own: float | None, percents: Mapping[str, float]) -> Weighed:
    """The worth of one action with the percents of a context."""
    return _worth(place, own, place.levers, percents)


def weighed(
    place: Place,
    own: float | None,
    context: Percents,
    influence: Percents,
    behind: Mapping[str, float],
) -> Weighed:
    """The worth of one action, with context, influencers and volumes behind their minimum.

    `own` is its own value, None if that is not known.
    """
    in_context = _listened(context, place.targets)
    if (boost := behind.get(place.action.name)) is not None:
        in_context[_BOOST] = boost
    influenced = _listened(influence, place.targets)
    in_levers = {**place.levers, **influenced} if influenced else place.levers
    return _worth(place, own, in_levers, in_context)


def _worth(
    place: Place, own: float | None, in_levers: Mapping[str, float], in_context: Mapping[str, float]
) -> Weighed:
    levers = {**in_levers, **in_context} if in_context else in_levers
    context_weight = factor(in_context.values()) if in_context else 1.0
    always = in_levers is place.levers
    lever = place.once("lever", _own_lever) if always else factor(in_levers.values())
    value = _valued(own, place.purpose)
    return weighed_as(
        place=place,
        context_weight=context_weight,
        value=value,
        lever=lever,
        levers=levers if own is not None else {**levers, **_UNKNOWN},
        worth=context_weight * value * lever,
    )


def _own_lever(place: Place) -> float:
    return factor(place.levers.values())


def _listened(percents: Percents, targets: Iterable[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    if percents:
        for target in targets:
            if target in percents:
                _add(found, percents[target])
    return found


def _add(found: dict[str, float], more: Mapping[str, float]) -> None:
    for name, percent in more.items():
        found[name] = found.get(name, 0.0) + percent


def factor(percents: Iterable[float]) -> float:
    """C or L: 1 + sum / 100, never below 0; the same in whatever order the percents come.

    C adds up the context weights that hold, and the volumes behind their minimum; L the levers of
    purpose, group and action, and the influencers.

    >>> factor([20, 25, 10])
    1.55
    >>> factor([]), factor([-150])
    (1.0, 0.0)
    """
    raised = 1 + math.fsum(percents) / 100
    return round(min(max(0.0, raised), _MOST_FACTOR), DECIMALS)


def value_of(action: Action, bundle: Bundle, lookup: Lookup) -> float:
    """V: the action's own, never below 0, with its purpose's shadow price, capped by its purpose.

    A value that is not known counts as 1.
    """
    return _valued(own_value(action, lookup), bundle.purposes[action.purpose])


def own_value(action: Action, lookup: Lookup) -> float | None:
    """V as the action says it; None if that is not known."""
    found = action.value.evaluate(lookup)
    known = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if known and found is not None else None


def _valued(own: float | None, purpose: Purpose) -> float:
    most = _MOST_VALUE if purpose.most_value is None else purpose.most_value
    return min((1.0 if own is None else max(0.0, own)) + purpose.shadow_price, most)


def rank(weighed: Weighed, chance: Chance, arm: Arm = Arm.BEST) -> Ranked:
    """The priority of one action: in the control slice P alone, which is random there."""
    final, known = chance.final, chance.smoothed
    priority = steady = round(known * weighed.worth, DECIMALS)
    if arm is Arm.CONTROL:
        priority = final
    elif final != known:
        priority = round(final * weighed.worth, DECIMALS)
    return ranked_as(weighed=weighed, chance=chance, priority=priority, steady=steady)


def in_order(ranked: Iterable[Ranked]) -> list[Ranked]:
    """Mandatory first, then by priority, then by stable keys."""
    return sorted(ranked, key=_order)


def _order(one: Ranked) -> tuple[bool, float, str, str, str]:
    action = one.weighed.place.action
    return not action.mandatory, -one.priority, action.purpose, action.group, action.name
