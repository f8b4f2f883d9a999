"""Expressions of a journey's code in words that operators understand."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from workflows.maps.scope import UNKNOWN, Scope, in_small_words, in_words

_COMPARED: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "is",
    ast.NotEq: "is not",
    ast.Lt: "less than",
    ast.LtE: "up to",
    ast.Gt: "more than",
    ast.GtE: "at least",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_SIGNS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "x",
    ast.Div: "/",
}
_PASSED_THROUGH = {"sorted", "list", "tuple", "set", "reversed", "iter", "str"}
_TIMES = {"now", "at", "due", "until", "ends", "latest", "end", "deadline"}
_SELF_TELLING = 4
"""An attribute of at least so many letters says enough without what it belongs to."""


def words(node: ast.expr | None, scope: Scope) -> str:
    """An expression in words; its value where that never changes."""
    if node is None:
        return ""
    value = scope.value(node)
    if value is not UNKNOWN and not callable(value):
        return in_words(value)
    told = _TOLD.get(type(node))
    return told(node, scope) if told else plain(ast.unparse(node))


def plain(text: str) -> str:
    """A name as words.

    >>> plain("self.open_milestones")
    'open milestones'
    """
    return text.removeprefix("self.").strip("_").replace("_", " ")


def question(test: ast.expr, scope: Scope) -> tuple[str, bool]:
    """A test in words, and whether `yes` means that it is false.

    >>> scope = Scope(module={}, journey=object)
    >>> question(ast.parse("not case.opened", mode="eval").body, scope)
    ('opened', True)
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        told, swapped = question(test.operand, scope)
        return told, not swapped
    if _is_none(test):
        assert isinstance(test, ast.Compare)
        return f"{words(test.left, scope)} is set", isinstance(test.ops[0], ast.Is)
    return words(test, scope), False


def _is_none(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Is | ast.IsNot)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    )


def _name(node: ast.Name, scope: Scope) -> str:
    return scope.words.get(node.id) or plain(node.id)


def _attribute(node: ast.Attribute, scope: Scope) -> str:
    name = plain(node.attr)
    if scope.is_me(node.value):
        return scope.told_by_property(node.attr, words) or name
    if node.attr == "at":
        return words(node.value, scope)
    if node.attr == "out":
        return "sent"
    return name if len(name) >= _SELF_TELLING else f"{words(node.value, scope)} {name}"


def _call(node: ast.Call, scope: Scope) -> str:
    first = node.args[0] if node.args else node.keywords[0].value if node.keywords else None
    of = words(first, scope)
    if not isinstance(node.func, ast.Attribute):
        name = in_small_words(plain(ast.unparse(node.func)))
        if name in _PASSED_THROUGH:
            return of
        special = {"len": f"number of {of}", "min": f"the earlier of {_all(node, scope)}"}
        return special.get(name, f"{name} {of}".strip())
    name, owner = node.func.attr, node.func.value
    if name in ("text", "join"):
        return of
    if name in ("lower", "upper", "strip", "isoformat"):
        return words(owner, scope)
    if name == "business_deadline":
        hours = next(
            (words(each.value, scope) for each in node.keywords if each.arg == "hours"), ""
        )
        return f"in {of} of business hours {hours}".strip()
    if name == "startswith":
        return f"{words(owner, scope)} starts with {of}"
    return plain(name) if scope.is_me(owner) else f"{plain(name)} {of}".strip()


def _all(node: ast.Call, scope: Scope) -> str:
    return " and ".join(words(each, scope) for each in node.args)


def _sum(node: ast.BinOp, scope: Scope) -> str:
    left, right = words(node.left, scope), words(node.right, scope)
    if isinstance(node.op, ast.Add) and _is_time(left, node, scope):
        return f"in {right}" if left == "now" else f"{right} after {left}"
    if isinstance(node.op, ast.Sub) and right == "now":
        return f"time until {left}"
    if isinstance(node.op, ast.Sub) and _is_time(left, node, scope):
        return f"{right} before {left}"
    sign = _SIGNS.get(type(node.op), "and")
    return f"{left} {sign} {right}"


def _is_time(left: str, node: ast.BinOp, scope: Scope) -> bool:
    numbers = int | float
    if isinstance(scope.value(node.right), numbers) or isinstance(scope.value(node.left), numbers):
        return False
    named = ast.unparse(node.left).rpartition(".")[2]
    return named in _TIMES or left in _TIMES or isinstance(scope.value(node.right), timedelta)


def _logic(node: ast.BoolOp, scope: Scope) -> str:
    joined = " and " if isinstance(node.op, ast.And) else " or "
    return joined.join(_part(each, scope) for each in node.values)


def _part(node: ast.expr, scope: Scope) -> str:
    told, swapped = question(node, scope)
    if swapped and told.endswith(" is set"):
        return told.replace(" is set", " is not set")
    return f"not {told}" if swapped else told


def _compared(node: ast.Compare, scope: Scope) -> str:
    if _is_none(node):
        return _part(node, scope)
    told = words(node.left, scope)
    right = words(node.comparators[0], scope)
    if len(node.ops) == 1 and "now" in (told, right):
        other = right if told == "now" else told
        late = isinstance(node.ops[0], ast.Gt | ast.GtE) is (told == "now")
        return f"{other} reached" if late else f"before {other}"
    for operation, right in zip(node.ops, node.comparators, strict=True):
        told = f"{told} {_COMPARED[type(operation)]} {words(right, scope)}"
    return told


def _text(node: ast.JoinedStr, scope: Scope) -> str:
    return "".join(_piece(part, scope) for part in node.values)


def _piece(part: ast.expr, scope: Scope) -> str:
    if isinstance(part, ast.FormattedValue) and scope.value(part.value) is UNKNOWN:
        return f"[{words(part.value, scope)}]"
    return words(part, scope)


def _formatted(node: ast.FormattedValue, scope: Scope) -> str:
    return words(node.value, scope)


def _either(node: ast.IfExp, scope: Scope) -> str:
    if scope.value(node.orelse) is None:
        return words(node.body, scope)
    return f"{words(node.body, scope)} or {words(node.orelse, scope)}"


def _row(node: ast.Tuple | ast.List, scope: Scope) -> str:
    return ", ".join(words(each, scope) for each in node.elts)


def _each(node: ast.ListComp | ast.GeneratorExp, scope: Scope) -> str:
    return words(node.generators[0].iter, scope)


def _inner(node: ast.Await | ast.Starred | ast.Subscript, scope: Scope) -> str:
    return words(node.value, scope)


def _body(node: ast.Lambda, scope: Scope) -> str:
    return words(node.body, scope)


def _not(node: ast.UnaryOp, scope: Scope) -> str:
    sign = "not " if isinstance(node.op, ast.Not) else "-"
    return sign + words(node.operand, scope)


_TOLD: Mapping[type[ast.expr], Callable[[Any, Scope], str]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.BinOp: _sum,
    ast.BoolOp: _logic,
    ast.Compare: _compared,
    ast.JoinedStr: _text,
    ast.FormattedValue: _formatted,
    ast.IfExp: _either,
    ast.Tuple: _row,
    ast.List: _row,
    ast.ListComp: _each,
    ast.GeneratorExp: _each,
    ast.Await: _inner,
    ast.Starred: _inner,
    ast.Subscript: _inner,
    ast.Lambda: _body,
    ast.UnaryOp: _not,
}
