"""What changes between two decisions on the same question: where, for which action, at what stage.

Such as a recorded decision, and the same question under another bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.types import Candidate, Decision, Offer, Status

NOT_THERE = "not_there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What became of an action: `chosen`, `passed`, `dropped`, or `not_there` in that bundle.

    `stage` and `rule` are those of its first drop.
    """

    status: str
    placement: str | None = None
    rank: int | None = None
    priority: float | None = None
    stage: str | None = None
    rule: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionChange:
    """An action of which something else became."""

    action: str
    before: Standing
    after: Standing
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementChange:
    """A placement that shows something else: the treatments in order."""

    placement: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that differs for the customer and for each action; empty where nothing does."""

    level: tuple[str, str] | None
    placements: tuple[PlacementChange, ...]
    actions: tuple[ActionChange, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All of it in sentences: what is shown first, then every action."""
        level = ()
        if self.level is not None:
            level = (f"The level was {self.level[0]}; under the new bundle it is {self.level[1]}.",)
        shown = (change.words for change in self.placements)
        return (*level, *shown, *(change.words for change in self.actions))

    def __bool__(self) -> bool:
        return bool(self.level or self.placements or self.actions)


def compare(before: Decision, after: Decision) -> Changes:
    """What differs; an action counts where its status, its place or its first drop is another."""
    levels = (before.level.value, after.level.value)
    return Changes(
        level=None if levels[0] == levels[1] else levels,
        placements=tuple(_placements(before, after)),
        actions=tuple(_actions(before, after)),
    )


def _placements(before: Decision, after: Decision) -> Iterator[PlacementChange]:
    for name in dict.fromkeys((*before.placements, *after.placements)):
        old = tuple(offer.treatment for offer in before.placements.get(name, ()))
        new = tuple(offer.treatment for offer in after.placements.get(name, ()))
        if old != new:
            words = f"{name}: {_listed(old)} before; under the new bundle {_listed(new)}."
            yield PlacementChange(placement=name, before=old, after=new, words=words)


def _listed(treatments: tuple[str, ...]) -> str:
    return ", ".join(treatments) or "nothing"


def _actions(before: Decision, after: Decision) -> Iterator[ActionChange]:
    old, new = standings(before), standings(after)
    absent = Standing(status=NOT_THERE)
    for name in dict.fromkeys((*old, *new)):
        was, now = old.get(name, absent), new.get(name, absent)
        if _told(was) != _told(now):
            words = f"{name}: was {in_words(was)}; under the new bundle {in_words(now)}."
            yield ActionChange(action=name, before=was, after=now, words=words)


def _told(standing: Standing) -> tuple[str | int | None, ...]:
    place = (standing.placement, standing.rank)
    return (standing.status, *place, standing.stage, standing.rule)


def standings(decision: Decision) -> Mapping[str, Standing]:
    """What became of each action of a decision; a fallback is offered without being a candidate."""
    offered = {
        offer.action: (placement, offer)
        for placement, offers in decision.placements.items()
        for offer in offers
    }
    found = {one.action: _standing(one, offered.get(one.action)) for one in decision.candidates}
    for action, (placement, offer) in offered.items():
        found.setdefault(action, _offered(placement, offer))
    return found


def _standing(candidate: Candidate, offered: tuple[str, Offer] | None) -> Standing:
    if offered is not None:
        return _offered(*offered)
    drop = candidate.drops[0] if candidate.drops else None
    return Standing(
        status=candidate.status.value,
        priority=candidate.priority,
        stage=drop.stage.value if drop else None,
        rule=drop.rule if drop else None,
        detail=drop.detail if drop else None,
    )


def _offered(placement: str, offer: Offer) -> Standing:
    return Standing(
        status=Status.CHOSEN.value, placement=placement, rank=offer.rank, priority=offer.priority
    )


def in_words(standing: Standing) -> str:
    """What became of an action, to go after "was" or "now"."""
    if standing.status == Status.CHOSEN:
        rank = f" as number {standing.rank}" if (standing.rank or 1) > 1 else ""
        return f"offered in {standing.placement}{rank}"
    if standing.status == Status.PASSED:
        return "good enough, but outranked"
    if standing.status == NOT_THERE:
        return "not among the actions"
    because = f" ({standing.detail})" if standing.detail else ""
    return f"dropped at {standing.stage} by {standing.rule}{because}"
