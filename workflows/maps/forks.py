"""Following a journey's tests: each splits the way, by a step's outcome or by a question."""

from __future__ import annotations

import ast

from workflows.maps.chart import Shape
from workflows.maps.trail import Ends, Trail
from workflows.maps.vocabulary import VERBS, Verb
from workflows.maps.wording import question

PLUMBING = frozenset({"resumed"})
"""What a first run finds false: it is about long histories, not about the business."""


class Forks(Trail):
    """The way through tests."""

    def branch(self, test: ast.expr) -> tuple[Ends, Ends]:
        """Follow a test; answers the ways on for yes and for no."""
        if isinstance(test, ast.Await):
            return self.branch(test.value)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yes, no = self.branch(test.operand)
            return no, yes
        if isinstance(test, ast.BoolOp) and self.has_steps(test):
            over = self._all_but_last(test)
            yes, no = self.branch(test.values[-1])
            return (yes + over, no) if isinstance(test.op, ast.Or) else (yes, no + over)
        if isinstance(test, ast.Call):
            return self._branch_on_call(test)
        if isinstance(test, ast.Constant):
            return (self.ends, []) if test.value else ([], self.ends)
        return self._branch_on_outcome(test) or self._ask(test)

    def _branch_on_call(self, test: ast.Call) -> tuple[Ends, Ends]:
        name = ast.unparse(test.func).rpartition(".")[2]
        if name in PLUMBING or (name == "isinstance" and ast.unparse(test.args[1]) == "Ending"):
            return [], self.ends
        if self.step_name(test):
            box = self.call(test)
            if box and self.ends == [(box, "")]:
                return self._outcomes(box, VERBS[name])
            return self._ask(test)
        written = self.written(test)
        if written is None or not self.has_steps(test):
            return self._ask(test)
        returned = self.enter(written, test)
        self.ends = [end for ends, truth in returned if truth is None for end in ends]
        yes, no = self._ask(test) if self.ends else ([], [])
        yes += [end for ends, truth in returned if truth for end in ends]
        return yes, no + [end for ends, truth in returned if truth is False for end in ends]

    def _outcomes(self, box: str, verb: Verb) -> tuple[Ends, Ends]:
        return [(box, verb.outcomes[0])], [(box, verb.outcomes[1])]

    def _branch_on_outcome(self, test: ast.expr) -> tuple[Ends, Ends] | None:
        found = self._about_outcome(test)
        if found is None:
            return None
        box, positive = found
        verb = next(verb for one, verb in self.frame.bound.values() if one == box)
        if self.ends == [(box, "")]:
            yes, no = self._outcomes(box, verb)
        else:
            asked = self.add(Shape.QUESTION, f"{verb.outcomes[0]}?")
            yes, no = [(asked, "yes")], [(asked, "no")]
        return (yes, no) if positive else (no, yes)

    def _about_outcome(self, test: ast.expr) -> tuple[str, bool] | None:
        """The step whose outcome is tested, and whether the test is for its good end."""
        if isinstance(test, ast.Name) and test.id in self.frame.bound:
            return self.frame.bound[test.id][0], True
        if isinstance(test, ast.Attribute) and test.attr == "out":
            return self._about_outcome(test.value)
        if isinstance(test, ast.UnaryOp):
            found = self._about_outcome(test.operand)
            return found and (found[0], not found[1])
        if isinstance(test, ast.Compare):
            _, swapped = question(test, self.scope)
            is_none = ast.unparse(test).endswith(("is None", "is not None"))
            found = self._about_outcome(test.left) if is_none else None
            return found and (found[0], found[1] is not swapped)
        if isinstance(test, ast.BoolOp):
            parts = {self._about_outcome(part) for part in test.values}
            found = parts.pop() if len(parts) == 1 else None
            return found if found and found[1] is isinstance(test.op, ast.And) else None
        return None

    def _ask(self, test: ast.expr) -> tuple[Ends, Ends]:
        if not isinstance(test, ast.Call):
            self.walk(test)
        told, swapped = question(test, self.scope)
        box = self.add(Shape.QUESTION, f"{told}?")
        yes: Ends = [(box, "yes")]
        no: Ends = [(box, "no")]
        return (no, yes) if swapped else (yes, no)
