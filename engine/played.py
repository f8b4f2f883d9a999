"""What happened in all golden cases of a bundle, in the forms in which coverage asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.catalog import Bundle
from engine.golden import Seen
from engine.types import Candidate, Drop, Offer, Stage

STOPPED = "no case expects it to stop something"
PASSED = "in no case it lets something pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to exercise; `missing` says in words what no case does, empty if all is done."""

    kind: str
    name: str
    missing: str = ""


def item(kind: str, name: str, *missing: str | bool) -> Item:
    """`missing`: what is missing in words; False where nothing is."""
    return Item(kind=kind, name=name, missing="; ".join(m for m in missing if isinstance(m, str)))


def both(kind: str, name: str, stopped: object, passed: object) -> Item:
    """Something that must stop an action in one case and let one pass in another."""
    return item(kind, name, not stopped and STOPPED, not passed and PASSED)


@dataclass(frozen=True, slots=True)
class Stop:
    """A drop that a case expects, with its rule."""

    action: str
    channel: str
    drop: Drop


@dataclass(slots=True)
class Played:
    """All cases of a bundle, played: drops and offers count where a case expects them."""

    bundle: Bundle
    seen: Sequence[Seen]
    stops: list[Stop] = field(default_factory=list[Stop])
    offers: list[tuple[Seen, Offer]] = field(default_factory=list[tuple[Seen, Offer]])

    def __post_init__(self) -> None:
        for seen in self.seen:
            self._note_drops(seen)
            if seen.decision is not None:
                placements = seen.decision.placements
                named = [name for name in seen.case.expected.offers if name in placements]
                self.offers += [(seen, offer) for name in named for offer in placements[name]]

    def _note_drops(self, seen: Seen) -> None:
        for name, wanted in seen.case.expected.drops.items():
            drops = seen.drops.get(name, ())
            if drops and wanted.rule and wanted.is_met_by(drops[0]):
                self.stops.append(Stop(name, seen.channel, drops[0]))

    @property
    def written(self) -> dict[str, Any]:
        """The bundle as it was written, section by section."""
        return orjson.loads(self.bundle.source)["bundle"] if self.bundle.source else {}

    def stopped_by(self, rule: str, stages: Iterable[Stage] = tuple(Stage)) -> list[Stop]:
        """The expected drops by a rule."""
        known = set(stages)
        return [s for s in self.stops if s.drop.rule == rule and s.drop.stage in known]

    def passed(self, rule: str, action: str, channel: str | None = None) -> bool:
        """Whether a rule let an action through somewhere."""
        return any(
            action in seen.drops
            and channel in (None, seen.channel)
            and rule not in {drop.rule for drop in seen.drops[action]}
            for seen in self.seen
        )

    def weighed(self) -> Iterator[Candidate]:
        """The candidates that were ranked."""
        for seen in self.seen:
            if seen.decision is not None:
                yield from (c for c in seen.decision.candidates if c.priority is not None)
