"""Re-runs a recorded decision from its record, under its own bundle or another."""

from __future__ import annotations

import orjson

from engine.catalog import Bundle
from engine.decide import decide
from engine.propensity import Recorded
from engine.record import decision_of, request_of, snapshot_of
from engine.types import Candidate, Decision, Stage

_AFTER_SCORING = (Stage.PROPENSITY, Stage.ARBITRATION)


def replayed(record: bytes, bundle: Bundle) -> Decision:
    """The decision that the engine makes today from a record."""
    recorded = decision_of(record)
    scorer = Recorded(recorded.scores, scored(recorded))
    return decide(request_of(record), snapshot_of(record), bundle, scorer)


def scored(decision: Decision) -> tuple[str, ...]:
    """The actions that came as far as the models: nothing before them dropped these."""
    return tuple(one.action for one in decision.candidates if not _dropped_before(one))


def _dropped_before(candidate: Candidate) -> bool:
    return any(
        drop.stage not in _AFTER_SCORING and not drop.rule.startswith("level:")
        for drop in candidate.drops
    )


def identical(record: bytes, bundle: Bundle) -> bool:
    """Whether the engine still makes the same decision from a record, byte for byte."""
    kept = orjson.dumps(orjson.loads(record)["decision"])
    return orjson.dumps(replayed(record, bundle)) == kept
