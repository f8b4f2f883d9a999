"""The record of a decision: what the engine was given and what it answered, sealed, and back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from engine.types import Candidate, Decision, Request, Snapshot, Stage

UNSEALED_VERSION = 1
VERSION = 2
_LABEL = b"tactful: seal of decision records"
_BEFORE, _AFTER = b',"seal":"', b'"}'
_DIGITS = 64
_SEAL_BYTES = len(_BEFORE) + _DIGITS + len(_AFTER)
_OF_THE_BUNDLE = frozenset(
    (Stage.CHANNEL, Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY, Stage.CONSENT)
)
_FIELDS = tuple(field.name for field in fields(Decision))
_MOST = 2_048
_kept: dict[int, tuple[Candidate, orjson.Fragment]] = {}


class Seal(StrEnum):
    """`intact`: not one byte has changed since it was written; `tampered`: at least one has.

    `unsealed`: it was written without a seal, so nobody can say.
    """

    INTACT = "intact"
    UNSEALED = "unsealed"
    TAMPERED = "tampered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record, read."""

    request: Request
    snapshot: Snapshot
    decision: Decision


def seal_key(key: bytes) -> bytes:
    """The key of the seals, derived from the key of a stack; neither leads to the other's uses."""
    return hmac.digest(key, _LABEL, hashlib.sha256)


def record(
    request: Request, snapshot: Snapshot, decision: Decision, key: bytes | None = None
) -> bytes:
    """The record as JSON: `request`, `snapshot`, `decision` and in it the models' `scores`.

    With the key of the seals it ends in a `seal`: HMAC-SHA256 over all bytes before it.
    """
    version = UNSEALED_VERSION if key is None else VERSION
    whole = orjson.dumps(
        {
            "version": version,
            "request": request,
            "snapshot": snapshot,
            "decision": _laid_out(decision),
        }
    )
    return whole if key is None else _sealed(whole[:-1], key)


def _laid_out(decision: Decision) -> dict[str, Any]:
    """A decision as it is written, with what was written before in place of lasting candidates."""
    found = {name: getattr(decision, name) for name in _FIELDS}
    found["candidates"] = [_written(one) for one in decision.candidates]
    return found


def _written(candidate: Candidate) -> Candidate | orjson.Fragment:
    """A candidate that the bundle alone stopped is the same object in many decisions."""
    drops = candidate.drops
    if len(drops) != 1 or drops[0].stage not in _OF_THE_BUNDLE or candidate.propensity is not None:
        return candidate
    kept = _kept.get(id(candidate))
    if kept is None or kept[0] is not candidate:
        if len(_kept) >= _MOST:
            _kept.clear()
        kept = _kept[id(candidate)] = (candidate, orjson.Fragment(orjson.dumps(candidate)))
    return kept[1]


def _sealed(body: bytes, key: bytes) -> bytes:
    digest = hmac.digest(key, body, "sha256").hex().encode()
    return b"".join((body, _BEFORE, digest, _AFTER))


def verify(record: bytes, key: bytes) -> bool:
    """Whether a record carries a seal of this key, and every byte is as it was written."""
    return hmac.compare_digest(_sealed(record[:-_SEAL_BYTES], key), record)


def seal_of(record: bytes, key: bytes, decision_id: str | None = None) -> Seal:
    """What the seal of a record says; a record in another decision's place is tampered with."""
    if verify(record, key):
        kept = orjson.loads(record)["decision"]["decision_id"]
        return Seal.INTACT if decision_id in (None, kept) else Seal.TAMPERED
    try:
        parsed: Mapping[str, Any] = orjson.loads(record)
        unsealed = parsed["version"] == UNSEALED_VERSION and "seal" not in parsed
    except (ValueError, KeyError, TypeError):
        return Seal.TAMPERED
    return Seal.UNSEALED if unsealed else Seal.TAMPERED


def read(record: bytes) -> Record:
    """A record of any version. Raises ValueError where it can't be read."""
    return _adapter(Record).validate_python(orjson.loads(record))


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
