"""From the tree of a rule to closures: what is on the whitelist, and the names it reads."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from engine import grammar, logic
from engine.grammar import ALLOWED, choices, dotted, literal, refusal, short
from engine.logic import Evaluate

MOST_DECIMALS = 9


def _negative(value: float) -> float:
    return -value


def _positive(value: float) -> float:
    return +value


def _divided(left: float, right: float) -> float:
    return left / right


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divided,
}
_CALCULATIONS: dict[str, Callable[..., Any]] = {"abs": abs, "max": max, "min": min}


class Kind(StrEnum):
    """What an expression gives, as far as its text tells: a name may give anything."""

    ANY = "anything"
    CONDITION = "a condition"
    NUMBER = "a number"
    TEXT = "a text"


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled piece, and what it gives."""

    evaluate: Evaluate
    kind: Kind


class Compiler:
    """Walks one expression, compiles what is on the whitelist, and collects the names it reads."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._by_node: dict[type[ast.expr], Callable[[Any], Part]] = {
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

    def asked_for(self, node: ast.expr, kind: Kind) -> Part:
        """The compiled node, which must be able to give `kind`."""
        part = self._compile(node)
        if kind is Kind.ANY or part.kind is kind:
            return part
        if part.kind is not Kind.ANY and (kind, part.kind) != (Kind.NUMBER, Kind.CONDITION):
            raise refusal(node, f"{kind} is needed here, this is {part.kind}")
        only = logic.only_conditions if kind is Kind.CONDITION else logic.only_numbers
        return Part(only(part.evaluate), kind)

    def _compile(self, node: ast.expr) -> Part:
        compiles = self._by_node.get(type(node))
        if compiles is None:
            raise refusal(node, f"this is not part of the rule language; {ALLOWED}")
        return compiles(node)

    def _constant(self, node: ast.Constant) -> Part:
        value = literal(node)
        kind = (
            Kind.TEXT
            if isinstance(value, str)
            else Kind.CONDITION
            if isinstance(value, bool)
            else Kind.NUMBER
        )
        return Part(logic.constant(value), kind)

    def _name(self, node: ast.Attribute | ast.Name) -> Part:
        name = dotted(node)
        self.names.add(name)
        return Part(logic.read(name), Kind.ANY)

    def _all_or_any(self, node: ast.BoolOp) -> Part:
        parts = [self.asked_for(value, Kind.CONDITION).evaluate for value in node.values]
        join = logic.all_of if isinstance(node.op, ast.And) else logic.any_of
        return Part(join(parts), Kind.CONDITION)

    def _unary(self, node: ast.UnaryOp) -> Part:
        if isinstance(node.op, ast.Not):
            condition = self.asked_for(node.operand, Kind.CONDITION)
            return Part(logic.negation(condition.evaluate), Kind.CONDITION)
        if isinstance(node.op, ast.Invert):
            raise refusal(node, "write `not` instead of `~`")
        change = _negative if isinstance(node.op, ast.USub) else _positive
        part = self.asked_for(node.operand, Kind.NUMBER)
        return Part(logic.calculation(change, (part.evaluate,)), Kind.NUMBER)

    def _arithmetic(self, node: ast.BinOp) -> Part:
        combine = _ARITHMETIC.get(type(node.op))
        if combine is None:
            raise refusal(node, f"of the arithmetic only + - * / are allowed; {ALLOWED}")
        parts = [self.asked_for(side, Kind.NUMBER).evaluate for side in (node.left, node.right)]
        return Part(logic.calculation(combine, parts), Kind.NUMBER)

    def _comparisons(self, node: ast.Compare) -> Part:
        """`a < b`, or a chain such as `1 < a <= 3`; a list of values can only come last."""
        if len(node.ops) == 1:
            return Part(self._comparison(node, node.ops[0]), Kind.CONDITION)
        sides, tests = [self._compile(node.left).evaluate], list[logic.Test]()
        for test, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(test, ast.In | ast.NotIn):
                tests.append(logic.one_of(choices(right), inside=isinstance(test, ast.In)))
                last = right is node.comparators[-1]
                sides.append(logic.constant(None) if last else self._compile(right).evaluate)
            else:
                tests.append(logic.compared(_compares(node, test)))
                sides.append(self._compile(right).evaluate)
        return Part(logic.chain(sides, tests), Kind.CONDITION)

    def _comparison(self, node: ast.Compare, test: ast.cmpop) -> Evaluate:
        left, right = node.left, node.comparators[0]
        first = self._compile(left).evaluate
        if isinstance(test, ast.In | ast.NotIn):
            return logic.membership(first, choices(right), inside=isinstance(test, ast.In))
        compare = _compares(node, test)
        second = self._compile(right).evaluate
        if isinstance(left, ast.Name | ast.Attribute) and isinstance(right, ast.Constant):
            return logic.comparison_with(compare, dotted(left), literal(right))
        return logic.comparison(compare, first, second)

    def _choice(self, node: ast.IfExp) -> Part:
        condition = self.asked_for(node.test, Kind.CONDITION)
        then, otherwise = self._compile(node.body), self._compile(node.orelse)
        kind = then.kind if then.kind is otherwise.kind else Kind.ANY
        return Part(logic.choice(condition.evaluate, then.evaluate, otherwise.evaluate), kind)

    def _call(self, node: ast.Call) -> Part:
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name in grammar.HISTORY:
            return self._past(name, node)
        if name not in grammar.FUNCTIONS:
            why = f"there is no function {short(name)!r}{_nearest(name)}"
            raise refusal(node, f"{why}; {ALLOWED}")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise refusal(node, f"{name} takes plain arguments only, no names and no stars")
        special = {"known": self._known, "round": self._round}.get(name)
        return special(node) if special else self._calculation(name, node)

    def _calculation(self, name: str, node: ast.Call) -> Part:
        if name == "abs" and len(node.args) != 1:
            raise refusal(node, f"abs takes one argument, not {len(node.args)}")
        if name != "abs" and len(node.args) < 2:
            raise refusal(node, f"{name} takes two or more arguments, not {len(node.args)}")
        parts = [self.asked_for(argument, Kind.NUMBER).evaluate for argument in node.args]
        return Part(logic.calculation(_CALCULATIONS[name], parts), Kind.NUMBER)

    def _past(self, verb: str, node: ast.Call) -> Part:
        what, times = grammar.question(verb, node)
        self.names.add(what.name)
        if verb.startswith(grammar.TIMES):
            return Part(logic.read(what.name), Kind.NUMBER)
        return Part(logic.comparison_with(_COMPARISONS[ast.GtE], what.name, times), Kind.CONDITION)

    def _known(self, node: ast.Call) -> Part:
        if len(node.args) != 1:
            raise refusal(node, "known takes one name, such as known(contract.type)")
        name = dotted(node.args[0])
        self.names.add(name)
        return Part(logic.known(name), Kind.CONDITION)

    def _round(self, node: ast.Call) -> Part:
        if len(node.args) not in (1, 2):
            raise refusal(node, "round takes a number, and the decimals if you want any")
        digits = literal(node.args[1]) if len(node.args) == 2 else 0
        if type(digits) is not int or not 0 <= digits <= MOST_DECIMALS:
            raise refusal(node, f"round keeps 0 to {MOST_DECIMALS} decimals, written as a number")
        part = self.asked_for(node.args[0], Kind.NUMBER).evaluate

        def rounded(value: float) -> float:
            return round(value, digits) if digits else round(value)

        return Part(logic.calculation(rounded, (part,)), Kind.NUMBER)


def _compares(whole: ast.expr, test: ast.cmpop) -> Callable[[Any, Any], bool]:
    compare = _COMPARISONS.get(type(test))
    if compare is None:
        raise refusal(whole, "write == and !=, or known(name), instead of `is`")
    return compare


def _nearest(name: str) -> str:
    near = get_close_matches(name, (*grammar.FUNCTIONS, *grammar.HISTORY), n=1)
    return f", did you mean {near[0]}?" if near else ""
