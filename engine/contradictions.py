"""Rules that can't all hold: proved, by trying every kind of value that a name can have."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine.catalog import Rule
from engine.errors import RuleError
from engine.grammar import dotted, parse
from engine.rules import Expression, Kind, compile_expression
from engine.types import Scalar

_SIMPLE = (
    *(ast.BoolOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.Attribute, ast.Name, ast.Tuple),
    *(ast.List, ast.Set, ast.And, ast.Or, ast.Not, ast.USub, ast.cmpop, ast.expr_context),
)
_DEEPEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """The fewest rules that can't hold together, and the name they are about; empty: none."""

    rules: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class _Demand:
    """A condition on one name alone that its rule needs, with the constants that it mentions."""

    rule: Rule
    condition: Expression
    constants: frozenset[Scalar]

    def allows(self, name: str, value: Scalar) -> bool:
        """Whether the rule may pass where the name has this value."""
        found = self.condition({name: value}.get)
        return self.rule.unknown_passes if found is None else found is True


def contradiction(
    rules: Sequence[Rule], segments: Mapping[str, Expression]
) -> Contradiction | None:
    """Why nobody can ever pass these rules, if that can be seen; None proves nothing.

    A rule holds only if each part of its `and` does. A part that compares one name with constants
    can be tried for all values: it gives the same for all between two neighbouring constants.
    """
    demands: dict[str, list[_Demand]] = {}
    for rule in rules:
        for part in _parts(_spelled_out(parse(rule.condition.text), segments, _DEEPEST)):
            found = _demand(rule, part)
            if found is not None:
                name = next(iter(found.condition.names), "")
                demands.setdefault(name, []).append(found)
    for name in sorted(demands):
        if _impossible(name, demands[name]):
            fewest = _fewest(name, demands[name])
            return Contradiction(rules=tuple(dict.fromkeys(fewest)), name=name)
    return None


def _fewest(name: str, demands: Sequence[_Demand]) -> list[str]:
    """The rules of the demands without which they would be possible."""
    needed = list(demands)
    for demand in demands:
        others = [one for one in needed if one is not demand]
        if others and _impossible(name, others):
            needed = others
    return [one.rule.name for one in needed]


def _impossible(name: str, demands: Sequence[_Demand]) -> bool:
    constants = frozenset[Scalar]().union(*(one.constants for one in demands))
    return not any(
        all(demand.allows(name, value) for demand in demands) for value in _values(constants)
    )


def _values(constants: frozenset[Scalar]) -> Iterator[Scalar]:
    """Every constant, what lies between and beside them, true and false, and unknown."""
    yield from (None, True, False, "")
    texts = [one for one in constants if isinstance(one, str)]
    for text in texts:
        yield from (text, f"{text}\0")
    numbers = sorted({float(one) for one in constants if isinstance(one, int | float)} | {0.0, 1.0})
    yield from (numbers[0] - 1, *numbers, numbers[-1] + 1)
    yield from ((low + high) / 2 for low, high in pairwise(numbers))


def _parts(tree: ast.expr) -> Iterator[ast.expr]:
    """What must all hold."""
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        for value in tree.values:
            yield from _parts(value)
    else:
        yield tree


def _demand(rule: Rule, part: ast.expr) -> _Demand | None:
    """A part as a demand, if it is simple enough to be tried."""
    nodes = list(ast.walk(part))
    known = [node for node in nodes if isinstance(node, ast.Call) and _asks_known(node)]
    asked = {id(node.func) for node in known}
    if not all(isinstance(n, _SIMPLE) or n in known or id(n) in asked for n in nodes):
        return None
    try:
        condition = compile_expression(ast.unparse(part), Kind.CONDITION)
    except RuleError:
        return None
    constants = frozenset(
        -value if id(node) in _negated(nodes) and isinstance(value, int | float) else value
        for node in nodes
        if isinstance(node, ast.Constant)
        for value in (node.value,)
        if isinstance(value, str | int | float)
    )
    return _Demand(rule, condition, constants) if len(condition.names) <= 1 else None


def _negated(nodes: Sequence[ast.AST]) -> set[int]:
    return {
        id(node.operand)
        for node in nodes
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    }


def _asks_known(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "known"


class _Segments(ast.NodeTransformer):
    """Puts what a segment says in place of its name."""

    def __init__(self, segments: Mapping[str, Expression], depth: int) -> None:
        self._segments = segments
        self._depth = depth

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """A dotted name."""
        root, _, name = dotted(node).partition(".")
        if root != "segment" or name not in self._segments or not self._depth:
            return node
        tree = parse(self._segments[name].text)
        return _spelled_out(tree, self._segments, self._depth - 1)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Functions take names, not what these stand for."""
        return node


def _spelled_out(tree: ast.expr, segments: Mapping[str, Expression], depth: int) -> ast.expr:
    found = _Segments(segments, depth).visit(tree)
    return found if isinstance(found, ast.expr) else tree
