"""Three-valued logic and arithmetic over a lookup: None is unknown, and nothing ever raises."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from engine.types import Scalar

Lookup = Callable[[str], object]
"""From a dotted name to its value; None is unknown, and so is whatever is not a finite Scalar."""
Evaluate = Callable[[Lookup], Scalar]
Test = Callable[[Scalar, Scalar], bool | None]
"""A comparison of two values, three-valued."""
Number = int | float
_EXACT, _NUMBERS = frozenset((str, bool)), frozenset((int, float))
_FAR = 1e300
"""Numbers that are nearer to zero are finite and fit a float: no need to look closer."""


def constant(value: Scalar) -> Evaluate:
    """Always `value`."""
    return lambda _lookup: value


def read(name: str) -> Evaluate:
    """The value under `name`, unknown if it is absent, not finite, or no Scalar at all."""

    def evaluate(lookup: Lookup) -> Scalar:
        value: Any = lookup(name)
        kind = value.__class__
        if value is None or kind in _EXACT or (kind in _NUMBERS and -_FAR < value < _FAR):
            return value
        return scalar(value)

    return evaluate


def known(name: str) -> Evaluate:
    """Whether `name` has a value."""
    value = read(name)
    return lambda lookup: value(lookup) is not None


def all_of(parts: Sequence[Evaluate]) -> Evaluate:
    """Kleene's and: false if any part is false, else unknown if any is not true."""

    def evaluate(lookup: Lookup) -> Scalar:
        result: bool | None = True
        for part in parts:
            value = part(lookup)
            if value is False:
                return False
            if value is not True:
                result = None
        return result

    return evaluate


def any_of(parts: Sequence[Evaluate]) -> Evaluate:
    """Kleene's or: true if any part is true, else unknown if any is not false."""

    def evaluate(lookup: Lookup) -> Scalar:
        result: bool | None = False
        for part in parts:
            value = part(lookup)
            if value is True:
                return True
            if value is not False:
                result = None
        return result

    return evaluate


def negation(part: Evaluate) -> Evaluate:
    """Kleene's not: unknown stays unknown."""

    def evaluate(lookup: Lookup) -> Scalar:
        value = part(lookup)
        return not value if value.__class__ is bool else None

    return evaluate


def comparison(test: Callable[[Scalar, Scalar], bool], left: Evaluate, right: Evaluate) -> Evaluate:
    """`test(left, right)`; unknown if either is, or if a text meets a number."""

    def evaluate(lookup: Lookup) -> Scalar:
        first = left(lookup)
        if first is None:
            return None
        second = right(lookup)
        if second is None or (first.__class__ is str) is not (second.__class__ is str):
            return None
        return test(first, second)

    return evaluate


def comparison_with(
    test: Callable[[Scalar, Scalar], bool], name: str, value: str | Number
) -> Evaluate:
    """The usual rule, `name == "value"`, in one step: the same as `comparison` with a constant."""
    text = isinstance(value, str)

    def evaluate(lookup: Lookup) -> Scalar:
        found: Any = lookup(name)
        if found is None:
            return None
        kind = found.__class__
        if kind not in _EXACT and not (kind in _NUMBERS and -_FAR < found < _FAR):
            found = scalar(found)
            if found is None:
                return None
            kind = found.__class__
        return test(found, value) if (kind is str) is text else None

    return evaluate


def membership(part: Evaluate, choices: tuple[Scalar, ...], *, inside: bool = True) -> Evaluate:
    """Whether the value is one of `choices`: the same as `x == a or x == b ...`; or is none."""
    test = one_of(choices, inside=inside)
    return lambda lookup: test(part(lookup), None)


def chain(parts: Sequence[Evaluate], tests: Sequence[Test]) -> Evaluate:
    """Each part tested with the next, as in `1 < x <= 3`; false as soon as one test is.

    Each part is evaluated at most once: what is nested would else take exponential time.
    """
    first, rest = parts[0], tuple(zip(tests, parts[1:], strict=True))

    def evaluate(lookup: Lookup) -> Scalar:
        result: bool | None = True
        left = first(lookup)
        for test, part in rest:
            right = part(lookup)
            holds = test(left, right)
            if holds is False:
                return False
            if holds is None:
                result = None
            left = right
        return result

    return evaluate


def compared(test: Callable[[Scalar, Scalar], bool]) -> Test:
    """`test`, made three-valued: unknown if a side is, or if a text meets a number."""

    def apply(left: Scalar, right: Scalar) -> bool | None:
        if left is None or right is None:
            return None
        return test(left, right) if (left.__class__ is str) is (right.__class__ is str) else None

    return apply


def one_of(choices: tuple[Scalar, ...], *, inside: bool = True) -> Test:
    """Whether the left side is one of `choices`, or is none of them if not `inside`.

    Unknown if it is not among them and one of them is of another sort.
    """
    texts = frozenset(choice for choice in choices if isinstance(choice, str))
    numbers = frozenset(choice for choice in choices if not isinstance(choice, str))

    def apply(left: Scalar, _right: Scalar) -> bool | None:
        if left is None:
            return None
        same, other = (texts, numbers) if left.__class__ is str else (numbers, texts)
        if left in same:
            return inside
        return None if other else not inside

    return apply


def calculation(combine: Callable[..., Number], parts: Sequence[Evaluate]) -> Evaluate:
    """`combine` over all parts; unknown if one is unknown or a text, or without a finite result."""

    def evaluate(lookup: Lookup) -> Scalar:
        values: list[Number] = []
        for part in parts:
            value = part(lookup)
            if value is None or isinstance(value, str):
                return None
            values.append(value)
        try:
            return scalar(combine(*values))
        except ArithmeticError:
            return None

    return evaluate


def choice(condition: Evaluate, then: Evaluate, otherwise: Evaluate) -> Evaluate:
    """`then` or `otherwise`; unknown if the condition is."""

    def evaluate(lookup: Lookup) -> Scalar:
        holds = condition(lookup)
        if holds is True:
            return then(lookup)
        return otherwise(lookup) if holds is False else None

    return evaluate


def only_conditions(part: Evaluate) -> Evaluate:
    """The value if it is true or false, else unknown."""

    def evaluate(lookup: Lookup) -> Scalar:
        value = part(lookup)
        return value if value.__class__ is bool else None

    return evaluate


def only_numbers(part: Evaluate) -> Evaluate:
    """The value if it is a number (true counts 1, false 0), else unknown."""

    def evaluate(lookup: Lookup) -> Scalar:
        value = part(lookup)
        if value is None or value.__class__ is str:
            return None
        return int(value) if value.__class__ is bool else value

    return evaluate


def number(value: object) -> Number | None:
    """`value` if it is a finite number; a truth or a text is none."""
    found = scalar(value)
    return None if isinstance(found, bool | str) else found


def scalar(value: Any) -> Scalar:
    """`value` as an exact str, or as a finite number that fits a float; else unknown."""
    if value.__class__ is float:
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return str(value)
    if not isinstance(value, int | float):
        return None
    try:
        finite = math.isfinite(value)
    except OverflowError:
        return None
    return value if finite else None
