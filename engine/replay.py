"""Re-runs a recorded decision from its record, under its own bundle or another."""

from __future__ import annotations

import orjson

from engine.catalog import Bundle
from engine.decide import decide
from engine.propensity import Recorded
from engine.record import decision_of, request_of, snapshot_of
from engine.types import Decision


def replayed(record: bytes, bundle: Bundle) -> Decision:
    """The decision that the engine makes today from a record."""
    recorded = decision_of(record)
    return decide(request_of(record), snapshot_of(record), bundle, Recorded(recorded.scores))


def identical(record: bytes, bundle: Bundle) -> bool:
    """Whether the engine still makes the same decision from a record, byte for byte."""
    kept = orjson.dumps(orjson.loads(record)["decision"])
    return orjson.dumps(replayed(record, bundle)) == kept
