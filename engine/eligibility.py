"""The dates of an action, and the rules it must pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, tzinfo

from engine.catalog import Action, Rule
from engine.logic import Lookup
from engine.types import Drop, Stage


def unavailable(action: Action, now: datetime, calendar: tzinfo) -> Drop | None:
    """Whether an action is outside its dates, both of which are inside, on this calendar."""
    if action.starts is None and action.ends is None:
        return None
    today = now.astimezone(calendar).date()
    if action.starts is not None and today < action.starts:
        start = datetime.combine(action.starts, time.min, calendar).astimezone(UTC)
        detail = f"it starts on {action.starts}"
        return Drop(stage=Stage.AVAILABILITY, rule="starts", detail=detail, until=start)
    if action.ends is not None and today > action.ends:
        return Drop(stage=Stage.AVAILABILITY, rule="ends", detail=f"it ended on {action.ends}")
    return None


def failed_rules(action: Action, lookup: Lookup) -> Iterator[Drop]:
    """The rules that an action does not pass, in stage order. Unknown counts as each rule says."""
    for rule in action.rules:
        if rule.condition.evaluate(lookup) is not True:
            drop = failed(rule, rule.stage, lookup)
            if drop is not None:
                yield drop


def failed(rule: Rule, stage: Stage, lookup: Lookup) -> Drop | None:
    """Why one rule stops what it is about: it is false, or unknown and does not let that pass."""
    passed = rule.condition(lookup)
    if passed is True or (passed is None and rule.unknown_passes):
        return None
    detail = f"not known: {rule.because}" if passed is None else rule.because
    return Drop(stage=stage, rule=rule.name, detail=detail)
