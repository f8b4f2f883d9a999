"""What is held: the live state of a customer in Redis, the memory of a process of the API."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from typing import Any, cast

from engine.ledger import Ledger, keys

CUSTOMERS = 20


async def customer_bytes(ledger: Ledger, customers: Sequence[str]) -> float:
    """The median of what Redis holds of each of these, in all keys that bear the customer's name
    but Feast's row. Records of decisions are not the customer's: they leave for the archive.
    """
    some = set(customers[:CUSTOMERS])
    rows = {keys.row_key(customer) for customer in some}
    held: dict[str, int] = defaultdict(int)
    async for key in cast(Any, ledger.redis.scan_iter(count=1_000)):
        customer = _of(key)
        if customer in some and key not in rows:
            held[customer] += await _size(ledger, key)
    return statistics.median(held[customer] for customer in some)


def _of(key: bytes) -> str:
    """The customer in a key's name: the last of its words."""
    return key.rpartition(b":")[2].decode(errors="replace")


async def _size(ledger: Ledger, key: bytes) -> int:
    asked = cast(Any, ledger.redis).execute_command("MEMORY USAGE", key, "SAMPLES", 0)
    return int(await cast(Awaitable[int], asked) or 0)
