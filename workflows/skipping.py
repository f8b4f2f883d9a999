"""A Temporal for tests in which time skips to whatever is due next."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from workflows.payloads import DATA_CONVERTER
from workflows.search_attributes import TYPES


def binary(name: str) -> str:
    """A program of the virtual environment."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert found, f"{name} is not installed: run `make setup`"
    return found


@asynccontextmanager
async def time_skipping() -> AsyncGenerator[WorkflowEnvironment]:
    """A time-skipping Temporal that knows the search attributes, ended with the block."""
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=binary("temporal-test-server"),
        data_converter=DATA_CONVERTER,
    )
    try:
        add = AddSearchAttributesRequest(namespace=env.client.namespace, search_attributes=TYPES)
        await env.client.operator_service.add_search_attributes(add)
        yield env
    finally:
        await env.shutdown()


@asynccontextmanager
async def unlocked(client: Client) -> AsyncGenerator[None]:
    """Time runs from one due moment to the next for as long as the block lasts."""
    await client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
    try:
        yield
    finally:
        await client.test_service.lock_time_skipping(LockTimeSkippingRequest())
