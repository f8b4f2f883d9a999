"""What is asked, as bytes on the wire: decisions over HTTP, three commands of Redis."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from benchmarks.bundles import CHANNEL
from benchmarks.load import LOCALHOST
from engine.ledger import keys

PLACEMENTS = ({"name": "hero", "limit": 1}, {"name": "rail", "limit": 3})
CONTEXT = {"page": "billing"}


def asked(customer: str) -> bytes:
    """What is asked of each customer."""
    question = {
        "customer": customer,
        "channel": CHANNEL,
        "placements": PLACEMENTS,
        "context": CONTEXT,
        "deadline_ms": 10_000,
    }
    return orjson.dumps(question)


def question(customer: str) -> bytes:
    """A request for a decision."""
    body = asked(customer)
    head = (
        f"POST /v1/decisions HTTP/1.1\r\nHost: {LOCALHOST}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def pipeline(customer: str) -> bytes:
    """Three Redis commands on one customer in one write: marker, features, live state."""
    commands = (
        (b"GET", keys.MARKER.encode()),
        (b"HGETALL", keys.row_key(customer)),
        (b"HGETALL", keys.live(customer).encode()),
    )
    return b"".join(map(command, commands))


def command(words: Sequence[bytes]) -> bytes:
    r"""A command as Redis takes it.

    >>> command([b"GET", b"a"])
    b'*2\r\n$3\r\nGET\r\n$1\r\na\r\n'
    """
    parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
    return b"*%d\r\n" % len(words) + b"".join(parts)


def write(path: Path, requests: Iterable[bytes]) -> Path:
    """Keeps requests for the load generator."""
    path.write_bytes(b"\n".join(base64.b64encode(request) for request in requests))
    return path
