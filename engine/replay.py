"""Re-runs a recorded decision from its record: under its own bundle, to prove it, or another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, cast

import orjson

from engine.catalog import Bundle
from engine.decide import decide
from engine.propensity import Recorded
from engine.record import Record, decision_of, read
from engine.types import Candidate, Decision, Stage

MOST_DIFFERENCES = 20
ABSENT = "absent"
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
    return orjson.dumps(decision) == orjson.dumps(decision_of(record))


def differences(record: bytes, decision: Decision) -> tuple[Difference, ...]:
    """Where a decision differs from the recorded one: the first MOST_DIFFERENCES places."""
    kept = orjson.loads(orjson.dumps(decision_of(record)))
    made = orjson.loads(orjson.dumps(decision))
    return tuple(islice(_differing("", kept, made), MOST_DIFFERENCES))


def _differing(where: str, kept: Any, made: Any) -> Iterator[Difference]:
    if type(kept) is not type(made):
        yield Difference(where=where, recorded=kept, now=made)
    elif isinstance(kept, dict):
        yield from _differing_names(where, cast("dict[str, Any]", kept), made)
    elif isinstance(kept, list):
        both = zip_longest(cast("list[Any]", kept), made, fillvalue=ABSENT)
        for at, (old, new) in enumerate(both):
            yield from _differing(f"{where}[{at}]", old, new)
    elif kept != made:
        yield Difference(where=where, recorded=kept, now=made)


def _differing_names(
    where: str, kept: Mapping[str, Any], made: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in dict.fromkeys((*kept, *made)):
        inner = f"{where}.{name}" if where else name
        yield from _differing(inner, kept.get(name, ABSENT), made.get(name, ABSENT))
    if list(kept) != list(made) and kept.keys() == made.keys():
        yield Difference(where=f"{where} (order)", recorded=list(kept), now=list(made))
