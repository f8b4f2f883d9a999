"""What each part of a bundle is worth: its choice beside five others on the same allowed actions.

The comparisons are those of an impact analyser, only made from the log: a random allowed action,
the likeliest one, the one worth most without levers, one from the bundle without its applicability
and suitability rules, and the one that ranks first by a random propensity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from zlib import crc32

import numpy as np

from engine.catalog import Action, Bundle
from engine.types import Arm, Candidate, Decision, Stage, Status

RANDOM_DRAWS = 200

Chances = Mapping[str, float]
"""How likely each treatment is shown."""


class Rival(StrEnum):
    """What a bundle's choice is compared with."""

    RANDOM_ACTION = "random_action"
    PROPENSITY_ONLY = "propensity_only"
    NO_LEVERS = "no_levers"
    ELIGIBILITY_ONLY = "eligibility_only"
    RANDOM_PROPENSITY = "random_propensity"


def with_eligibility_only(bundle: Bundle) -> Bundle:
    """The bundle without rules of applicability and suitability; itself if it has none."""
    actions = {name: _loose(one) for name, one in bundle.actions.items()}
    if all(len(actions[name].rules) == len(one.rules) for name, one in bundle.actions.items()):
        return bundle
    return replace(bundle, actions=actions)


def _loose(action: Action) -> Action:
    kept = tuple(rule for rule in action.rules if rule.stage is Stage.ELIGIBILITY)
    return replace(action, rules=kept)


def choices(made: Sequence[Decision], place: str, bundle: Bundle) -> Mapping[Rival, Chances]:
    """What the rivals would show at a placement, from decisions of the bundle with other dice.

    Nothing for a place where no action has passed: there they show what the bundle shows.
    """
    found: dict[Rival, dict[str, float]] = {}
    for decision in made:
        passed = _allowed(decision, place, bundle)
        for rival, chances in _chosen(decision, passed) if passed else ():
            told = found.setdefault(rival, {})
            for name, chance in chances.items():
                told[name] = told.get(name, 0.0) + chance / len(made)
    complete = (rival for rival in found if sum(found[rival].values()) > 1 - 1e-9)
    return {rival: found[rival] for rival in complete}


def _allowed(decision: Decision, place: str, bundle: Bundle) -> Sequence[Candidate]:
    """What could have the place: of what must be shown, only that."""
    passed = [
        one
        for one in decision.candidates
        if one.status is not Status.DROPPED and _fits(one, place, bundle)
    ]
    mandatory = [one for one in passed if bundle.actions[one.action].mandatory]
    return mandatory or passed


def _fits(one: Candidate, place: str, bundle: Bundle) -> bool:
    treatments = bundle.actions[one.action].treatments
    return any(each.id == one.treatment and each.placement in (None, place) for each in treatments)


def _chosen(
    decision: Decision, passed: Sequence[Candidate]
) -> Iterator[tuple[Rival, Mapping[str, float]]]:
    control = decision.arm is Arm.CONTROL
    p = np.array([(one.smoothed if control else one.propensity) or 0.0 for one in passed])
    worth = np.array([_worth(one) for one in passed])
    levers = np.array([1.0 if one.lever is None else one.lever for one in passed])
    random = np.random.default_rng(crc32(decision.decision_id.encode()))
    drawn = random.random((RANDOM_DRAWS, len(passed))) * worth * levers
    wins = np.bincount(drawn.argmax(axis=1), minlength=len(passed)) / RANDOM_DRAWS
    names = [one.treatment for one in passed]
    yield Rival.RANDOM_ACTION, {name: 1 / len(names) for name in names}
    yield Rival.PROPENSITY_ONLY, {names[int(p.argmax())]: 1.0}
    yield Rival.NO_LEVERS, {names[int((p * worth).argmax())]: 1.0}
    yield (
        Rival.RANDOM_PROPENSITY,
        {name: float(share) for name, share in zip(names, wins, strict=True) if share},
    )


def _worth(one: Candidate) -> float:
    """C x V; what is not known counts as 1, as it ranked."""
    known = (one.context_weight, one.value)
    weight, value = (1.0 if each is None else each for each in known)
    return weight * value
