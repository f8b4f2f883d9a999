"""Reads a journey's code into its chart: the run method, and what it calls, in order."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflows.maps.chart import Chart, Shape
from workflows.maps.forks import Forks
from workflows.maps.scope import UNKNOWN
from workflows.maps.source import Source, source_of
from workflows.maps.trail import Ends
from workflows.maps.vocabulary import VERBS
from workflows.maps.wording import plain, words

UNROLLED_MAXIMUM = 12


def chart_of(journey: type, starts: Sequence[str] = ()) -> Chart:
    """The chart of a journey that these events start."""
    return Reader(source_of(journey)).read(starts)


class Reader(Forks):
    """The way through statements."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._follow: Mapping[type[ast.stmt], Callable[[Any], None]] = {
            ast.Return: self._return,
            ast.If: self._if,
            ast.While: self._while,
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.Try: self._try,
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.Match: self._match,
            ast.Assign: self._assign,
            ast.AnnAssign: self._assign,
            ast.Expr: self._expression,
            ast.AugAssign: self._expression,
            ast.Raise: self._raise,
            ast.Break: self._break,
            ast.Continue: self._continue,
        }

    def read(self, starts: Sequence[str]) -> Chart:
        """The chart, from the start to every end."""
        told = (f"starts with {' or '.join(starts)}",) if starts else ()
        self.add(Shape.START, self.source.kind, told)
        self.enter(self.source.methods["run"], None)
        if self.ends:
            self.add(Shape.END, "over")
        return self.draft.chart(self.source.kind)

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Follow statements until no way is open."""
        for statement in statements:
            follow = self._follow.get(type(statement))
            if follow and self.ends:
                follow(statement)

    def _expression(self, statement: ast.Expr | ast.AugAssign) -> None:
        self.walk(statement.value)

    def _raise(self, _: ast.Raise) -> None:
        self.ends = []

    def _return(self, statement: ast.Return) -> None:
        value = statement.value
        call = value if isinstance(value, ast.Call) else None
        if call and ast.unparse(call.func) == "Ending":
            parts = {word.arg: words(word.value, self.scope) for word in call.keywords}
            because = (parts["because"],) if "because" in parts else ()
            self.add(Shape.END, parts.get("ended", "over"), because)
            self.ends = []
            return
        self.walk(value)
        truth = bool(value.value) if isinstance(value, ast.Constant) else None
        self.frame.returns.append((self.ends, truth if value else False))
        self.ends = []

    def _if(self, statement: ast.If) -> None:
        yes, no = self.branch(statement.test)
        self.ends = yes
        self.block(statement.body)
        yes, self.ends = self.ends, no
        self.block(statement.orelse)
        self.ends = yes + self.ends

    def _while(self, statement: ast.While) -> None:
        head = self.add(Shape.JOINT)
        yes, no = self.branch(statement.test)
        self.ends = yes
        self._loop(head, statement.body)
        self.ends = no + self.frame.loops.pop()[1]

    def _loop(self, head: str, body: Sequence[ast.stmt]) -> None:
        self.frame.loops.append((head, []))
        self.block(body)
        self.lead_to(head)

    def _for(self, statement: ast.For | ast.AsyncFor) -> None:
        self.walk(statement.iter)
        rows: Any = self.scope.value(statement.iter)
        if isinstance(rows, tuple) and self._unrolls(statement, rows):  # pyright: ignore[reportUnknownArgumentType]
            return
        told = words(statement.iter, self.scope)
        head = self.add(Shape.QUESTION, f"one more of {told}?")
        self.ends = [(head, "yes")]
        self._loop(head, statement.body)
        self.ends = [(head, "no"), *self.frame.loops.pop()[1]]

    def _unrolls(self, statement: ast.For | ast.AsyncFor, rows: tuple[Any, ...]) -> bool:
        """A loop over a written-out plan that only states milestones: each of them is shown."""
        body = ast.Module(body=statement.body, type_ignores=[])
        waits = any(isinstance(node, ast.Await | ast.If) for node in ast.walk(body))
        if waits or len(rows) > UNROLLED_MAXIMUM or not self.has_steps(body):
            return False
        for row in rows:
            target = statement.target
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values: Sequence[Any] = row if len(names) > 1 else (row,)
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name):
                    self.scope.values[name.id] = value
            self.block(statement.body)
        return True

    def _break(self, _: ast.Break) -> None:
        self.frame.loops[-1][1].extend(self.ends)
        self.ends = []

    def _continue(self, _: ast.Continue) -> None:
        self.lead_to(self.frame.loops[-1][0])

    def _try(self, statement: ast.Try) -> None:
        before = len(self.draft.boxes)
        self.block(statement.body)
        steps = [
            box.id
            for box in list(self.draft.boxes.values())[before:]
            if box.shape in (Shape.STEP, Shape.PERSON, Shape.HOLD, Shape.WAIT)
        ]
        self.block(statement.orelse)
        after: Ends = self.ends
        for handler in statement.handlers:
            kind = words(handler.type, self.scope) if handler.type else "anything"
            self.ends = [(step, f"fails: {kind}") for step in steps]
            self.block(handler.body)
            after += self.ends
        self.ends = after
        self.block(statement.finalbody)

    def _with(self, statement: ast.With | ast.AsyncWith) -> None:
        for item in statement.items:
            self.walk(item.context_expr)
        self.block(statement.body)

    def _match(self, statement: ast.Match) -> None:
        self.walk(statement.subject)
        head = self.add(Shape.QUESTION, f"{words(statement.subject, self.scope)}?")
        after: Ends = []
        complete = False
        for case in statement.cases:
            any_other = ast.unparse(case.pattern) == "_" and case.guard is None
            complete = complete or any_other
            self.ends = [(head, "else" if any_other else self._pattern(case.pattern))]
            self.block(case.body)
            after += self.ends
        self.ends = after if complete else [*after, (head, "else")]

    def _pattern(self, pattern: ast.pattern) -> str:
        if isinstance(pattern, ast.MatchValue):
            return words(pattern.value, self.scope)
        if isinstance(pattern, ast.MatchOr):
            return " or ".join(self._pattern(one) for one in pattern.patterns)
        return plain(ast.unparse(pattern))

    def _assign(self, statement: ast.Assign | ast.AnnAssign) -> None:
        value = statement.value
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        awaited = value.value if isinstance(value, ast.Await) else value
        step = self.step_name(awaited) if isinstance(awaited, ast.Call) else None
        for name in names:
            self.scope.forget(name)
            self.frame.bound.pop(name, None)
        if step and isinstance(awaited, ast.Call):
            box = self.call(awaited)
            self.frame.bound |= dict.fromkeys(names, (box or "", VERBS[step]))
            return
        self.walk(value)
        if value is not None and not isinstance(value, ast.Await):
            self._name(value, names)

    def _name(self, value: ast.expr, names: Sequence[str]) -> None:
        """What names stand for that are given a meaning once."""
        known = self.scope.value(value)
        for name in names:
            if name not in self.frame.once:
                continue
            if known is not UNKNOWN:
                self.scope.values[name] = known
            elif _telling(value):
                self.scope.words[name] = words(value, self.scope)


def _telling(value: ast.expr) -> bool:
    """Whether an expression says more than the name it is given."""
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Attribute) and value.func.attr == "join"
    if isinstance(value, ast.BinOp):
        numbers = [one for one in (value.left, value.right) if isinstance(one, ast.Constant)]
        return not numbers
    if isinstance(value, ast.IfExp) and isinstance(value.orelse, ast.Constant):
        return value.orelse.value is not None
    return isinstance(value, ast.Compare | ast.Attribute | ast.IfExp | ast.JoinedStr)
