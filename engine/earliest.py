"""The earliest time at which an action becomes possible, everything else unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain

from engine import quiet
from engine.catalog import Rule
from engine.changing import all_names, changes
from engine.eligibility import failed
from engine.expressions import SEGMENT, VALUE
from engine.names import ROOTS
from engine.reasons import moment, reason
from engine.remedies import MARGIN, NEEDS, rules_of
from engine.rules import Expression
from engine.shelf import shelf
from engine.supposing import Outcome, World
from engine.types import Drop, Stage
from engine.windows import zones

HORIZON = timedelta(days=800)
"""Nothing is looked for beyond it: no window is longer than 400 days."""
MOST_STEPS = 120
MOST_BOUNDARIES = 1_000
MILLISECOND = timedelta(milliseconds=1)


class When(StrEnum):
    """`never`: no waiting helps; `unknown`: it depends on what nobody can foresee."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earliest:
    """The answer: `at` for `now` and `later`; `because` says what has to end, or what stays."""

    when: When
    at: datetime | None
    because: tuple[str, ...] = ()


def earliest(world: World, action: str) -> Earliest:
    """When an action is first possible: offered, or outranked at most.

    Contacts leave their windows and features grow old on the way. Every step goes to the first
    moment at which all obstacles of the step before can be over; a millisecond before the answer
    the action was still stopped.
    """
    outcome, now = world.of(action), world.request.now
    if outcome.candidate is None:
        because = (f"{action} is not considered for such a question",)
        return Earliest(when=When.NEVER, at=None, because=because)
    if outcome.possible:
        return Earliest(when=When.NOW, at=now)
    search = _Search(world, action)
    at, ended = now, outcome
    for _ in range(MOST_STEPS):
        nexts = [search.next_end(drop, at) for drop in ended.drops]
        ends = [one for one in nexts if one is not None]
        if len(ends) < len(nexts):
            stuck = [d for d, one in zip(ended.drops, nexts, strict=True) if one is None]
            return _no_end(search, stuck, at)
        before, at = at, max(ends)
        if at - now > HORIZON:
            break
        found = search.at(at)
        if found.possible:
            return _later(search.exactly(before, at), ended)
        ended = found
    because = tuple(f"{reason(drop)} ({drop.rule})" for drop in ended.drops)
    return Earliest(when=When.UNKNOWN, at=None, because=(*because, "no end was found in 800 days"))


def _later(at: datetime, ended: Outcome) -> Earliest:
    because = tuple(f"until then {reason(drop)} ({drop.rule})" for drop in ended.drops)
    return Earliest(when=When.LATER, at=at.astimezone(UTC), because=because)


def _no_end(search: _Search, stuck: Sequence[Drop], at: datetime) -> Earliest:
    never = all(search.lasts_for_ever(drop) for drop in stuck)
    then = "" if at == search.world.request.now else f"by {moment(at)}, when all else is over: "
    because = tuple(then + search.needs(drop) for drop in stuck)
    return Earliest(when=When.NEVER if never else When.UNKNOWN, at=None, because=because)


class _Search:
    """The times at which the obstacles of one action can end."""

    def __init__(self, world: World, action: str) -> None:
        self.world = world
        self.action = action

    def at(self, now: datetime) -> Outcome:
        """What becomes of the action at another time."""
        return self.world.at(now).of(self.action)

    def exactly(self, stopped: datetime, possible: datetime) -> datetime:
        """The first moment found at which it is possible, a millisecond after it was not.

        Usually that is `possible` itself: what ends tells its end.
        """
        if not self.at(possible - MILLISECOND).possible:
            return possible
        while possible - stopped > MILLISECOND:
            middle = stopped + (possible - stopped) / 2
            if self.at(middle).possible:
                possible = middle
            else:
                stopped = middle
        return possible

    def next_end(self, drop: Drop, at: datetime) -> datetime | None:
        """The first moment after `at` at which a drop can be over; None if there is none."""
        until = self._quiet_until(at) if drop.stage is Stage.QUIET_HOURS else drop.until
        if until is not None:
            return max(until, at + MILLISECOND)
        rules = [one for one in rules_of(self.world, self.action, drop) if one.name == drop.rule]
        last = self.world.request.now + HORIZON
        for _ in range(MOST_BOUNDARIES):
            found = self._boundary(drop, at)
            if found is None or found > last:
                return None
            if not rules or self._some_pass(rules, found):
                return found
            at = found
        return None

    def _quiet_until(self, at: datetime) -> datetime | None:
        """When no quiet hours stop it: those that only let a message wait come on top of that."""
        world = self.world.at(at)
        place = shelf(world.bundle, world.request.channel)[self.action]
        stopping = [one for one in place.quiet_hours if not one.waits]
        return quiet.next_open(stopping, at, zones(world.bundle, world.lookup()))

    def _some_pass(self, rules: Sequence[Rule], at: datetime) -> bool:
        """Whether a rule that has stopped the action would not at another time."""
        lookup = self.world.at(at).lookup()
        return any(failed(rule, rule.stage, lookup) is None for rule in rules)

    def _boundary(self, drop: Drop, at: datetime) -> datetime | None:
        """The next moment at which what a drop depends on can change by itself."""
        names = self._names(drop)
        if drop.stage in (Stage.PROPENSITY, Stage.ARBITRATION, Stage.LEVEL):
            names = names | set(self.world.snapshot.feature_times)
        ends = chain.from_iterable(changes(name, self.world, at) for name in names)
        return min((one for one in ends if one > at), default=None)

    def _names(self, drop: Drop) -> frozenset[str]:
        found = {drop.rule.removeprefix(NEEDS)} if drop.rule.startswith(NEEDS) else set[str]()
        for expression in self._expressions(drop):
            found |= expression.names
        return all_names(found, self.world)

    def _expressions(self, drop: Drop) -> Iterator[Expression]:
        if not drop.rule.startswith(MARGIN):
            rules = rules_of(self.world, self.action, drop)
            yield from (one.condition for one in rules if one.name == drop.rule)
            return
        margin = self.world.bundle.actions[self.action].margin
        yield from () if margin is None else (margin,)
        yield from (one.condition for one in self.world.bundle.margin_floors)

    # -- what has no end

    def lasts_for_ever(self, drop: Drop) -> bool:
        """Whether nothing but a change of what is known or decided can end it."""
        if drop.stage in (Stage.AVAILABILITY, Stage.CHANNEL, Stage.CONSENT):
            return True
        if drop.rule == "only_as_member":
            return True
        roots = {name.partition(".")[0] for name in self._names(drop)}
        return bool(roots) and not (roots & ROOTS.keys()) - {SEGMENT, VALUE}

    def needs(self, drop: Drop) -> str:
        """What a drop without an end depends on."""
        depends = sorted(self._names(drop))
        if drop.stage is Stage.HOLD:
            return f"the hold {drop.rule.partition(':')[2]} has no end so far: {drop.detail}"
        if drop.stage is Stage.CONSENT:
            return f"{drop.detail}: only the customer can change that"
        if depends:
            shown = ", ".join(depends[:4]) + (", …" if len(depends) > 4 else "")
            return f"{reason(drop)} ({drop.rule}): it depends on {shown}"
        return f"{reason(drop)} ({drop.rule})"
