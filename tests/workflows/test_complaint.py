"""A complaint walks to each of its ends, whatever the order in which its events come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.support.journeys import World, a_world
from workflows.complaint import DESK, MANAGER

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(days=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with a_world() as one:
        yield one


async def test_a_resolved_complaint_is_acknowledged_checked_and_released_after_its_cool_down(
    world: World,
) -> None:
    customer = world.customer()
    reached = await customer.has("complaint.opened", case="4711", text="it is all broken")
    assert reached == (f"complaint:{customer.reference}:4711",)

    open_case = await customer.in_stage("complaint:4711", "open")
    assert open_case.owner == DESK
    assert open_case.waiting_for == "complaint.opened or complaint.reopened or complaint.resolved"
    assert customer.held == ["complaint:4711"]

    await customer.has("complaint.resolved", case="4711")
    cooling = await customer.in_stage("complaint:4711", "cooling down")
    assert cooling.due is not None
    assert cooling.due - await world.now() > 2 * DAY
    assert customer.held == ["complaint:4711"]

    ending = await customer.ending("complaint:4711")
    assert ending.ended == "closed"
    assert customer.held == []
    assert await world.book.journeys(customer.reference) == ()
    assert customer.got == ["acknowledge-complaint", "complaint-resolution-check"]
