"""Records the histories that tests/workflows/test_replay.py replays.

    python -m tests.histories.record FOLDER

Histories of a released version are never recorded again: they stand for journeys that still run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from tests.support.journeys import Customer, World, a_world

DAY = timedelta(days=1)


async def complaint_closed(world: World, customer: Customer) -> str:
    """Opened, late, resolved, reopened, resolved, closed."""
    await customer.has("complaint.opened", case="1", severity="high")
    await customer.in_stage("complaint:1", "open")
    await world.pass_time(3 * DAY)
    await customer.has("complaint.resolved", case="1")
    await customer.in_stage("complaint:1", "cooling down")
    await customer.has("complaint.reopened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.has("complaint.resolved", case="1")
    await customer.ending("complaint:1")
    return "complaint:1"


async def complaint_open(world: World, customer: Customer) -> str:
    """Opened and escalated, still running."""
    await customer.has("complaint.opened", case="2")
    await customer.in_stage("complaint:2", "open")
    await world.pass_time(4 * DAY)
    await customer.in_stage("complaint:2", "escalated")
    return "complaint:2"


async def onboarding_with_gaps(world: World, customer: Customer) -> str:
    """Two milestones reached, two slipped."""
    await customer.has("customer.joined")
    await customer.has("milestone.reached", name="set-up-done")
    await customer.has("milestone.reached", name="activated")
    await customer.ending("onboarding")
    return "onboarding"


async def renewal_after_complaint(world: World, customer: Customer) -> str:
    """Held by a complaint, then renewed."""
    await customer.has("complaint.opened", case="3")
    await customer.in_stage("complaint:3", "open")
    due = (await world.now() + 25 * DAY).date().isoformat()
    name = f"renewal:{due}"
    await customer.has("contract.renewal_due", due=due)
    await customer.in_stage(name, "about to approach")
    await customer.has("complaint.resolved", case="3")
    await customer.ending("complaint:3")
    await customer.in_stage(name, "approached")
    await customer.has("milestone.reached", name="renewed")
    await customer.ending(name)
    return name


Story = Callable[[World, Customer], Awaitable[str]]
STORIES: tuple[Story, ...] = (
    complaint_closed,
    complaint_open,
    onboarding_with_gaps,
    renewal_after_complaint,
)


async def record(folder: Path) -> None:
    """Live through each story and keep its history."""
    async with a_world() as world:
        for story in STORIES:
            customer = world.customer()
            name = await story(world, customer)
            history = await customer.journey(name).fetch_history()
            (folder / f"{story.__name__}.json").write_text(history.to_json() + "\n")


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1])))
