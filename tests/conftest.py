"""One Valkey for the whole run, emptied for each test that asks for a ledger."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from hypothesis import settings

from engine.ledger import Ledger
from tests.support.ledgers import opened, reconcile, redis_says
from tests.support.outside import Outside, Receiver, outside, receiver
from tests.support.servers import Server, valkey

settings.register_profile(
    "tactful",
    deadline=None,  # speed is measured by benchmarks, not here
    derandomize=True,  # the same run everywhere
)
settings.load_profile("tactful")


LAPSE = 17_280


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A Valkey that no test stops."""
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def wiped_ledger(shared_valkey: Server, tmp_path: Path) -> AsyncGenerator[Ledger]:
    """A ledger whose Redis was wiped and not rebuilt."""
    async with opened(tmp_path, shared_valkey.url) as ledger:
        await redis_says(ledger, "FLUSHALL")
        yield ledger


@pytest.fixture
async def ledger(wiped_ledger: Ledger) -> Ledger:
    """A ledger whose Redis is reconciled: nothing happened yet."""
    await reconcile(wiped_ledger)
    return wiped_ledger


@pytest.fixture(scope="module")
def inbox() -> Generator[Receiver]:
    """Where the webhook of `stack` delivers."""
    with receiver() as one:
        yield one


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, inbox: Receiver) -> Generator[Outside]:
    """A whole stack, seen from outside, whose clock runs a day in five seconds."""
    with outside(tmp_path_factory.mktemp("stack"), lapse=LAPSE, webhook=inbox.url) as one:
        yield one
