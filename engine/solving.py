"""What would have to be known for a condition to hold: the smallest changes of single names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import islice

from engine.catalog import Bundle
from engine.errors import RuleError
from engine.grammar import dotted
from engine.logic import Lookup
from engine.rules import Expression, compile_expression
from engine.types import Scalar

MOST = 6
_SEGMENT = "segment."
_DEEPEST = 8
_STEP = 0.01
_OPPOSITE: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
}
_MIRRORED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
}
Setting = Mapping[str, Scalar]
"""Names and the values they would need to have."""


def solutions(
    condition: Expression, lookup: Lookup, bundle: Bundle, want: bool = True
) -> list[Setting]:
    """Some ways to make a condition hold (or fail), the fewest names first; maybe none.

    Only comparisons of a name with a value are solved, in whatever `and`, `or` and `not`; a caller
    tries each, since one name may matter elsewhere too.
    """
    found = _Solver(lookup, bundle).solve(ast.parse(condition.text, mode="eval").body, want, 0)
    return sorted(islice(found, MOST), key=len)


class _Solver:
    def __init__(self, lookup: Lookup, bundle: Bundle) -> None:
        self._lookup = lookup
        self._bundle = bundle

    def solve(self, node: ast.expr, want: bool, depth: int) -> Iterator[Setting]:
        """Settings under which a node is `want`."""
        if depth > _DEEPEST:
            return
        if self._is(node, want):
            yield {}
        elif isinstance(node, ast.BoolOp):
            yield from self._joined(node, want, depth)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield from self.solve(node.operand, not want, depth + 1)
        elif isinstance(node, ast.Compare):
            yield from self._compared(node, want, depth)
        elif isinstance(node, ast.Name | ast.Attribute):
            yield from self._named(dotted(node), want, depth)

    def _is(self, node: ast.expr, want: bool) -> bool:
        try:
            return compile_expression(ast.unparse(node))(self._lookup) is want
        except RuleError:
            return False

    def _joined(self, node: ast.BoolOp, want: bool, depth: int) -> Iterator[Setting]:
        """All parts must be `want`, or one of them is enough."""
        if isinstance(node.op, ast.And) is not want:
            for part in node.values:
                yield from self.solve(part, want, depth + 1)
            return
        together: dict[str, Scalar] = {}
        for part in node.values:
            first = next(self.solve(part, want, depth + 1), None)
            if first is None or any(together.get(n, v) != v for n, v in first.items()):
                return
            together.update(first)
        yield together

    def _compared(self, node: ast.Compare, want: bool, depth: int) -> Iterator[Setting]:
        if len(node.ops) > 1:
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            parts: list[ast.expr] = [
                ast.Compare(left=left, ops=[op], comparators=[right]) for left, op, right in pairs
            ]
            yield from self._joined(ast.BoolOp(op=ast.And(), values=parts), want, depth)
            return
        left, op, right = node.left, type(node.ops[0]), node.comparators[0]
        if op in (ast.In, ast.NotIn):
            yield from _member(left, right, (op is ast.In) is want)
        elif isinstance(left, ast.Name | ast.Attribute) and op in _MIRRORED:
            yield from self._bounded(dotted(left), op if want else _OPPOSITE[op], right)
        elif isinstance(right, ast.Name | ast.Attribute) and op in _MIRRORED:
            mirrored = _MIRRORED[op if want else _OPPOSITE[op]]
            yield from self._bounded(dotted(right), mirrored, left)

    def _bounded(self, name: str, op: type[ast.cmpop], side: ast.expr) -> Iterator[Setting]:
        """A name compared with something whose value is known."""
        try:
            bound = compile_expression(ast.unparse(side))(self._lookup)
        except RuleError:
            return
        if bound is not None and (value := _just(op, bound, self._lookup(name))) is not None:
            yield {name: value}

    def _named(self, name: str, want: bool, depth: int) -> Iterator[Setting]:
        if name.startswith(_SEGMENT):
            segment = self._bundle.segments.get(name.removeprefix(_SEGMENT))
            if segment is not None:
                yield from self.solve(ast.parse(segment.text, mode="eval").body, want, depth + 1)
            return
        yield {name: want}


def _member(left: ast.expr, right: ast.expr, want: bool) -> Iterator[Setting]:
    if not want or not isinstance(left, ast.Name | ast.Attribute):
        return
    for choice in getattr(right, "elts", ()):
        if isinstance(choice, ast.Constant) and isinstance(choice.value, str | int | float):
            yield {dotted(left): choice.value}


def _just(op: type[ast.cmpop], bound: Scalar, now: object) -> Scalar:
    """The value nearest to the bound that satisfies the comparison; None if none can be named."""
    if op in (ast.Eq, ast.GtE, ast.LtE):
        return bound
    if isinstance(bound, bool):
        return not bound if op is ast.NotEq else None
    if not isinstance(bound, int | float):
        return None
    whole = isinstance(bound, int) and not isinstance(now, float)
    step = 1 if whole else _STEP
    below = bound - step if whole else round(bound - step, 9)
    above = bound + step if whole else round(bound + step, 9)
    return below if op is ast.Lt else above
