"""A worker as `tactful worker` runs it, with the walks of the benchmark beside all journeys."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from api.settings import load_settings, site
from benchmarks.bare_walks import BareWalk
from benchmarks.walks import Walk
from engine.channels.delivery import Adapter, Delivery, Message
from workflows.parts import Parts
from workflows.worker import JOURNEYS, open_adapters, run

TOLD = "benchmark:told"
"""The list in Redis that gets the id of a journey each time a message of it is out."""


class Telling:
    """A channel as it is, whose customers are told of to the benchmark: they answer."""

    def __init__(self, adapter: Adapter, redis: Redis) -> None:
        self.repeat = adapter.repeat
        self._adapter = adapter
        self._redis = redis

    async def deliver(self, message: Message) -> Delivery:
        """Deliver the message, then tell whose it was."""
        delivery = await self._adapter.deliver(message)
        await cast(Awaitable[Any], self._redis.rpush(TOLD, message.journey))
        return delivery


@asynccontextmanager
async def telling(parts: Parts) -> AsyncGenerator[Mapping[str, Adapter]]:
    """The ways out of a worker, each of which tells."""
    async with open_adapters(parts) as adapters:
        redis = parts.ledger.redis
        yield {name: Telling(adapter, redis) for name, adapter in adapters.items()}


def main() -> None:
    """`python -m benchmarks.walk_worker READY_FILE`: works until it is stopped."""
    ready = Path(sys.argv[1])
    place = site(load_settings({}))
    journeys = (*JOURNEYS, Walk, BareWalk)
    asyncio.run(run(place, ready.touch, journeys=journeys, adapters=telling))


if __name__ == "__main__":
    main()
