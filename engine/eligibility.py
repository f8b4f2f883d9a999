"""The dates of an action, and the rules it must pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    return failed(action.rules, lookup)


def failed(rules: Iterable[Rule], lookup: Lookup, stage: Stage | None = None) -> Iterator[Drop]:
    """The rules that are false, or unknown and don't let that pass; told as of `stage` if given."""
    for rule in rules:
        passed = rule.condition.evaluate(lookup)
        if passed is True or (passed is None and rule.unknown_passes):
            continue
        detail = f"not known: {rule.because}" if passed is None else rule.because
        yield Drop(stage=stage or rule.stage, rule=rule.name, detail=detail)
