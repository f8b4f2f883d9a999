"""A world for journeys on a real Temporal, without a worker: time runs by the wall."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio.testing import WorkflowEnvironment

from workflows.payloads import DATA_CONVERTER
from workflows.search_attributes import register
from workflows.skipping import binary
from workflows.testing import Customer, World, a_world, on

__all__ = ["Customer", "World", "a_lapsed_world", "a_world", "has_a_callback"]


@asynccontextmanager
async def a_lapsed_world(*, lapse: float) -> AsyncGenerator[World]:
    """A real Temporal without a worker: time runs by the wall, and the stack's clock faster."""
    env = await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType]
        dev_server_existing_path=binary("temporal"),
        dev_server_extra_args=[
            "--dynamic-config-value",
            'history.timerProcessorMaxTimeShift="5ms"',
        ],
        dev_server_log_level="error",
        data_converter=DATA_CONVERTER,
    )
    try:
        await register(env.client)
        yield await on(env, lapse)
    finally:
        await env.shutdown()


def has_a_callback(world: World, customer: Customer) -> bool:
    """Whether somebody is going to call a customer back."""
    running = world.book.running[customer.reference].values()
    return "callback" in {one.kind for one in running}
