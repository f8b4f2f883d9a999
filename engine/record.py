"""The record of a decision: all the engine was given and what it answered, as bytes and back."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from engine.types import Decision, Request, Snapshot

VERSION = 1


def record(request: Request, snapshot: Snapshot, decision: Decision) -> bytes:
    """The record as JSON: `request`, `snapshot`, `decision` and in it the models' `scores`."""
    return orjson.dumps(
        {"version": VERSION, "request": request, "snapshot": snapshot, "decision": decision}
    )


def request_of(record: bytes) -> Request:
    """The request of a record."""
    return _adapter(Request).validate_python(orjson.loads(record)["request"])


def snapshot_of(record: bytes) -> Snapshot:
    """The snapshot of a record."""
    return _adapter(Snapshot).validate_python(orjson.loads(record)["snapshot"])


def decision_of(record: bytes) -> Decision:
    """The decision of a record."""
    return _adapter(Decision).validate_python(orjson.loads(record)["decision"])


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
