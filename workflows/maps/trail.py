"""Following a journey's expressions: each step leaves a box on the way."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workflows.maps.chart import Draft, Shape
from workflows.maps.scope import UNKNOWN, Scope
from workflows.maps.source import Source, Written, function_of
from workflows.maps.vocabulary import ELSEWHERE, VERBS, Verb, box_of, stage_pattern
from workflows.maps.wording import words

Ends = list[tuple[str, str]]
"""Where the way is open: boxes, with the words of the lines that will leave them."""

NEWS = "unless news came in meanwhile"


@dataclass(slots=True, kw_only=True)
class Frame:
    """A function being followed; `returns` has its open ends with what was returned there."""

    written: Written
    scope: Scope
    entry: str
    once: frozenset[str]
    returns: list[tuple[Ends, bool | None]] = field(default_factory=list[tuple[Ends, bool | None]])
    bound: dict[str, tuple[str, Verb]] = field(default_factory=dict[str, tuple[str, Verb]])
    loops: list[tuple[str, Ends]] = field(default_factory=list[tuple[str, Ends]])


class Trail:
    """The way through expressions; subclasses follow tests and statements."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.draft = Draft()
        self.ends: Ends = []
        self.frames: list[Frame] = []
        self._known: dict[ast.AST, bool] = {}

    @property
    def frame(self) -> Frame:
        """The function that is being followed."""
        return self.frames[-1]

    @property
    def scope(self) -> Scope:
        """What names stand for in it."""
        return self.frame.scope

    def branch(self, test: ast.expr) -> tuple[Ends, Ends]:
        """Follow a test; answers the ways on for yes and for no."""
        raise NotImplementedError

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Follow statements in order."""
        raise NotImplementedError

    def add(
        self, shape: Shape, title: str = "", details: tuple[str, ...] = (), pattern: str = ""
    ) -> str:
        """A box at the end of all open ways."""
        box = self.draft.add(shape, title, details, pattern)
        self.lead_to(box)
        self.ends = [(box, "")]
        return box

    def lead_to(self, box: str) -> None:
        """All open ways end in this box."""
        for start, told in self.ends:
            self.draft.join(start, box, told)
        self.ends = []

    # Which parts matter

    def step_name(self, call: ast.Call) -> str | None:
        """The step of the kit that is called; None for anything else."""
        function = call.func
        if not isinstance(function, ast.Attribute):
            return None
        name = function.attr
        if self.scope.is_me(function.value):
            return name if name in VERBS and name not in self.source.methods else None
        return name if name in ELSEWHERE else None

    def written(self, node: ast.expr) -> Written | None:
        """The author's method, or function that takes the journey, which is called or named."""
        function = node.func if isinstance(node, ast.Call) else node
        if isinstance(function, ast.Attribute) and self.scope.is_me(function.value):
            return self.source.methods.get(function.attr)
        if isinstance(node, ast.Call) and any(self.scope.is_me(each) for each in node.args):
            return function_of(self.scope.value(function))
        return None

    def has_steps(self, node: ast.AST) -> bool:
        """Whether a step happens somewhere in it."""
        if node not in self._known:
            self._known[node] = False  # while we look: a function that calls itself
            self._known[node] = any(
                self._leads_to_steps(call) for call in ast.walk(node) if isinstance(call, ast.Call)
            )
        return self._known[node]

    def _leads_to_steps(self, call: ast.Call) -> bool:
        if self.step_name(call):
            return True
        written = self.written(call)
        return written is not None and any(self.has_steps(one) for one in written.function.body)

    # Expressions

    def walk(self, node: ast.AST | None) -> None:
        """Follow an expression in the order in which it is evaluated."""
        if node is None or isinstance(node, ast.Lambda) or not self.has_steps(node):
            return
        if isinstance(node, ast.Call):
            self.call(node)
        elif isinstance(node, ast.IfExp):
            yes, no = self.branch(node.test)
            self.ends = yes
            self.walk(node.body)
            yes, self.ends = self.ends, no
            self.walk(node.orelse)
            self.ends += yes
        elif isinstance(node, ast.BoolOp):
            over = self._all_but_last(node)
            self.walk(node.values[-1])
            self.ends += over
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            self._comprehension(node)
        else:
            for child in ast.iter_child_nodes(node):
                self.walk(child)

    def _all_but_last(self, node: ast.BoolOp) -> Ends:
        """Where an `and` or `or` is settled before its last part."""
        over: Ends = []
        for part in node.values[:-1]:
            yes, no = self.branch(part)
            settled, self.ends = (yes, no) if isinstance(node.op, ast.Or) else (no, yes)
            over += settled
        return over

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> None:
        for generator in node.generators:
            self.walk(generator.iter)
            told = words(generator.iter, self.scope)
            if isinstance(generator.target, ast.Name):
                self.scope.words[generator.target.id] = f"each of {told}"
        for part in [node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            self.walk(part)

    def call(self, node: ast.Call) -> str | None:
        """Follow a call; answers the box if it is a step."""
        for argument in node.args:
            self.walk(argument)
        later = {word.arg: word.value for word in node.keywords if self._is_for_later(word.value)}
        for keyword in node.keywords:
            if keyword.arg not in later:
                self.walk(keyword.value)
        name = self.step_name(node)
        if name is not None:
            return self._step(node, name, later)
        written = self.written(node)
        if written and any(self.has_steps(one) for one in written.function.body):
            self.enter(written, node)
        return None

    def _is_for_later(self, node: ast.expr) -> bool:
        """Whether a step is given something to do, such as a fallback, instead of a value."""
        if isinstance(node, ast.Call):
            return ast.unparse(node.func).endswith("partial")
        return isinstance(node, ast.Lambda) or self.written(node) is not None

    def _do(self, node: ast.expr) -> None:
        """Follow what a step was given to do."""
        if isinstance(node, ast.Lambda):
            self.walk(node.body)
        elif isinstance(node, ast.Call):
            of = ast.Call(func=node.args[0], args=node.args[1:], keywords=node.keywords)
            self.walk(of)
        elif written := self.written(node):
            self.enter(written, None)

    def _step(self, node: ast.Call, name: str, later: Mapping[str | None, ast.expr]) -> str:
        verb, title, details = box_of(node, name, self.scope)
        pattern = stage_pattern(node, self.scope) if verb.shape in (Shape.STAGE, Shape.END) else ""
        known = self._endings(node) if verb.shape is Shape.END else ()
        if known:
            title, pattern = " or ".join(known), "|".join(map(re.escape, known))
        box = self.add(verb.shape, title, details, pattern)
        if verb.shape is Shape.END:
            self.ends = [(box, NEWS)] if any(one.arg == "unless" for one in node.keywords) else []
        if "via" in later:
            self._do(later["via"])
        for argument, todo in later.items():
            if argument != "via":
                told = verb.outcomes[1] if argument == "fallback" else str(argument)
                after, self.ends = self.ends, [(start, told) for start, _ in self.ends]
                self._do(todo)
                self.ends = [
                    (start, words or verb.outcomes[0]) for start, words in after
                ] + self.ends
        return box

    def _endings(self, node: ast.Call) -> tuple[str, ...]:
        """How a journey may end that takes it from a field, such as `course.outcome`."""
        ended = node.args[0] if node.args else None
        return self.source.literals(ended.attr) if isinstance(ended, ast.Attribute) else ()

    def enter(self, written: Written, call: ast.Call | None) -> list[tuple[Ends, bool | None]]:
        """Follow a function of the author's; answers its open ends by what is returned there."""
        for frame in self.frames:
            if frame.written == written:
                self.lead_to(frame.entry)
                return []
        scope = self._inside(written, call)
        entry = self.add(Shape.JOINT)
        stored = Counter(
            name.id
            for name in ast.walk(written.function)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        )
        once = frozenset(name for name, count in stored.items() if count == 1)
        self.frames.append(Frame(written=written, scope=scope, entry=entry, once=once))
        self.block(written.function.body)
        frame = self.frames.pop()
        returned = [*frame.returns, (self.ends, False)]
        self.ends = [end for ends, _ in returned for end in ends]
        return returned

    def _inside(self, written: Written, call: ast.Call | None) -> Scope:
        taken = written.function.args
        names = [one.arg for one in (*taken.posonlyargs, *taken.args)]
        me, *names = names or ["self"]
        scope = Scope(
            module=written.module,
            journey=self.source.journey,
            me=me,
            properties=self.source.properties,
        )
        if call is None:
            return scope
        args = [one for one in call.args if not self.scope.is_me(one)]
        given = dict(zip(names, args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        for name, node in given.items():
            value = self.scope.value(node)
            if value is not UNKNOWN:
                scope.values[name] = value
            else:
                scope.words[name] = words(node, self.scope)
        return scope
