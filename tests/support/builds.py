"""Workers of several builds on a world's Temporal, as when a new version is deployed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.support.journeys import World
from workflows import deployments

DEPLOYMENT = "tactful"


@asynccontextmanager
async def a_build(world: World, build: str) -> AsyncGenerator[None]:
    """A worker of this build works for as long as the block lasts."""
    site = replace(world.site, worker_build=build, worker_deployment=DEPLOYMENT)
    async with replace(world, site=site).worker():
        await deployments.join(world.client, site)
        yield
