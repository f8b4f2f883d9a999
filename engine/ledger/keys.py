"""The names of all Redis keys. A customer's keys share the cluster slot of their Feast row."""

from __future__ import annotations

import binascii
import struct
from functools import cache, lru_cache

from engine.ledger import base32

SLOTS = 16_384
_FEAST_PROJECT = b"tactful"
_STRING = 2
_ROW_HEAD = struct.pack("<III8sI", 1, _STRING, 8, b"customer", _STRING)

MARKER = "tactful:reconciled"
"""Present while Redis is known to hold all that journal and Temporal hold: `run id:rebuild id`."""
REBUILDING = "tactful:rebuilding"
DECISIONS = "tactful:decisions"
"""The stream of decision records that are not archived yet."""

WORDS = "tactful:words"
"""Hash: what contacts are about, by the code that each of them carries; never of one customer."""
EVIDENCE = "tactful:evidence"
"""Hash: how many answers each action has had on each channel."""


def row_key(customer: str) -> bytes:
    """The key of a customer's row in Feast: the entity key (version 3), then the project's name."""
    name = customer.encode()
    return _ROW_HEAD + struct.pack("<I", len(name)) + name + _FEAST_PROJECT


def slot(key: bytes) -> int:
    """The Redis Cluster slot of a key without hash tag: CRC16 (XMODEM) modulo 16,384."""
    return binascii.crc_hqx(key, 0) % SLOTS


@cache
def _tags() -> tuple[str, ...]:
    tags: dict[int, str] = {}
    number = 0
    while len(tags) < SLOTS:
        text, rest = "", number
        while True:
            text += base32.ALPHABET[rest % 32]
            rest //= 32
            if not rest:
                break
        tags.setdefault(slot(text.encode()), text)
        number += 1
    return tuple(tags[n] for n in range(SLOTS))


@lru_cache(maxsize=65_536)
def tag(customer: str) -> str:
    """The hash tag that puts a customer's live keys into the slot of their Feast row."""
    return _tags()[slot(row_key(customer))]


def live(customer: str) -> str:
    """Hash: version, holds, consents, journeys, deliveries in flight, units kept, the session."""
    return f"{{{tag(customer)}}}l:{customer}"


def contacts(customer: str) -> str:
    """String: the contacts, in order of the stack's clock; see contacts.py."""
    return f"{{{tag(customer)}}}c:{customer}"


def answer(customer: str, request_id: str) -> str:
    """The answer kept under a request id, or the claim of the call that computes it."""
    return f"{{{tag(customer)}}}q:{request_id}"


def guard(request_id: str) -> str:
    """The digest of the body that first used a request id."""
    return f"tactful:request:{request_id}"


def decision(decision_id: str) -> str:
    """Where in the stream a decision is, until it is archived; its slot is part of its id."""
    return f"{{{_tags()[base32.decode(decision_id[10:13]) % SLOTS]}}}d:{decision_id}"


def volume(bucket: str) -> str:
    """Sorted set of the units of a volume, scored by the milliseconds at which each is free."""
    return f"tactful:volume:{bucket}"


@lru_cache(maxsize=65_536)
def slot_code(customer: str) -> str:
    """The customer's slot as three characters, by which a decision id leads back to its keys."""
    return base32.encode(slot(row_key(customer)), 3)
