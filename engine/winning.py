"""The smallest change that would let an action win: one thing, else two, else all that stops it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from engine.remedies import remedies
from engine.rules import compile_expression
from engine.settings import Change, Remedy
from engine.supposing import Outcome, World
from engine.types import Stage

MOST_WORLDS = 150
"""How many changed worlds are looked at for one answer."""
MOST_ALTERNATIVES = 5
_MOST_TOGETHER = 8
_MOST_PERCENT = 100_000.0
_MOST_VALUE = 1e9
_MOST_STEPS = 64
_BOOSTED = (Stage.PROPENSITY, Stage.ARBITRATION, Stage.PLACEMENT)
_KINDS = (
    *("context", "feature", "consent", "hold", "session", "quiet_hours", "journey", "score"),
    *("lever", "value", "propensity", "limit", "policy", "volume", "placement", "threshold"),
    *("maturity", "level", "dates", "rule", "margin", "exclusion"),
)
Changes = tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wins:
    """Ways after each of which alone it would be offered, the smallest first; maybe none."""

    ways: tuple[Remedy, ...]

    @property
    def smallest(self) -> Changes | None:
        """The changes of the smallest way: empty if none is needed, None if none was found."""
        return self.ways[0].changes if self.ways else None

    @property
    def alternatives(self) -> tuple[Changes, ...]:
        """Those of the others."""
        return tuple(way.changes for way in self.ways[1:])


def ways_to_win(world: World, action: str, outcome: Outcome) -> Wins:
    """What would have to change; every way is checked by deciding again with it."""
    if outcome.wins:
        return Wins(ways=(Remedy((), world),))
    search = _Search(action)
    found = search.single(world, outcome) or search.pairs(world, outcome)
    if not found and (together := search.together(world, outcome)) is not None:
        found = [together]
    different: dict[frozenset[str], Remedy] = {}
    for one in found:  # the same changes in another order are the same way
        different.setdefault(frozenset(change.words for change in one.changes), one)
    return Wins(ways=tuple(sorted(different.values(), key=_size)[: 1 + MOST_ALTERNATIVES]))


def _size(way: Remedy) -> tuple[int, int]:
    kinds = (_KINDS.index(one.kind) for one in way.changes)
    return (len(way.changes), sum(kinds))


class _Search:
    """Tries remedies for one action, within bounds."""

    def __init__(self, action: str) -> None:
        self.action = action
        self._left = MOST_WORLDS
        self._tried: list[tuple[Remedy, Outcome]] = []

    def _look(self, world: World) -> Outcome:
        self._left -= 1
        return world.of(self.action)

    def single(self, world: World, outcome: Outcome) -> list[Remedy]:
        """All single remedies after which it wins."""
        found: list[Remedy] = []
        for remedy in self._options(world, outcome):
            if self._left <= 0:
                break
            after = self._look(remedy.world)
            self._tried.append((remedy, after))
            if after.wins:
                found.append(remedy)
        return found

    def pairs(self, world: World, outcome: Outcome) -> list[Remedy]:
        """Remedies that help, each with another one on top, until some win."""
        found: list[Remedy] = []
        for first, after in [one for one in self._tried if _helps(outcome, one[1])]:
            for second in self._options(first.world, after):
                if self._left <= 0:
                    return found
                if self._look(second.world).wins:
                    found.append(_after(first, second))
        return found

    def together(self, world: World, outcome: Outcome) -> Remedy | None:
        """Remedy upon remedy until it wins; None where something can't be remedied."""
        way = Remedy((), world)
        for _ in range(_MOST_TOGETHER):
            step = self._best(way.world, outcome)
            if step is None:
                return None
            remedy, outcome = step
            way = _after(way, remedy)
            if outcome.wins:
                return way
        return None

    def _best(self, world: World, outcome: Outcome) -> tuple[Remedy, Outcome] | None:
        for remedy in self._options(world, outcome):
            after = remedy.world.of(self.action)
            if after.wins or _helps(outcome, after):
                return remedy, after
        return None

    def _options(self, world: World, outcome: Outcome) -> Iterator[Remedy]:
        for drop in outcome.drops:
            yield from remedies(world, self.action, drop)
        if outcome.candidate is not None and (
            outcome.possible or any(drop.stage in _BOOSTED for drop in outcome.drops)
        ):
            yield from self._boosts(world, outcome)

    # -- worth more

    def _boosts(self, world: World, outcome: Outcome) -> Iterator[Remedy]:
        """A lever, a value, a propensity that is just high enough."""
        for boost in (_lever, _value, _propensity):
            remedy = boost(world, self.action, outcome)
            if remedy is not None:
                yield remedy


def _after(first: Remedy, second: Remedy) -> Remedy:
    return Remedy((*first.changes, *second.changes), second.world)


def _helps(before: Outcome, after: Outcome) -> bool:
    """Whether less stops it than before, or something that comes later in the funnel."""
    if after.candidate is None or before.possible:
        return False
    if after.possible or len(after.drops) < len(before.drops):
        return True
    rules = {drop.rule for drop in after.drops}
    return any(drop.rule not in rules for drop in before.drops)


def _needed(outcome: Outcome) -> float | None:
    """By which factor its priority would have to grow to come before the weakest offer."""
    offers = outcome.decision.offers
    if not offers or not outcome.priority:
        return None
    return min(offer.priority for offer in offers) / outcome.priority


def _lever(world: World, action: str, outcome: Outcome) -> Remedy | None:
    now = world.bundle.actions[action].lever
    factor, needed = outcome.candidate and outcome.candidate.lever, _needed(outcome)

    def raised(percent: float) -> World:
        return world.with_action(action, lever=round(now + percent, 1))

    guess = 100 * factor * (needed - 1) if factor and needed else None
    percent = _least(lambda more: raised(more).of(action).wins, _MOST_PERCENT, 1, guess)
    if percent is None:
        return None
    after = round(now + percent, 1)
    words = f"the lever of {action} is {after:g} % instead of {now:g} %"
    change = Change(kind="lever", target=action, before=now, after=after, words=words)
    return Remedy((change,), raised(percent))


def _value(world: World, action: str, outcome: Outcome) -> Remedy | None:
    now, needed = outcome.candidate and outcome.candidate.value, _needed(outcome)

    def worth(value: float) -> World:
        return world.with_action(action, value=compile_expression(f"{value:.2f}"))

    guess = now * needed if now and needed else None
    value = _least(lambda at: worth(at).of(action).wins, _MOST_VALUE, 2, guess)
    if value is None or (now is not None and value <= now):
        return None
    before = "not known" if now is None else f"{now:g}"
    words = f"the value of {action} is {value:g} {world.bundle.currency} instead of {before}"
    change = Change(kind="value", target=action, before=now, after=value, words=words)
    return Remedy((change,), worth(value))


def _propensity(world: World, action: str, outcome: Outcome) -> Remedy | None:
    now, needed = outcome.candidate and outcome.candidate.propensity, _needed(outcome)

    def likely(chance: float) -> World:
        return replace(world, chances={**world.chances, action: chance})

    guess = min(1.0, now * needed) if now and needed else None
    chance = _least(lambda at: likely(at).of(action).wins, 1.0, 4, guess)
    if chance is None or (now is not None and chance <= now):
        return None
    before = "not known" if now is None else f"{now:g}"
    words = f"the propensity of {action} is {chance:g} instead of {before}"
    change = Change(kind="propensity", target=action, before=now, after=chance, words=words)
    return Remedy((change,), likely(chance))


def _least(
    wins: Callable[[float], bool], most: float, decimals: int, guess: float | None
) -> float | None:
    """The least number of so many decimals that wins, by bisection; None where `most` does not.

    A good guess saves most of the steps.
    """
    unit = 10**-decimals
    low, high = 0.0, most
    near = round((guess or 0.0) * 1.001 + unit, decimals)
    if guess is not None and 0 < near < most and wins(near):
        high = near
        below = round(guess * 0.999 - unit, decimals)
        if below > 0 and not wins(below):
            low = below
    elif not wins(most):
        return None
    for _ in range(_MOST_STEPS):
        # by size as long as that is far, then by distance: what is needed is mostly small
        far = high > 4 * max(low, unit)
        middle = round(math.sqrt(max(low, unit) * high) if far else (low + high) / 2, decimals)
        if high - low <= unit or middle in (low, high):
            break
        low, high = (low, middle) if wins(middle) else (middle, high)
    return round(high, decimals)
