"""Re-runs a recorded decision from its record: under its own bundle, to prove it, or another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import orjson

from engine.catalog import Bundle
from engine.decide import decide
from engine.propensity import Recorded
from engine.record import Record, read
from engine.types import Candidate, Decision, Stage

MOST_DIFFERENCES = 20
_ABSENT = "absent"
_AFTER_SCORING = (Stage.PROPENSITY, Stage.ARBITRATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place, such as `placements.hero[0].priority`, with what was recorded and what is now."""

    where: str
    recorded: Any
    now: Any


def replayed(record: bytes, bundle: Bundle) -> Decision:
    """The decision that the engine makes today from a record."""
    return again(read(record), bundle)


def again(kept: Record, bundle: Bundle) -> Decision:
    """The decision that the engine makes today from what was recorded, with the recorded scores."""
    scores = kept.decision.scores
    scorer = Recorded(scores, () if scores.scored else scored(kept.decision))
    return decide(kept.request, kept.snapshot, bundle, scorer)


def scored(decision: Decision) -> tuple[str, ...]:
    """The actions that came as far as the models, where an old record does not name them."""
    return tuple(one.action for one in decision.candidates if not _dropped_before(one))


def _dropped_before(candidate: Candidate) -> bool:
    return any(
        drop.stage not in _AFTER_SCORING and not drop.rule.startswith("level:")
        for drop in candidate.drops
    )


def identical(record: bytes, bundle: Bundle) -> bool:
    """Whether the engine still makes the same decision from a record, byte for byte."""
    return same_bytes(record, replayed(record, bundle))


def same_bytes(record: bytes, decision: Decision) -> bool:
    """Whether a decision is the recorded one, byte for byte."""
    return orjson.dumps(decision) == orjson.dumps(orjson.loads(record)["decision"])


def differences(record: bytes, decision: Decision) -> tuple[Difference, ...]:
    """Where a decision differs from the recorded one: the first MOST_DIFFERENCES places."""
    kept = orjson.loads(record)["decision"]
    made = orjson.loads(orjson.dumps(decision))
    return tuple(islice(_differing("", kept, made), MOST_DIFFERENCES))


def _differing(where: str, kept: Any, made: Any) -> Iterator[Difference]:
    if isinstance(kept, dict) and isinstance(made, dict):
        old, new = cast("dict[str, Any]", kept), cast("dict[str, Any]", made)
        for name in dict.fromkeys((*old, *new)):
            inner = f"{where}.{name}" if where else name
            yield from _differing(inner, old.get(name, _ABSENT), new.get(name, _ABSENT))
        if list(old) != list(new) and old.keys() == new.keys():
            yield Difference(where=f"{where} (order)", recorded=list(old), now=list(new))
    elif isinstance(kept, list) and isinstance(made, list):
        older, newer = cast("list[Any]", kept), cast("list[Any]", made)
        for at in range(max(len(older), len(newer))):
            old_one = older[at] if at < len(older) else _ABSENT
            new_one = newer[at] if at < len(newer) else _ABSENT
            yield from _differing(f"{where}[{at}]", old_one, new_one)
    elif kept != made or type(kept) is not type(made):
        yield Difference(where=where, recorded=kept, now=made)
