"""The plain way through the funnel, place by place: what the kernel is compared with.

It explains, and it answers where live state or features are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine import arbitration, placing
from engine.arbitration import Ranked, Weighed
from engine.catalog import Action
from engine.frozen import maker
from engine.funnel import Drops, Funnel
from engine.names import Names
from engine.outcome import Counts, counts
from engine.placing import Filled
from engine.types import Candidate, Drop, Level, Scores, Status


class Plain:
    """The funnel, place by place: for explanations, and for answers without state or features."""

    def __init__(self, funnel: Funnel, _every: Names) -> None:
        self._funnel = funnel
        self._drops: Drops = {}
        self._weighed: Sequence[Weighed] = ()
        self._parts: Mapping[str, Ranked] = {}

    def weigh(self) -> list[tuple[Action, str]]:
        """What is to be scored: all that is left, the most promising first."""
        funnel = self._funnel
        self._drops = funnel.drops()
        left = [place for place in funnel.places if place.action.name not in self._drops]
        self._weighed = arbitration.weigh(left, funnel.moment)
        return [(one.action, funnel.request.channel) for one in self._weighed]

    def fill(self, scores: Scores, level: Level) -> Filled:
        """The offers, once it is scored."""
        ranked, weak, self._parts = self._funnel.rank(self._weighed, scores, level)
        filled = self._funnel.fill(placing.Ordered(ranked))
        self._drops |= weak
        self._drops |= {name: (drop,) for name, drop in filled.drops.items()}
        return filled

    def told(self, filled: Filled) -> tuple[tuple[Candidate, ...], Counts]:
        """The candidates, and how many each rule dropped, by stage."""
        candidates = tuple(_candidates(self._funnel, self._parts, self._drops, filled))
        return candidates, _counts(candidates)


def _candidates(
    funnel: Funnel, parts: Mapping[str, Ranked], drops: Drops, filled: Filled
) -> Iterator[Candidate]:
    offers = (offer for offers in filled.placements.values() for offer in offers)
    chosen = {offer.action: offer.treatment for offer in offers}
    for place in funnel.places:
        name = place.action.name
        found, said = drops.get(name, ()), chosen.get(name)
        if said is not None:
            yield _candidate(name, said, Status.CHOSEN, found, parts.get(name))
            continue
        kept = funnel.display.dropped(place, found[0]) if len(found) == 1 else None
        if kept is not None:
            yield kept
            continue
        status = Status.DROPPED if found else Status.PASSED
        yield _candidate(name, funnel.said(place), status, found, parts.get(name))


_candidate_as = maker(Candidate)


def _candidate(
    name: str, treatment: str, status: Status, drops: Sequence[Drop], one: Ranked | None
) -> Candidate:
    if one is None:
        return _candidate_as(action=name, treatment=treatment, status=status, drops=tuple(drops))
    weighed, chance = one.weighed, one.chance
    return _candidate_as(
        action=name,
        treatment=treatment,
        status=status,
        drops=tuple(drops),
        propensity=chance.final,
        context_weight=weighed.context_weight,
        value=weighed.value,
        lever=weighed.lever,
        priority=one.priority,
        model=chance.model,
        smoothed=chance.smoothed,
        levers=weighed.levers,
    )


def _counts(candidates: Sequence[Candidate]) -> Counts:
    dropped = (one.drops[0] for one in candidates if one.status is Status.DROPPED and one.drops)
    return counts((one.stage.value, one.rule) for one in dropped)
