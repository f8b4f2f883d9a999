"""One Valkey server for the tests of the feature store, emptied before each of them."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from engine.ledger.site import Site
from tests.support.ledgers import a_site
from tests.support.servers import Server, valkey


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
async def redis(server: Server) -> AsyncGenerator[Redis]:
    client = Redis.from_url(server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def site(server: Server, tmp_path: Path) -> Site:
    return a_site(tmp_path, server.url)
