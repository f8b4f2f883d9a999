"""A store of a million customers: copies of loaded ones, each with amounts and times of its own.

Redis itself copies a customer's row and live state, so both are exactly as Tactful wrote them;
then the values that differ from customer to customer are drawn anew.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis
from redis import Redis

from engine.errors import StackError
from engine.ledger import Ledger, keys, tables
from engine.ledger.references import reference
from feature_store.online import field_hash

SEED = 8
OWN = (
    ("billing", "monthly_charges", 120.0),
    ("billing", "total_charges", 8_000.0),
    ("behaviour", "spent_90d", 200.0),
    ("behaviour", "last_page_at", 500_000.0),
)
"""The features that are drawn anew: view, name, and how large they get."""

Pack = Callable[[tuple[bytes, ...]], bytes]

_COMMANDS = 4
_BATCH = 4_000
_PATIENCE_SECONDS = 120.0


def name_of(number: int) -> str:
    """The external id of a copy.

    >>> name_of(42)
    'copy-0000042'
    """
    return f"copy-{number:07}"


async def add_copies(
    ledger: Ledger, originals: Sequence[str], first: int, end: int, *, at_once: int = _BATCH
) -> None:
    """Copies number `first` up to `end`, by name in the journal and whole in Redis.

    Raises StackError when Redis does not take one, or keeps it otherwise than its original.
    """
    with socket.create_connection(_address(ledger), timeout=_PATIENCE_SECONDS) as connection:
        waiting = 0
        for start in range(first, end, at_once):
            rows = _names(ledger.site.key, start, min(start + at_once, end))
            await ledger.journal.write(
                lambda journal, rows=rows: journal.execute(tables.customers.insert(), rows)
            )
            connection.sendall(b"".join(_commands(originals, start, rows)))
            waiting = _expect(connection, waiting) + _COMMANDS * len(rows)
        _expect(connection, waiting)
    copied = reference(ledger.site.key, name_of(first))
    await _compare(ledger, originals[first % len(originals)], copied)


def _names(key: bytes, start: int, end: int) -> list[dict[str, str]]:
    names = [name_of(number) for number in range(start, end)]
    return [{"customer": reference(key, name), "external_id": name} for name in names]


def _commands(
    originals: Sequence[str], start: int, rows: Sequence[dict[str, str]]
) -> Iterator[bytes]:
    draw, pack = random.Random(SEED + start), cast(Pack, cast(Any, hiredis).pack_command)
    fields = [(field_hash(view, feature), most) for view, feature, most in OWN]
    for number, row in enumerate(rows, start):
        original, customer = originals[number % len(originals)], row["customer"]
        row_key = keys.row_key(customer)
        yield pack((b"COPY", keys.row_key(original), row_key))
        yield pack((b"COPY", keys.live(original).encode(), keys.live(customer).encode()))
        yield pack((b"COPY", keys.contacts(original).encode(), keys.contacts(customer).encode()))
        own = [
            word
            for name, most in fields
            for word in (name, b"\x29" + struct.pack("<d", most * draw.random()))
        ]
        yield pack((b"HSET", row_key, *own))


def _expect(connection: socket.socket, replies: int) -> int:
    """Takes so many replies, none of them an error; below zero: how many more it took."""
    while replies > 0:
        data = connection.recv(1 << 20)
        if not data or b"-" in data:
            raise StackError(f"Redis did not take a copy: {data[:200]!r}")
        replies -= data.count(b"\n")
    return replies


async def _compare(ledger: Ledger, original: str, copied: str) -> None:
    one, other = await ledger.state(original), await ledger.state(copied)
    row, copied_row = await _fields(ledger, original), await _fields(ledger, copied)
    if row != copied_row or (one.consents, one.contacts) != (other.consents, other.contacts):
        raise StackError("a copied customer is not what it was copied from")


async def _fields(ledger: Ledger, customer: str) -> set[bytes]:
    asked = cast(Any, ledger.redis).hkeys(keys.row_key(customer))
    return set(await cast(Awaitable[list[bytes]], asked))


def without_file(ledger: Ledger) -> None:
    """Stops writing the append-only file, for as long as many customers are written."""
    with _client(ledger) as client:
        client.config_set("appendonly", "no")


def with_file(ledger: Ledger) -> None:
    """Writes it again: whole at first. Raises StackError when that takes too long."""
    with _client(ledger) as client:
        client.config_set("appendonly", "yes")
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            found: dict[str, Any] = client.info("persistence")  # pyright: ignore[reportAssignmentType]
            if not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]:
                return
            time.sleep(0.1)
    raise StackError("the append-only file of the large store does not get written")


def _client(ledger: Ledger) -> Redis:
    return Redis.from_url(ledger.site.redis_url)  # pyright: ignore[reportUnknownMemberType]


def _address(ledger: Ledger) -> tuple[str, int]:
    parts = urlsplit(ledger.site.redis_url)
    return str(parts.hostname), int(parts.port or 0)
