"""The rules, floors, context weights and values of many actions as one generated function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from engine.catalog import Bundle, MarginFloor
from engine.eligibility import Hurdle
from engine.exclusions import floor_drops, may_miss_floors
from engine.inline import Lines
from engine.logic import Lookup, number
from engine.rules import Expression
from engine.shelf import Place
from engine.types import Drop

Sifted = tuple[list[Drop | None], tuple[bool, ...], tuple[float | None, ...]]
"""What stops each place, whether each context weight holds, and the values that depend on the
customer.
"""
Sift = Callable[[Lookup, Callable[[str, object], object]], Sifted]
"""Given two ways to look names up: as always, and without working anything out, with something else
in place of what is not there.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """`sift` answers in the order of the places; `valued` are those whose values it gives, and
    `drops` all that it stops places with.
    """

    sift: Sift
    valued: tuple[int, ...]
    drops: tuple[Drop, ...]


def sieve(bundle: Bundle, places: Sequence[Place]) -> Sieve:
    """One function for all of these places: each rule is asked once, however many inherit it."""
    writer = _Writer(bundle)
    found = ", ".join(writer.stopped(place) for place in places)
    weights = "".join(f"{writer.said(w.condition)} is True, " for w in bundle.context_weights)
    valued = tuple(at for at, place in enumerate(places) if place.action.value.names)
    values = "".join(f"{writer.value(places[at].action.value)}, " for at in valued)
    sift = writer.lines.function("sift", f"[{found}], ({weights}), ({values})")
    return Sieve(sift=sift, valued=valued, drops=writer.drops)


def rules(place: Place) -> Sequence[Hurdle]:
    """The rules that an action has to pass."""
    return place.hurdles


def floors(place: Place, bundle: Bundle) -> Sequence[MarginFloor]:
    """The margin floors that an action may miss."""
    margin = place.action.margin
    if margin is None or not may_miss_floors(place.action, bundle.margin_floors):
        return ()
    fixed = None if margin.names else number(margin(lambda _: None))
    return tuple(one for one in bundle.margin_floors if fixed is None or fixed < one.floor)


class _Writer:
    def __init__(self, bundle: Bundle) -> None:
        self.lines = Lines(bundle.segments, bundle.values)
        self._bundle = bundle
        self._numbers = count()

    def stopped(self, place: Place) -> str:
        """What stops a place, asked in order: a chain of `drop if ... else`, None at its end."""
        steps = [self._step(place, at) for at in range(len(rules(place)))]
        steps += [self._floor(place, floor) for floor in floors(place, self._bundle)]
        return " ".join([*steps, "None"])

    def said(self, expression: Expression) -> str:
        """What an expression gives; asked at the very spot if it asks something of the past."""
        if self.lines.cheap(expression):
            return self.lines.expression(expression)
        return f"{self.lines.constant(expression.evaluate)}(get)"

    def value(self, expression: Expression) -> str:
        """A number for sure, or None."""
        said = self._kept(expression)
        return f"None if {said}.__class__ in _exact or {said} is None else float({said})"

    @property
    def drops(self) -> tuple[Drop, ...]:
        """All that stops anything."""
        return tuple(one for one in self.lines.constants.values() if isinstance(one, Drop))

    def _step(self, place: Place, at: int) -> str:
        rule, one = place.action.rules[at], rules(place)[at]
        failed, unknown = self.lines.constant(one.failed), self.lines.constant(one.unknown)
        asked = said = self.said(rule.condition)
        if not self.lines.cheap(rule.condition):
            asked = f"_w{next(self._numbers)}"
            said = f"({asked} := {said})"
        if one.unknown_passes:
            return f"{failed} if {said} is not True and {asked} is not None else"
        return f"({unknown} if {asked} is None else {failed}) if {said} is not True else"

    def _floor(self, place: Place, floor: MarginFloor) -> str:
        margin, applies = place.action.margin, self._kept(floor.condition)
        found = self._kept(margin) if margin is not None else "None"
        margin_is = self.lines.keep(f"None if {found}.__class__ in _exact else {found}")
        failed, unknown = (self.lines.constant(drop) for drop in floor_drops(floor))
        reached = f"({margin_is} is not None and {margin_is} >= {floor.floor!r})"
        why = f"({unknown} if {applies} is None or {margin_is} is None else {failed})"
        return f"{why} if {applies} is not False and not {reached} else"

    def _kept(self, expression: Expression) -> str:
        return self.lines.keep(self.said(expression))
