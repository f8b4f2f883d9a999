"""The rule language: restricted Python expressions, compiled once to closures, three-valued.

Names are dotted (`contract.type`) and looked up whole; a name without a value is *unknown* (None).
Conditions follow Kleene's logic: `unknown or True` is true, `unknown and True` is unknown. What has
no sense at run time, such as `"a" < 1` or a division by zero, is unknown too: nothing ever raises.
The past is asked by verbs: `ignored("mortgage", 3, days=30)`, `times_ignored("mortgage", days=30)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.compiler import Compiler, Kind
from engine.errors import RuleError
from engine.grammar import parse
from engine.history import Asked, asked
from engine.logic import Evaluate, Lookup
from engine.types import Scalar

__all__ = ["Expression", "Kind", "Lookup", "RuleError", "compile_expression", "history_days"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled rule or value. Call it with a lookup; None is unknown. Equal if text and kind are.

    `names` are all the names it may look up: dotted ones as written, and `history.verb:what:days`
    for what it asks of the past, such as `history.ignored:mortgage:30`: how often that happened.
    """

    text: str
    kind: Kind
    names: frozenset[str] = field(compare=False)
    evaluate: Evaluate = field(compare=False, repr=False)

    def __call__(self, lookup: Lookup) -> Scalar:
        return self.evaluate(lookup)

    @property
    def history(self) -> tuple[Asked, ...]:
        """What it asks of the past, in order."""
        return tuple(sorted(found for name in self.names if (found := asked(name)) is not None))

    def __reduce__(self) -> tuple[Callable[[str, Kind], Expression], tuple[str, Kind]]:
        return compile_expression, (self.text, self.kind)


def compile_expression(text: str, kind: Kind = Kind.ANY) -> Expression:
    """Check and compile `text`. Asked for a condition or a number, any other kind is refused.

    Raises RuleError.

    >>> rule = compile_expression("contract.tenure_months >= 12 and billing.monthly_charges < 80")
    >>> rule({"contract.tenure_months": 24, "billing.monthly_charges": 70.5}.get)
    True
    >>> rule({"contract.tenure_months": 3}.get)
    False
    >>> rule({"contract.tenure_months": 24}.get) is None
    True
    """
    tree = parse(text)
    compiler = Compiler()
    part = compiler.asked_for(tree, kind)
    return Expression(text, kind, frozenset(compiler.names), part.evaluate)


def history_days(expression: Expression) -> int:
    """How many days an expression looks back at most; 0 if it asks nothing of the past.

    >>> history_days(compile_expression('ignored("*", 3, days=30) or sent("renewal", days=90)'))
    90
    """
    return max((asked.days for asked in expression.history), default=0)
