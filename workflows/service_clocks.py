"""The service clocks of a case: what a journey keeps of its promises, and when it has to act."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from engine.business_hours import BusinessHours
from engine.service_clocks import (
    Due,
    Reading,
    ServiceClock,
    heard,
    next_due,
    reading,
    start,
    taken,
)
from engine.service_runs import Mark
from engine.service_terms import Promise, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What a clock asks for next: warn, own up to a breach, or go to a level, for this promise."""

    promise: Promise
    due: Due

    @property
    def at(self) -> datetime:
        """When it is due."""
        return self.due.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The promises that hold for a case, at most one for each target: part of a journey's state."""

    each: tuple[ServiceClock, ...] = ()

    def heard(self, *marks: Mark) -> Clocks:
        """With what has happened, in whatever order it is told: deadlines move."""
        return Clocks(each=tuple(heard(clock, *marks) for clock in self.each))

    def next_tick(self, now: datetime) -> Tick | None:
        """What is to be done next, now or later; None while nothing is owed."""
        dues = ((clock, next_due(clock, now)) for clock in self.each)
        ticks = [Tick(promise=clock.promise, due=due) for clock, due in dues if due is not None]
        return min(ticks, key=lambda tick: tick.at, default=None)

    def taken(self, tick: Tick) -> Clocks:
        """With this step taken: it does not come again."""
        each = (
            taken(clock, tick.due) if clock.promise == tick.promise else clock
            for clock in self.each
        )
        return replace(self, each=tuple(each))

    def reading(self, target: Target, now: datetime) -> Reading | None:
        """State and deadline of one of the promises; None if nothing of that kind is promised."""
        found = (reading(one, now) for one in self.each if one.promise.target is target)
        return next(found, None)

    def is_last(self, tick: Tick, now: datetime) -> bool:
        """Whether this clock asks for nothing more once this step is taken."""
        clocks = (one for one in self.taken(tick).each if one.promise == tick.promise)
        return all(next_due(clock, now) is None for clock in clocks)


def begun(
    promises: Iterable[Promise], hours: Callable[[str], BusinessHours], at: datetime
) -> Clocks:
    """The clocks of a case that begins at `at`: for each target the first of these promises."""
    chosen: dict[Target, Promise] = {}
    for one in promises:
        chosen.setdefault(one.target, one)
    ordered = (chosen[target] for target in Target if target in chosen)
    return Clocks(each=tuple(start(one, hours(one.hours), at) for one in ordered))
