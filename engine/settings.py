"""One thing that could be otherwise, and the world in which names have other values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from engine.names import ROOTS
from engine.solving import Setting
from engine.supposing import World
from engine.types import JourneyState, Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that would have to be otherwise.

    `kind` says what `target` names: `context`, `feature`, `score`, `journey`, `consent`, `hold`,
    `session`, `lever`, `value`, `propensity`, or a term of the bundle such as `limit` or `rule`.
    """

    kind: str
    target: str
    before: Any
    after: Any
    words: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """Changes that belong together, and the world in which they are made."""

    changes: tuple[Change, ...]
    world: World


def set_to(world: World, setting: Setting) -> Remedy | None:
    """The world in which names have these values; None where one can't be set by itself."""
    changes: list[Change] = []
    lookup = world.lookup()
    for name, value in setting.items():
        before = lookup(name)
        found = _set_one(world, name, value)
        if found is None:
            return None
        kind, world = found
        now = "not known" if before is None else _shown(before)
        words = f"{name} is {_shown(value)} (now {now})"
        changes.append(Change(kind=kind, target=name, before=before, after=value, words=words))
    return Remedy(tuple(changes), world)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"“{value}”" if isinstance(value, str) else f"{value}"


def _set_one(world: World, name: str, value: Scalar) -> tuple[str, World] | None:
    root, _, rest = name.partition(".")
    if root == "context":
        context = {**world.request.context, rest: value}
        return "context", replace(world, request=replace(world.request, context=context))
    if root == "model" and isinstance(value, int | float):
        return "score", replace(world, scores={**world.scores, rest: float(value)})
    if root == "journey":
        return _journey(world, rest, value)
    if root in ROOTS:
        return None
    features = {**world.snapshot.features, name: value}
    times = {**world.snapshot.feature_times, root: world.request.now}
    return "feature", world.knowing(features=features, feature_times=times)


def _journey(world: World, asked: str, value: Scalar) -> tuple[str, World] | None:
    kind, _, part = asked.partition(".")
    others = tuple(one for one in world.snapshot.journeys if one.kind != kind)
    if part == "stage" and isinstance(value, str):
        return "journey", world.knowing(journeys=(*others, _running(kind, value, world)))
    if part or not isinstance(value, bool):
        return None
    running = (*others, _running(kind, "supposed", world)) if value else others
    return "journey", world.knowing(journeys=running)


def _running(kind: str, stage: str, world: World) -> JourneyState:
    return JourneyState(id=f"{kind}:supposed", kind=kind, stage=stage, since=world.request.now)
