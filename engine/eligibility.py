"""The dates of an action, and the rules it must pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from engine.catalog import Action
from engine.logic import Lookup
from engine.types import Drop, Stage


def unavailable(action: Action, now: datetime) -> Drop | None:
    """Whether an action is outside its dates."""
    today = now.date()
    if action.starts is not None and today < action.starts:
        start = datetime.combine(action.starts, datetime.min.time(), now.tzinfo)
        return Drop(
            stage=Stage.AVAILABILITY,
            rule="starts",
            detail=f"it starts on {action.starts}",
            until=start,
        )
    if action.ends is not None and today > action.ends:
        return Drop(stage=Stage.AVAILABILITY, rule="ends", detail=f"it ended on {action.ends}")
    return None


def failed_rules(action: Action, lookup: Lookup) -> Iterator[Drop]:
    """The rules that an action does not pass, in stage order. Unknown counts as each rule says."""
    for rule in action.rules:
        passed = rule.condition(lookup)
        if passed is None:
            if not rule.unknown_passes:
                yield Drop(stage=rule.stage, rule=rule.name, detail=f"not known: {rule.because}")
        elif not passed:
            yield Drop(stage=rule.stage, rule=rule.name, detail=rule.because)
