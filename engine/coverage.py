"""What the golden cases of a bundle exercise, and what none of them does. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine import covered_offers, covered_rules, covered_terms
from engine.catalog import Bundle
from engine.golden import Seen
from engine.played import Item, Played

__all__ = ["Item", "coverage"]


def coverage(bundle: Bundle, seen: Sequence[Seen]) -> tuple[Item, ...]:
    """Everything of a bundle that cases can exercise, with what is missing of each.

    What stops actions must stop one in a case that expects it, and let one pass in another; what
    is offered must be expected; what weighs must weigh in one case and not in another.
    """
    played = Played(bundle, seen)
    parts = (*covered_rules.PARTS, *covered_terms.PARTS, *covered_offers.PARTS)
    return tuple(item for part in parts for item in part(played))
