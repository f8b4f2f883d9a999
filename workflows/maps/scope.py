"""What the names in a journey's code stand for: constants as values, the rest as words."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final

UNKNOWN: Final = object()
_PLAIN = (str, tuple, timedelta, int, float)
_NUMBERS = (int, float, timedelta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One function of a journey: its module, its class, and what its names are bound to."""

    module: Mapping[str, Any]
    journey: type
    me: str = "self"
    properties: Mapping[str, ast.expr] = field(default_factory=dict[str, ast.expr])
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    words: dict[str, str] = field(default_factory=dict[str, str])

    def forget(self, name: str) -> None:
        """A name that means something new from here on."""
        self.values.pop(name, None)
        self.words.pop(name, None)

    def told_by_property(self, name: str, words: Callable[[ast.expr, Scope], str]) -> str | None:
        """A property of the journey that only puts a text together, in words."""
        body = self.properties.get(name)
        return words(body, self) if isinstance(body, ast.JoinedStr | ast.Constant) else None

    def is_me(self, node: ast.expr) -> bool:
        """Whether this is the journey itself."""
        return isinstance(node, ast.Name) and node.id == self.me

    def value(self, node: ast.expr | None) -> Any:
        """The value of an expression that does not change, else UNKNOWN."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Tuple | ast.List):
            return self._row(node)
        if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Subscript | ast.Call | ast.JoinedStr):
            return self._computed(node)
        return UNKNOWN

    def _named(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        return UNKNOWN if name in self.words else self.module.get(name, UNKNOWN)

    def _attribute(self, node: ast.Attribute) -> Any:
        if self.is_me(node.value):
            found: Any = getattr(self.journey, node.attr, UNKNOWN)
            return found if type(found) in _PLAIN else UNKNOWN
        owner = self.value(node.value)
        return UNKNOWN if owner is UNKNOWN else getattr(owner, node.attr, UNKNOWN)

    def _row(self, node: ast.Tuple | ast.List) -> Any:
        found: list[Any] = []
        for each in node.elts:
            value = self.value(each.value if isinstance(each, ast.Starred) else each)
            if value is UNKNOWN:
                return UNKNOWN
            found.extend(value if isinstance(each, ast.Starred) else (value,))
        return tuple(found)

    def _computed(self, node: ast.expr) -> Any:
        parts = [self.value(part) for part in _operands(node)]
        if any(part is UNKNOWN for part in parts):
            return UNKNOWN
        if isinstance(node, ast.Call):
            return timedelta(**self._keywords(node)) if parts == [timedelta] else UNKNOWN
        if isinstance(node, ast.JoinedStr):
            return "".join(str(part) for part in parts)
        if isinstance(node, ast.Subscript):
            return _indexed(parts[0], parts[1])
        return _calculated(node, parts)

    def _keywords(self, node: ast.Call) -> dict[str, Any]:
        return {word.arg: self.value(word.value) for word in node.keywords if word.arg}


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.Subscript):
        return [node.value, node.slice]
    if isinstance(node, ast.Call):
        return [node.func, *node.args]
    if isinstance(node, ast.JoinedStr):
        return [one.value if isinstance(one, ast.FormattedValue) else one for one in node.values]
    return []


def _indexed(row: Any, index: Any) -> Any:
    if isinstance(row, tuple | list | Mapping):
        try:
            return row[index]  # pyright: ignore[reportUnknownVariableType]
        except (LookupError, TypeError):
            return UNKNOWN
    return UNKNOWN


def _calculated(node: ast.expr, parts: list[Any]) -> Any:
    try:
        if isinstance(node, ast.UnaryOp) and isinstance(parts[0], _NUMBERS):
            return -parts[0] if isinstance(node.op, ast.USub) else UNKNOWN
        if isinstance(node, ast.BinOp):
            name = _OPERATIONS[type(node.op)]
            result = getattr(parts[0], f"__{name}__")(parts[1])
            if result is NotImplemented:
                result = getattr(parts[1], f"__r{name}__")(parts[0])
            return UNKNOWN if result is NotImplemented else result
    except (AttributeError, KeyError, TypeError, ArithmeticError):
        pass
    return UNKNOWN


_OPERATIONS: Mapping[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
}


def in_words(value: Any) -> str:
    """A value as people say it.

    >>> in_words(timedelta(hours=48)), in_words(timedelta(days=21)), in_words(("email", "call"))
    ('48 hours', '21 days', 'email, call')
    """
    if isinstance(value, timedelta):
        return span(value)
    if isinstance(value, tuple | list):
        return ", ".join(in_words(each) for each in value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Enum):
        return str(value.value)
    if value is None:
        return "nothing"
    if is_dataclass(value):
        said = (getattr(value, one.name) for one in fields(value))
        return " ".join(
            [in_small_words(type(value).__name__), *(in_words(one) for one in said if one)]
        )
    return str(value)


def in_small_words(name: str) -> str:
    """The name of a class as words.

    >>> in_small_words("WaitOut")
    'wait out'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def span(value: timedelta) -> str:
    """A length of time in the largest unit that fits.

    >>> span(timedelta(minutes=2)), span(timedelta(hours=24)), span(timedelta(seconds=1))
    ('2 minutes', '24 hours', '1 second')
    """
    seconds = value.total_seconds()
    for unit, length, least in (("day", 86_400, 3), ("hour", 3_600, 1), ("minute", 60, 1)):
        count = seconds / length
        if count == int(count) and count >= least:
            return f"{count:g} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"
