"""What the tests of journeys share: a Temporal that skips time, with all journeys on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest_asyncio

from workflows.testing import World, a_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    """One for each file: its customers are strangers to each other."""
    async with a_world() as one:
        yield one
