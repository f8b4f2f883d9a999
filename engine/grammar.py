"""How rule text is read: Python's own parser, limits on size, literals and dotted names."""

from __future__ import annotations

import ast
import re
import warnings

from engine.errors import RuleError
from engine.history import LONGEST_DAYS, MOST_TIMES, VERBS, Asked, is_what
from engine.types import Scalar

LONGEST_TEXT = 1_000
DEEPEST_NESTING = 30
LARGEST_NUMBER = 1e12
MOST_NAME_PARTS = 4
TIMES = "times_"
"""In front of a verb of the past: how often, instead of whether."""
FUNCTIONS = ("abs", "known", "max", "min", "round")
HISTORY = (*VERBS, *(f"{TIMES}{verb}" for verb in VERBS))
ALLOWED = (
    "allowed are and, or, not, comparisons, in (...), + - * /, `a if condition else b`, numbers, "
    "strings, True, False, names such as billing.monthly_charges, and "
    + ", ".join((*FUNCTIONS, *VERBS))
)
_NAME_PART = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def parse(text: str) -> ast.expr:
    """The tree of `text`, or RuleError if it is no expression, too long or too deep."""
    if len(text) > LONGEST_TEXT:
        raise RuleError(
            f"an expression may have {LONGEST_TEXT} characters, this one has {len(text)}"
        )
    if not text.strip():
        raise RuleError("the expression is empty; write one such as `contract.tenure_months >= 6`")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(" ".join(text.splitlines()).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "too deep, or no text"
        raise RuleError(f"`{short(text)}` can't be read: {reason}; {ALLOWED}") from None
    if _depth(tree) > DEEPEST_NESTING:
        raise RuleError(
            f"`{short(text)}` is nested deeper than {DEEPEST_NESTING} levels; split it into rules"
        )
    return tree


def _depth(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def short(text: str) -> str:
    """`text` on one line, cut to what fits a message."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def refusal(node: ast.expr, why: str) -> RuleError:
    """The error that shows the piece and says why it is refused."""
    return RuleError(f"`{short(ast.unparse(node))}`: {why}")


def literal(node: ast.expr) -> str | int | float | bool:
    """The value written there: a string, a number (also a negative one), True or False."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(node.operand)
        if isinstance(value, str | bool):
            raise refusal(node, "only a number can be negative")
        return -value
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str | int | float):
        raise refusal(node, "a number, a string, True or False is needed here")
    value = node.value
    if not isinstance(value, str) and value > LARGEST_NUMBER:
        raise refusal(node, f"numbers may be at most {LARGEST_NUMBER:.0f}")
    return value


def choices(node: ast.expr) -> tuple[Scalar, ...]:
    """The values listed after `in`."""
    if not isinstance(node, ast.Tuple | ast.List | ast.Set) or not node.elts:
        raise refusal(node, 'after `in` comes a list of values, such as ("DSL", "Fiber optic")')
    return tuple(literal(element) for element in node.elts)


def dotted(node: ast.expr) -> str:
    """The flat lookup name of `view.feature`."""
    parts: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        raise refusal(node, "names are words joined by dots, such as contract.type")
    parts.append(inner.id)
    if not 2 <= len(parts) <= MOST_NAME_PARTS:
        raise refusal(node, "a name has a view and a feature, such as contract.type")
    if not all(_NAME_PART.fullmatch(part) for part in parts):
        raise refusal(node, "names start with a letter and have letters, digits and _ only")
    return ".".join(reversed(parts))


def question(verb: str, call: ast.Call) -> tuple[Asked, int]:
    """What `ignored("mortgage", 3, days=30)` asks of the past, and how often it must have been.

    `times_ignored("mortgage", days=30)` asks for the number itself.
    """
    counted = verb.startswith(TIMES)
    days = [keyword.value for keyword in call.keywords if keyword.arg == "days"]
    if (
        not 1 <= len(call.args) <= (1 if counted else 2)
        or len(days) != 1
        or len(call.keywords) != 1
    ):
        often = "" if counted else ", 3"
        raise refusal(call, f'write {verb}("mortgage"{often}, days=30)')
    what = literal(call.args[0])
    if not isinstance(what, str) or not is_what(what):
        why = 'needs the name of an action, a group or a purpose in quotes, or "*" for anything'
        raise refusal(call, f"{verb} {why}")
    times = _whole(call, call.args[1], "the number of times", MOST_TIMES) if call.args[1:] else 1
    looks_back = _whole(call, days[0], "days", LONGEST_DAYS)
    return Asked(verb.removeprefix(TIMES), what, looks_back), times


def _whole(call: ast.Call, node: ast.expr, what: str, most: int) -> int:
    value = literal(node)
    if type(value) is not int or not 1 <= value <= most:
        raise refusal(call, f"{what} must be a whole number from 1 to {most}")
    return value
