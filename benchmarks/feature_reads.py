"""Feature reads alone: our reader beside Feast's, the same rows, one customer at a time."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from benchmarks.load import at_share
from engine.ledger import live
from engine.ledger.site import Site
from engine.types import FeatureRow
from feature_store.definitions import SERVICE, apply
from feature_store.online import OnlineReader
from feature_store.schema import ENTITY


class FeatureReads:
    """Both readers on one stack. `measure` may be called again and again."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._store = apply(site)
        self._service: Any = self._store.get_feature_service(SERVICE)

    def measure(self, customers: Sequence[str]) -> tuple[float, float]:
        """The median milliseconds of our reader and of Feast's `get_online_features`."""
        feast = [self._by_feast(customer) for customer in customers]
        ours = asyncio.run(self._by_us(customers))
        return 1000 * at_share(sorted(ours), 0.5), 1000 * at_share(sorted(feast), 0.5)

    def _by_feast(self, customer: str) -> float:
        start = time.perf_counter()
        found = self._store.get_online_features(
            features=self._service, entity_rows=[{ENTITY: customer}]
        ).to_dict()
        taken = time.perf_counter() - start
        if found["tenure_months"][0] is None:
            raise ValueError(f"Feast does not find {customer}")
        return taken

    async def _by_us(self, customers: Sequence[str]) -> list[float]:
        reader, client = OnlineReader(), live.connect(self._site.redis_url)
        try:
            await _read(reader, client, customers[0])
            return [await _timed(reader, client, customer) for customer in customers]
        finally:
            await live.close(client)


async def _timed(reader: OnlineReader, client: Redis, customer: str) -> float:
    start = time.perf_counter()
    row = await _read(reader, client, customer)
    taken = time.perf_counter() - start
    if "contract.tenure_months" not in row.values:
        raise ValueError(f"our reader does not find {customer}")
    return taken


async def _read(reader: OnlineReader, client: Redis, customer: str) -> FeatureRow:
    async with client.pipeline(transaction=False) as pipe:
        pipe.execute_command(*reader.command(customer))
        return reader.decode((await pipe.execute())[0])
