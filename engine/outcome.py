"""What became of every candidate, as columns; candidates and counts are made when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.frozen import maker
from engine.plan import Plan, Row
from engine.shelf import Place
from engine.types import Candidate, Drop, Status

Counts = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """By place, what stopped it, if anything did; and for all that were ranked, in the order in
    which they were scored: their worth, and P as the model said it, smoothed, and as it ranked.

    `chosen` are the treatments that are shown, by action; `said` names the treatment of others.
    """

    plan: Plan
    drops: Sequence[Drop | None]
    rows: Sequence[Row]
    models: Sequence[float | None]
    smoothed: Sequence[float]
    final: Sequence[float]
    priorities: Sequence[float]
    chosen: Mapping[str, str]
    said: Callable[[Place], str]

    def candidates(self) -> tuple[Candidate, ...]:
        """One for each place."""
        return tuple(self._candidates())

    def _candidates(self) -> Iterator[Candidate]:
        ranked = {row[2]: at for at, row in enumerate(self.rows)}
        for number, place in enumerate(self.plan.display.places):
            name, drop = place.action.name, self.drops[number]
            shown, at = self.chosen.get(name), ranked.get(number)
            kept = None
            if drop is not None and shown is None:
                kept = self.plan.display.dropped(place, drop)
            if kept is not None:
                yield kept
                continue
            status = Status.PASSED if drop is None else Status.DROPPED
            if shown is not None:
                status = Status.CHOSEN
            drops = () if drop is None else (drop,)
            said = self.said(place) if shown is None else shown
            if at is None:
                yield _candidate(action=name, treatment=said, status=status, drops=drops)
            else:
                yield self._ranked(at, name, said, status, drops)

    def _ranked(
        self, at: int, name: str, said: str, status: Status, drops: tuple[Drop, ...]
    ) -> Candidate:
        _, _, _, context_weight, value, lever, levers, _ = self.rows[at]
        return _candidate(
            action=name,
            treatment=said,
            status=status,
            drops=drops,
            propensity=self.final[at],
            context_weight=context_weight,
            value=value,
            lever=lever,
            priority=self.priorities[at],
            model=self.models[at],
            smoothed=self.smoothed[at],
            levers=levers,
        )

    def counts(self) -> Counts:
        """How many each rule dropped, by stage."""
        stopped = zip(self.plan.display.places, self.drops, strict=True)
        return counts(
            (drop.stage.value, drop.rule)
            for place, drop in stopped
            if drop is not None and place.action.name not in self.chosen
        )


_candidate = maker(Candidate)


def counts(stopped: Iterable[tuple[str, str]]) -> Counts:
    """How often each rule is among stages and rules, by stage."""
    found: Counts = {}
    for stage, rule in stopped:
        rules = found.setdefault(stage, {})
        rules[rule] = rules.get(rule, 0) + 1
    return found
