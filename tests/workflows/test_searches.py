"""The saved searches on a real Temporal: they find what they say, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.journeys import Customer, World, a_lapsed_world
from workflows.routing import KINDS, opening, routes
from workflows.searches import STUCK_DAYS, Search, View
from workflows.starting import URGENCY, start
from workflows.testing import Act

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASE = "complaint:1"
RENEWAL = "renewal:2099-01-01"
TWO_DAYS_A_SECOND = 2 * 86_400.0
OPERATIONS = Path(__file__).parent.parent.parent / "docs" / "operations.md"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    async with a_lapsed_world(lapse=TWO_DAYS_A_SECOND) as one:
        yield one


async def found(customer: Customer, search: Search) -> set[str]:
    """The kinds of this customer's journeys that a search finds now."""
    query = f"{search.query(await customer.world.now())} AND Customer = '{customer.reference}'"
    runs = [run.id async for run in customer.world.client.list_workflows(query)]
    return {run.partition(":")[0] for run in runs}


async def comes_to(customer: Customer, search: Search, kinds: set[str]) -> bool:
    """Whether a search finds these journeys of a customer after a while."""
    async for _ in customer.world.moments():
        if await found(customer, search) == kinds:
            return True
    return False


async def somebody(world: World) -> Customer:
    """A customer with a complaint that is open, and with a renewal that waits for its day."""
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.has("contract.renewal_due", due="2099-01-01")
    return customer


async def test_what_is_paused_shows_and_is_late_once_its_deadline_has_passed(world: World) -> None:
    customer, found_here = world.customer(), {"renewal"}
    await customer.has("contract.renewal_due", due="2099-01-01")
    async with world.worker():
        await customer.in_stage(RENEWAL, "scheduled")
        assert await found(customer, Search(view=View.ATTENTION)) == set()
        due = await world.now() + timedelta(days=8)
        await customer.operator(RENEWAL, Act.EXTEND, until=due)
        await customer.operator(RENEWAL, Act.PAUSE)
        assert await comes_to(customer, Search(view=View.ATTENTION), found_here)
        assert await comes_to(customer, Search(attention="paused"), found_here)
        assert await comes_to(customer, Search(view=View.LATE), found_here)
        assert await comes_to(customer, Search(view=View.STUCK, days=3), found_here)
        await customer.operator(RENEWAL, Act.RESUME)
        assert await comes_to(customer, Search(view=View.ATTENTION), set())
        assert await comes_to(customer, Search(view=View.STUCK, days=3650), set())


async def test_what_no_worker_has_looked_at_is_stuck_after_some_days(world: World) -> None:
    customer = await somebody(world)
    assert await found(customer, Search(view=View.STUCK, days=30)) == set()
    assert await comes_to(customer, Search(view=View.STUCK, days=3), {"complaint", "renewal"})
    async with world.worker():
        await customer.in_stage(RENEWAL, "scheduled")
        assert await comes_to(customer, Search(view=View.STUCK, days=3650), set())
        assert await comes_to(customer, Search(view=View.STUCK, kind="renewal", days=0), set())


async def test_an_owner_is_found_whatever_the_name_is(world: World) -> None:
    customer = await somebody(world)
    async with world.worker():
        await customer.in_stage(RENEWAL, "scheduled")
        for owner in ("Rita O'Neill", "Æsa (2nd level); 100 %"):
            await customer.operator(RENEWAL, Act.REASSIGN, to=owner)
            assert await comes_to(customer, Search(owner=owner), {"renewal"}), owner
        assert await found(customer, Search(owner="Rita")) == set()


async def urgency_of(customer: Customer, name: str) -> tuple[int, str]:
    """How urgent Temporal takes a journey to be, and among which others it takes its turn."""
    described = await customer.journey(name).describe()
    priority = described.raw_description.workflow_execution_info.priority
    return priority.priority_key, priority.fairness_key


async def test_a_complaint_goes_before_what_can_wait(world: World) -> None:
    customer = await somebody(world)
    assert await urgency_of(customer, CASE) == (1, "complaint")
    assert await urgency_of(customer, RENEWAL) == (5, "renewal")


async def test_every_kind_that_has_an_urgency_exists() -> None:
    assert set(URGENCY) <= set(KINDS)


async def test_it_does_so_after_it_continued_as_new(world: World) -> None:
    customer = world.customer()
    event = await customer.event("complaint.opened", case="1")
    await customer.placed(event)
    (route,) = routes(event)
    begun = replace(opening(world.site, event, world.bundle, route), history_events_maximum=1)
    queue, patience = world.site.task_queue, timedelta(seconds=5)
    await start(
        world.client, queue, begun, first=begun.event, memo={}, again=True, patience=patience
    )
    first = (await customer.journey(CASE).describe()).run_id
    async with world.worker():
        await customer.has("complaint.opened", case="1")
        async for _ in world.moments():
            if (await customer.journey(CASE).describe()).run_id != first:
                break
    assert (await customer.journey(CASE).describe()).run_id != first
    assert await urgency_of(customer, CASE) == (1, "complaint")


async def test_the_documents_give_the_same_searches(world: World) -> None:
    now = (await world.now()).replace(year=2026, month=12, day=24, hour=0, minute=0, second=0)
    text = OPERATIONS.read_text()
    for view in View:
        query = Search(view=view).query(now)
        assert query.replace("JourneyKind IS NOT NULL AND ", "") in text
    assert timedelta(days=STUCK_DAYS) == timedelta(weeks=1), "as the document says"
