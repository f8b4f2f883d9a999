"""The dates of an action, and the rules it must pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo

from engine.catalog import Action, Rule
from engine.logic import Evaluate, Lookup
from engine.types import Drop, Scalar, Stage


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


@dataclass(frozen=True, slots=True)
class Hurdle:
    """A rule with what it drops an action for: the same objects in every decision."""

    condition: Evaluate
    unknown_passes: bool
    failed: Drop
    unknown: Drop


def hurdle(rule: Rule) -> Hurdle:
    """A rule of an action, ready to be asked."""
    drops = (
        Drop(stage=rule.stage, rule=rule.name, detail=detail)
        for detail in (rule.because, f"not known: {rule.because}")
    )
    return Hurdle(rule.condition.evaluate, rule.unknown_passes, *drops)


def failed_rules(hurdles: Iterable[Hurdle], verdicts: Mapping[Evaluate, Scalar]) -> Iterator[Drop]:
    """The rules that an action does not pass, in stage order. Unknown counts as each rule says."""
    for one in hurdles:
        passed = verdicts[one.condition]
        if passed is True:
            continue
        if passed is not None:
            yield one.failed
        elif not one.unknown_passes:
            yield one.unknown


def failed(rule: Rule, stage: Stage, lookup: Lookup) -> Drop | None:
    """Why one rule stops what it is about: it is false, or unknown and does not let that pass."""
    passed = rule.condition(lookup)
    if passed is True or (passed is None and rule.unknown_passes):
        return None
    detail = f"not known: {rule.because}" if passed is None else rule.because
    return Drop(stage=stage, rule=rule.name, detail=detail)
