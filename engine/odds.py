"""How likely one of several uncertain priorities is the highest: the odds of a choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 1e-6
"""What was chosen was possible: no odds are below this."""
_NORMAL_TAIL, _SKEWED_TAIL = 3.54, 4.0
"""All but 2 in 10,000 draws are within so many deviations above the mean, if they are normal; the
second, over the root of the shape, is added because they are not."""
_CELL_DEVIATIONS = 1.0
_FINEST = 1 / 1024
_NEGLIGIBLE = 1e-4
_TOUCHING = 1 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A priority that is drawn: `worth` times a draw from Beta(mean n, (1 - mean) n).

    `strength` is n, at least 1 / min(mean, 1 - mean), so that no Beta has its mass at its ends; 0:
    nothing is drawn, the priority is `worth * mean`.
    """

    mean: float
    strength: float
    worth: float

    @property
    def fixed(self) -> bool:
        """Whether nothing is drawn."""
        return self.strength <= 0 or self.worth <= 0 or not 0 < self.mean < 1


def of_first(chosen: int, contenders: Sequence[Contender]) -> float:
    """The probability that this one is higher than all others; of equal ones the first is.

    The integral of its density times the distributions of the others, good to 0.001 as a rule and
    to 0.01 at worst. Whoever can't come as high as another surely does is left out.

    >>> even = Contender(mean=0.5, strength=2, worth=10)
    >>> [round(of_first(0, [even] * n), 3) for n in (1, 2, 5)]
    [1.0, 0.5, 0.2]
    """
    if len(contenders) == 1:
        return 1.0
    ranges = [_range(one) for one in contenders]
    floor = max(low for low, _ in ranges)
    mine = contenders[chosen]
    if mine.fixed and (mine.mean * mine.worth < floor or _is_late(chosen, contenders)):
        return LEAST
    curves = {
        at: _Curve(one, high)
        for at, (one, (_, high)) in enumerate(zip(contenders, ranges, strict=True))
        if high > floor
    }
    if chosen not in curves and not mine.fixed:
        return LEAST
    if not curves.keys() - {chosen} and ranges[chosen][0] == floor:
        return 1.0
    found = _share(curves.get(chosen), tuple(curves.values()), floor)
    return min(1.0, max(LEAST, found))


def _is_late(chosen: int, contenders: Sequence[Contender]) -> bool:
    """Whether another fixed priority, named before, is as high as this one."""
    value = contenders[chosen].mean * contenders[chosen].worth
    return any(one.fixed and one.mean * one.worth == value for one in contenders[:chosen])


def _range(one: Contender) -> tuple[float, float]:
    """Where practically all its draws are; its value twice where nothing is drawn."""
    mean, strength, worth = one.mean, one.strength, one.worth
    if one.fixed:
        return mean * worth, mean * worth
    deviation = math.sqrt(mean * (1 - mean) / (strength + 1))
    down = _NORMAL_TAIL + _SKEWED_TAIL / math.sqrt((1 - mean) * strength)
    up = _NORMAL_TAIL + _SKEWED_TAIL / math.sqrt(mean * strength)
    return max(0.0, mean - down * deviation) * worth, min(1.0, mean + up * deviation) * worth


class _Curve:
    """The density of a draw, and the highest that is likely."""

    __slots__ = ("cell", "edge", "height", "high", "terms")

    def __init__(self, one: Contender, high: float) -> None:
        mean, strength, worth = one.mean, one.strength, one.worth
        more, less = mean * strength, (1 - mean) * strength
        ends = high >= worth
        scale = math.lgamma(more) + math.lgamma(less) - math.lgamma(strength) + math.log(worth)
        self.terms = (more - 1, less - 1, 1 / worth, scale)
        self.high = high
        self.cell = _CELL_DEVIATIONS * math.sqrt(mean * (1 - mean) / (strength + 1)) * worth
        self.height = math.exp(-scale) if ends and less <= 1 else 0.0
        self.edge = ends and less < 3
        """Whether it falls steeply at its very end, or is cut off there: cells must be narrow."""

    def width(self, x: float) -> float:
        """How wide a cell may be below x."""
        if not self.edge:
            return self.cell
        return max(self.cell * _FINEST, min(self.cell, self.high - x))


@dataclass(frozen=True, slots=True)
class _Slice:
    """The densities at one x, and the probabilities of draws below it."""

    heights: list[float]
    below: list[float]

    def first(self, mine: int) -> float:
        """The density of coming there and of all others being below."""
        others = math.prod(self.below[:mine]) * math.prod(self.below[mine + 1 :])
        return self.heights[mine] * others


def _share(mine: _Curve | None, curves: Sequence[_Curve], floor: float) -> float:
    """The share of all draws in which `mine` is highest, or, without it, none is above the floor.

    By Simpson's rule from the highest likely draw down, in cells narrow enough for the narrowest
    density there, to where practically none of them all is below.
    """
    waiting = sorted(curves, key=lambda curve: curve.high)
    right, here, found = waiting[-1].high, list[_Curve](), 0.0
    upper = _Slice([], [])
    floor = max(floor, right * (1 - _TOUCHING))
    while right > floor and math.prod(upper.below) > _NEGLIGIBLE:
        while waiting and waiting[-1].high >= right * _TOUCHING:
            here.append(waiting.pop())
            upper.heights.append(here[-1].height)
            upper.below.append(1.0)
        width = min([curve.width(right) for curve in here])
        left = max(right - width, waiting[-1].high if waiting else 0.0, floor)
        middle, lower = _down(here, left, right, upper)
        if mine in here:
            at = here.index(mine)
            ends = upper.first(at) + lower.first(at)
            found += (right - left) / 6 * (ends + 4 * middle.first(at))
        right, upper = left, lower
    return math.prod(upper.below) if mine is None else found


def _down(
    curves: Sequence[_Curve], left: float, right: float, upper: _Slice
) -> tuple[_Slice, _Slice]:
    """The middle and the lower end of a cell, from its upper end."""
    half, whole = (right - left) / 24, (right - left) / 6
    middle, lower = _heights(curves, (left + right) / 2), _heights(curves, left)
    rows = list(zip(upper.below, upper.heights, middle, lower, strict=True))
    return (
        _Slice(middle, [below - half * (5 * r + 8 * m - low) for below, r, m, low in rows]),
        _Slice(lower, [below - whole * (r + 4 * m + low) for below, r, m, low in rows]),
    )


def _heights(curves: Sequence[_Curve], x: float) -> list[float]:
    log, exp = math.log, math.exp
    terms = [curve.terms for curve in curves]
    return [exp(a * log(x * v) + b * log(1 - x * v) - scale) for a, b, v, scale in terms]
