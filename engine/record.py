"""The record of a decision: what the engine was given and what it answered, sealed, and back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from engine.layout import (
    decision_laid_out,
    decision_read,
    request_laid_out,
    snapshot_laid_out,
    snapshot_read,
)
from engine.types import Decision, Request, Snapshot

UNSEALED_VERSION = 1
VERSION = 3
_LABEL = b"tactful: seal of decision records"
_BEFORE, _AFTER = b',"seal":"', b'"}'
_DIGITS = 64
_SEAL_BYTES = len(_BEFORE) + _DIGITS + len(_AFTER)


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
            "request": request_laid_out(request),
            "snapshot": snapshot_laid_out(snapshot),
            "decision": decision_laid_out(decision, request.channel),
        }
    )
    return whole if key is None else _sealed(whole[:-1], key)


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
    kept = orjson.loads(record)
    try:
        whole = {
            "request": kept["request"],
            "snapshot": snapshot_read(kept["snapshot"]),
            "decision": decision_read(kept["decision"], kept["request"]["channel"]),
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no record of a decision: {error!r}") from None
    return _adapter(Record).validate_python(whole)


def request_of(record: bytes) -> Request:
    """The request of a record."""
    return read(record).request


def snapshot_of(record: bytes) -> Snapshot:
    """The snapshot of a record."""
    return read(record).snapshot


def decision_of(record: bytes) -> Decision:
    """The decision of a record."""
    return read(record).decision


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
