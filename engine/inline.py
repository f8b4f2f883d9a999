"""Expressions as straight-line Python source: each distinct part is worked out once, then shared.

What `compiler.py` makes closures of is written here as assignments to local variables of one
generated function, `None if n3 is None else n3 >= 6`. Both must mean the same: a property test
compares them. There is no short cut in an `and`: nothing here costs more than finding that out.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import grammar
from engine.expressions import SEGMENT, VALUE, rests_on, tangles
from engine.history import ROOT as HISTORY
from engine.logic import Number, one_of, scalar
from engine.rules import Expression, Kind
from engine.types import Scalar

_SIGNS: dict[type[ast.AST], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.USub: "-",
    ast.UAdd: "+",
}
_SAFE = "{0}.__class__ in _numbers and -1e300 < {0} < 1e300"
"""A number that needs no closer look: finite, and it fits a float."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A local variable or a literal; of what kind; the name it was read from, if it was."""

    said: str
    kind: Kind
    name: str = ""
    literal: bool = False


def text(value: Any) -> str | None:
    """What was looked up, if it is a text."""
    found = scalar(value)
    return found if isinstance(found, str) else None


def number(value: Any) -> Number | bool | None:
    """What was looked up, if it is a number, or true or false."""
    found = scalar(value)
    return None if isinstance(found, str) else found


def divided(left: Number, right: Number) -> Scalar:
    """A quotient; unknown where there is none."""
    try:
        return scalar(left / right)
    except ArithmeticError:
        return None


def rounded(value: Number, digits: int) -> Scalar:
    """Rounded as `round` does; unknown where that is no finite number."""
    try:
        return scalar(round(value, digits) if digits else round(value))
    except ArithmeticError:
        return None


class Lines:
    """The lines of a function while it is written. It is given two functions: `get` looks up any
    name, `have` does so without working out anything, with something else where it is not there.
    """

    def __init__(
        self,
        segments: Mapping[str, Expression] | None = None,
        values: Mapping[str, Expression] | None = None,
    ) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {
            "_numbers": frozenset((int, float)),
            "_exact": frozenset((str, bool)),
            "_text": text,
            "_number": number,
            "_scalar": scalar,
            "_divided": divided,
            "_rounded": rounded,
        }
        self._written: dict[str, str] = {}
        self._cheap: dict[str, bool] = {}
        self._listed: dict[str, str] = {}
        self._segments, self._values = segments or {}, values or {}
        self._own: dict[str, Expression] = {}
        self._by_node: dict[type[ast.expr], Callable[[Any], _Part]] = {
            ast.Attribute: self._name,
            ast.BinOp: self._arithmetic,
            ast.BoolOp: self._all_or_any,
            ast.Call: self._call,
            ast.Compare: self._comparisons,
            ast.Constant: self._constant,
            ast.IfExp: self._choice,
            ast.Name: self._name,
            ast.UnaryOp: self._unary,
        }
        if not tangles(self._segments, self._values):
            self._own = {f"{SEGMENT}.{name}": one for name, one in self._segments.items()}
            self._own |= {f"{VALUE}.{name}": one for name, one in self._values.items()}

    def cheap(self, expression: Expression) -> bool:
        """Whether it asks nothing of the past: that is looked up only when it is needed."""
        return all(self._is_cheap(name) for name in expression.names)

    def _is_cheap(self, name: str) -> bool:
        found = self._cheap.get(name)
        if found is None:
            rests = rests_on(name, self._segments, self._values)
            found = all(one.partition(".")[0] != HISTORY for one in rests)
            self._cheap[name] = found
        return found

    def expression(self, one: Expression) -> str:
        """A variable that holds what an expression gives."""
        part = self._part(grammar.parse(one.text))
        if one.kind is Kind.CONDITION:
            part = self._condition(part)
        elif one.kind not in (Kind.ANY, part.kind):
            part = self._number(part)
        return self._any(part)

    def constant(self, value: object) -> str:
        """A variable that holds an object."""
        name = f"_k{len(self.constants)}"
        self.constants[name] = value
        return name

    def function(self, name: str, result: str) -> Callable[..., Any]:
        """The function `name(get, have)` of all lines, which gives `result`."""
        body = "".join(f"  {line}\n" for line in [*self.lines, f"return {result}"])
        known = dict(self.constants)
        exec(compile(f"def {name}(get, have):\n{body}", f"<{name}>", "exec"), known)
        return known[name]

    def keep(self, source: str) -> str:
        """The variable that holds what this source gives, written on its first use."""
        found = self._written.get(source)
        if found is None:
            found = self._written[source] = f"v{len(self._written)}"
            self.lines.append(f"{found} = {source}")
        return found

    # -- names

    def _raw(self, name: str) -> str:
        own = self._own.get(name)
        if own is None:
            return self.keep(f"get({name!r})")
        return self.keep(f"have({name!r}, {self.expression(own)})")

    def _any(self, part: _Part) -> str:
        if not part.name:
            return self._said(part)
        raw = self._raw(part.name)
        seen = f"{raw}.__class__ in _exact or {_SAFE.format(raw)}"
        return self.keep(f"{raw} if {raw} is None or {seen} else _scalar({raw})")

    def _text(self, part: _Part) -> str:
        raw = self._raw(part.name)
        return self.keep(f"{raw} if {raw} is None or {raw}.__class__ is str else _text({raw})")

    def _numeric(self, name: str) -> str:
        """A number, or true or false."""
        raw = self._raw(name)
        seen = f"{raw} is None or {raw}.__class__ is bool or {_SAFE.format(raw)}"
        return self.keep(f"{raw} if {seen} else _number({raw})")

    def _said(self, part: _Part) -> str:
        """A variable for what is written out: Python warns of `1 is None`."""
        return self.keep(part.said) if part.literal else part.said

    # -- kinds

    def _condition(self, part: _Part) -> _Part:
        if part.kind is Kind.CONDITION:
            return part
        said = self._any(part)
        only = self.keep(f"{said} if {said}.__class__ is bool else None")
        return _Part(only, Kind.CONDITION)

    def _number(self, part: _Part) -> _Part:
        if part.kind is Kind.NUMBER:
            return _Part(self._said(part), Kind.NUMBER)
        said = self._numeric(part.name) if part.name else self._said(part)
        if part.kind is Kind.ANY and not part.name:
            said = self.keep(f"None if {said}.__class__ is str else {said}")
        whole = self.keep(f"int({said}) if {said}.__class__ is bool else {said}")
        return _Part(whole, Kind.NUMBER)

    # -- nodes

    def _part(self, node: ast.expr) -> _Part:
        return self._by_node[type(node)](node)

    def _constant(self, node: ast.Constant) -> _Part:
        value = grammar.literal(node)
        if isinstance(value, str):
            return _Part(repr(value), Kind.TEXT, literal=True)
        kind = Kind.CONDITION if isinstance(value, bool) else Kind.NUMBER
        return _Part(repr(value), kind, literal=True)

    def _name(self, node: ast.Attribute | ast.Name) -> _Part:
        return _Part("", Kind.ANY, grammar.dotted(node))

    def _all_or_any(self, node: ast.BoolOp) -> _Part:
        parts = [self._any(self._part(value)) for value in node.values]
        return self._joined(parts, every=isinstance(node.op, ast.And))

    def _joined(self, parts: Sequence[str], *, every: bool) -> _Part:
        """Kleene's and, or his or."""
        parts = list(dict.fromkeys(parts))
        one, other = (False, True) if every else (True, False)
        decided = " or ".join(f"{part} is {one}" for part in parts)
        agreed = " and ".join(f"{part} is {other}" for part in parts)
        found = self.keep(f"{one} if {decided} else {other} if {agreed} else None")
        return _Part(found, Kind.CONDITION)

    def _unary(self, node: ast.UnaryOp) -> _Part:
        part = self._part(node.operand)
        if isinstance(node.op, ast.Not):
            said = self._condition(part).said
            return _Part(self.keep(f"None if {said} is None else not {said}"), Kind.CONDITION)
        said = self._number(part).said
        return self._calculated(f"{_SIGNS[type(node.op)]}{said}", (said,))

    def _arithmetic(self, node: ast.BinOp) -> _Part:
        left, right = (self._number(self._part(side)).said for side in (node.left, node.right))
        if isinstance(node.op, ast.Div):
            found = f"None if {left} is None or {right} is None else _divided({left}, {right})"
            return _Part(self.keep(found), Kind.NUMBER)
        return self._calculated(f"{left} {_SIGNS[type(node.op)]} {right}", (left, right))

    def _calculated(self, source: str, needs: Sequence[str]) -> _Part:
        """A number that may be too large; unknown if one of those that it needs is."""
        unknown = " or ".join(f"{one} is None" for one in dict.fromkeys(needs))
        found = self.keep(f"None if {unknown} else {source}")
        seen = f"{found} is None or -1e300 < {found} < 1e300"
        return _Part(self.keep(f"{found} if {seen} else _scalar({found})"), Kind.NUMBER)

    def _comparisons(self, node: ast.Compare) -> _Part:
        sides = [node.left, *node.comparators]
        tests = [
            self._comparison(left, test, right)
            for left, test, right in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return tests[0] if len(tests) == 1 else self._joined([t.said for t in tests], every=True)

    def _comparison(self, left: ast.expr, test: ast.cmpop, right: ast.expr) -> _Part:
        first = self._part(left)
        if isinstance(test, ast.In | ast.NotIn):
            return self._membership(first, grammar.choices(right), isinstance(test, ast.In))
        second, sign = self._part(right), _SIGNS[type(test)]
        if first.name and isinstance(right, ast.Constant):
            as_text = second.kind is Kind.TEXT
            found = self._text(first) if as_text else self._numeric(first.name)
            source = f"None if {found} is None else {found} {sign} {second.said}"
            return _Part(self.keep(source), Kind.CONDITION)
        one, other = self._any(first), self._any(second)
        apart = f"({one}.__class__ is str) is not ({other}.__class__ is str)"
        unknown = f"{one} is None or {other} is None or {apart}"
        return _Part(self.keep(f"None if {unknown} else {one} {sign} {other}"), Kind.CONDITION)

    def _membership(self, part: _Part, choices: tuple[Scalar, ...], inside: bool) -> _Part:
        texts = {one for one in choices if isinstance(one, str)}
        word = "in" if inside else "not in"
        if part.name and len(texts) in (0, len(set(choices))):
            found = self._text(part) if texts else self._numeric(part.name)
            wanted = self._choices(choices, None)
            source = f"None if {found} is None else {found} {word} {wanted}"
        else:
            test = self._choices(choices, inside)
            source = f"{test}({self._any(part)}, None)"
        return _Part(self.keep(source), Kind.CONDITION)

    def _choices(self, choices: tuple[Scalar, ...], inside: bool | None) -> str:
        """The same variable for the same choices, or for the same test of them."""
        key = f"{choices!r} {inside}"
        if key not in self._listed:
            every = frozenset(choices) if inside is None else one_of(choices, inside=inside)
            self._listed[key] = self.constant(every)
        return self._listed[key]

    def _choice(self, node: ast.IfExp) -> _Part:
        condition = self._condition(self._part(node.test)).said
        then, otherwise = self._part(node.body), self._part(node.orelse)
        kind = then.kind if then.kind is otherwise.kind else Kind.ANY
        one, other = self._any(then), self._any(otherwise)
        either = f"{one} if {condition} is True else {other} if {condition} is False else None"
        return _Part(self.keep(either), kind)

    def _call(self, node: ast.Call) -> _Part:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in grammar.HISTORY:
            what, times = grammar.question(name, node)
            if name.startswith(grammar.TIMES):
                return _Part("", Kind.ANY, what.name)
            found = self._numeric(what.name)
            often = f"None if {found} is None else {found} >= {times}"
            return _Part(self.keep(often), Kind.CONDITION)
        if name == "known":
            found = self._any(_Part("", Kind.ANY, grammar.dotted(node.args[0])))
            return _Part(self.keep(f"{found} is not None"), Kind.CONDITION)
        wanted = node.args[:1] if name == "round" else node.args
        parts = [self._number(self._part(argument)).said for argument in wanted]
        if name == "round":
            digits = grammar.literal(node.args[1]) if len(node.args) == 2 else 0
            source = f"None if {parts[0]} is None else _rounded({parts[0]}, {digits})"
            return _Part(self.keep(source), Kind.NUMBER)
        return self._calculated(f"{name}({', '.join(parts)})", parts)
