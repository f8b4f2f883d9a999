"""Priority = P x C x V x L, the order it gives, and which offer goes to which placement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.catalog import Action, Bundle, Treatment
from engine.logic import Lookup
from engine.propensity import DECIMALS
from engine.shelf import Place
from engine.types import Offer, Placement

EMPATHETIC = "empathetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A candidate with its priority and the parts of it, rounded to be the same everywhere."""

    place: Place
    propensity: float
    context_weight: float
    value: float
    lever: float
    priority: float

    @property
    def action(self) -> Action:
        """What is ranked."""
        return self.place.action


def context_weights(bundle: Bundle, lookup: Lookup) -> Mapping[str, float]:
    """The percents that the context adds, by target such as `purpose:service`."""
    added: dict[str, float] = {}
    for weight in bundle.context_weights:
        if weight.condition(lookup) is True:
            added[weight.target] = added.get(weight.target, 0.0) + weight.percent
    return added


def rank(place: Place, propensity: float, weights: Mapping[str, float], lookup: Lookup) -> Ranked:
    """The priority of one action. A value that is not known counts as 1.

    C = 1 + sum/100 of the context weights; L = 1 + (purpose + group + action lever)/100; both at
    least 0.
    """
    percent = sum(weights.get(target, 0.0) for target in place.targets) if weights else 0.0
    context_weight = max(0.0, 1 + percent / 100)
    found = place.action.value(lookup)
    value = 1.0
    if isinstance(found, int | float) and not isinstance(found, bool):
        value = max(0.0, float(found))
    return Ranked(
        place=place,
        propensity=propensity,
        context_weight=context_weight,
        value=value,
        lever=place.lever,
        priority=round(propensity * context_weight * value * place.lever, DECIMALS),
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


def fill(
    ordered: Sequence[Ranked], placements: Sequence[Placement], tone: str | None
) -> dict[str, tuple[Offer, ...]]:
    """The best offers for each placement in turn; no action is shown twice."""
    shown: set[str] = set()
    filled: dict[str, tuple[Offer, ...]] = {}
    for placement in placements:
        offers: list[Offer] = []
        for one in ordered:
            if len(offers) == placement.limit:
                break
            treatment = one.place.treatment(placement.name, tone)
            if treatment is None or one.action.name in shown:
                continue
            shown.add(one.action.name)
            offers.append(offer(one, treatment, len(offers) + 1))
        filled[placement.name] = tuple(offers)
    return filled


def offer(one: Ranked, treatment: Treatment, place: int) -> Offer:
    """An offer as the channel shows it."""
    return Offer(
        action=one.action.name,
        treatment=treatment.id,
        purpose=one.action.purpose,
        tags=one.action.tags,
        group=one.action.group,
        rank=place,
        propensity=one.propensity,
        priority=one.priority,
        content=treatment.content,
    )
