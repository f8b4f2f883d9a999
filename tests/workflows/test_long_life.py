"""Journeys on a real Temporal: continued as new, without a worker for a while, and in the UI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.support.journeys import Customer, World, a_lapsed_world
from workflows import steps
from workflows.interventions import Intervention, intervene
from workflows.routing import opening, routes
from workflows.search_attributes import register
from workflows.testing import Act

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASE = "complaint:1"
NOTED = Intervention(author="olivia", because="he moves in May", act=Act.NOTE)
TWO_DAYS_A_SECOND = 2 * 86_400.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    async with a_lapsed_world(lapse=TWO_DAYS_A_SECOND) as one:
        yield one


async def with_a_short_memory(customer: Customer, history_events: int) -> None:
    """A complaint that continues as new at nearly every step."""
    world = customer.world
    event = await customer.event("complaint.opened", case="1")
    await customer.placed(event)
    (route,) = routes(event)
    begun = replace(
        opening(world.site, event, world.bundle, route), history_events_maximum=history_events
    )
    await world.client.start_workflow(
        "complaint",
        begun,
        id=route.journey_id,
        task_queue=world.site.task_queue,
        static_summary="Complaint 1",
        start_signal=steps.EVENT,
        start_signal_args=[begun.event],
    )


async def test_continued_as_new_again_and_again_it_neither_repeats_nor_forgets(
    world: World,
) -> None:
    customer = world.customer()
    async with world.worker():
        await with_a_short_memory(customer, history_events=30)
        first = (await customer.journey(CASE).describe()).run_id
        await customer.in_stage(CASE, "escalated")
        for _ in range(5):
            await asyncio.sleep(0.5)
            await customer.has("complaint.opened", case="1")
        resolved = await customer.event("complaint.resolved", case="1")
        for _ in range(3):
            await customer.delivered(resolved)
        ending = await customer.journey(CASE).result()
        details = str(await customer.journey(CASE).query("__temporal_workflow_metadata"))
    assert "Complaint 1: closed" in details
    assert ending.ended == "closed"
    assert (await customer.journey(CASE).describe()).run_id != first
    assert customer.got == [
        "acknowledge-complaint",
        "complaint-escalated",
        "complaint-resolution-check",
    ]
    ids = [sent.message_id for sent in world.post.delivered if sent.customer == customer.reference]
    assert len(set(ids)) == len(ids)
    assert customer.held == []


async def test_what_operators_did_outlives_continuing_as_new(world: World) -> None:
    customer = world.customer()
    async with world.worker():
        await with_a_short_memory(customer, history_events=1)
        await customer.in_stage(CASE, "open")
        first = (await customer.journey(CASE).describe()).run_id
        until = await world.now() + timedelta(days=60)
        await customer.operator(CASE, Act.EXTEND, until=until)
        await customer.operator(CASE, Act.REASSIGN, to="Rita")
        await customer.operator(CASE, Act.OVERRIDE, choice="no-such-action")
        await intervene(world.client, customer.journey(CASE).id, NOTED, key="once")
        await customer.operator(CASE, Act.PAUSE)
        await customer.has("complaint.opened", case="1")
        standing = await customer.progress(CASE)
        assert standing.paused == "olivia (the customer called)"
        await customer.operator(CASE, Act.RESUME)
        async for _ in world.moments():
            if (await customer.journey(CASE).describe()).run_id != first:
                break
        standing = await customer.in_stage(CASE, "open")
        assert (standing.owner, standing.due) == ("Rita", until)
        again = await intervene(world.client, customer.journey(CASE).id, NOTED, key="once")
        assert "noted" not in again.words[-1], "it was noted before"
        taken_back = await customer.operator(CASE, Act.OVERRIDE)
        assert "override taken back" in taken_back.words[-1]
        await customer.operator(CASE, Act.CANCEL, because="opened by mistake")
        assert (await customer.journey(CASE).result()).ended == "cancelled"
    assert customer.held == []


async def test_without_a_worker_events_wait_and_none_is_lost(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.has("contract.renewal_due", due="2099-01-01")
    async with world.worker():
        await world.until(lambda: "acknowledge-complaint" in customer.got)
        await customer.in_stage("renewal:2099-01-01", "scheduled")
    await customer.has("complaint.resolved", case="1")
    async with world.worker():
        assert (await customer.journey(CASE).result()).ended == "closed"
    assert customer.got[0] == "acknowledge-complaint"
    assert customer.held == []


async def test_operators_see_what_it_is_where_it_stands_and_find_it(world: World) -> None:
    customer = world.customer()
    await customer.has("contract.renewal_due", due="2099-01-01")
    name = "renewal:2099-01-01"
    async with world.worker():
        await customer.in_stage(name, "scheduled")
        found = await customer.journey(name).describe()
        assert await found.static_summary() == "Renewal 2099-01-01"
        details = str(await customer.journey(name).query("__temporal_workflow_metadata"))
        assert "scheduled" in details
        assert "retention desk" in details
        assert "answer until 2098-12-03 00:00 UTC" in details
    query = (
        f'Customer = "{customer.reference}" AND Stage = "scheduled"'
        ' AND Due > "2098-01-01T00:00:00Z"'
    )
    listed: list[str] = []
    async for _ in world.moments():
        listed = [run.id async for run in world.client.list_workflows(query)]
        if listed:
            break
    assert listed == [f"renewal:{customer.reference}:2099-01-01"]


async def test_registering_the_search_attributes_again_changes_nothing(world: World) -> None:
    assert await register(world.client) == ()
