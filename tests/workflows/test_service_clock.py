"""A service clock on a real Temporal: its one timer moves with what happens in the case."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.worker import Replayer, Worker

from engine.service_clocks import Step, start
from engine.service_runs import Happening, Mark
from engine.service_terms import Target
from tests.support.clocked import Clocked
from tests.support.hours import ALWAYS
from tests.support.promises import a_promise
from workflows.testing import World, a_world
from workflows.worker import sandbox

MINUTE = timedelta(minutes=1)


async def lived(world: World) -> None:
    """A case that waits for its customer, is late, and is resolved after two levels."""
    opened = await world.now()
    clock = start(a_promise(Target.FIRST_RESOLUTION), ALWAYS, opened)
    case = await world.client.start_workflow(Clocked.run, clock, id="case", task_queue="clocks")

    async def happens(what: Happening, after: int) -> None:
        await case.signal(Clocked.happened, Mark(opened + after * MINUTE, what))

    await world.pass_time(10 * MINUTE)
    await happens(Happening.WAITING, 10)
    assert await case.query(Clocked.state) == "paused"
    await world.pass_time(30 * MINUTE)
    await happens(Happening.CUSTOMER_ANSWERED, 40)
    await happens(Happening.WAITING, 10)
    await world.pass_time(37 * MINUTE)
    assert await case.query(Clocked.state) == "due soon"
    await world.pass_time(53 * MINUTE)
    assert await case.query(Clocked.state) == "breached"
    await happens(Happening.RESOLVED, 130)
    taken = await case.result()
    assert [(due.step, due.level, due.at - opened) for due in taken] == [
        (Step.WARN, "", 75 * MINUTE),
        (Step.BREACH, "", 90 * MINUTE),
        (Step.ESCALATE, "first", 90 * MINUTE),
        (Step.ESCALATE, "second", 120 * MINUTE),
    ]
    history = await case.fetch_history()
    await Replayer(
        workflows=[Clocked],
        workflow_runner=sandbox(),
        data_converter=world.client.data_converter,
    ).replay_workflow(history)


@pytest.mark.asyncio
async def test_waiting_for_the_customer_moves_the_timer_and_each_step_comes_at_its_time() -> None:
    async with (
        a_world() as world,
        Worker(world.client, task_queue="clocks", workflows=[Clocked], workflow_runner=sandbox()),
    ):
        await lived(world)
