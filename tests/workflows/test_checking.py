"""Before new code goes to work, it is tried on the journeys that run: on a real Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from api.cli import app
from api.commands_journeys import checked_lines
from tests.support.changed import ChangedComplaint, ChangedRenewal
from tests.support.journeys import World, a_lapsed_world
from workflows.checking import KEEP_KIND, KEEP_ORDER, KEEP_SHAPE, Checked, check
from workflows.onboarding import Onboarding
from workflows.renewal import Renewal
from workflows.worker import JOURNEYS

pytestmark = pytest.mark.asyncio(loop_scope="module")

RENEWAL = "renewal:2099-01-01"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    """Two complaints that slipped and a renewal, all running; no worker is there any more."""
    async with a_lapsed_world(lapse=2 * 86_400.0) as one:
        first, second = one.customer(), one.customer()
        async with one.worker():
            await first.has("complaint.opened", case="1")
            await second.has("complaint.opened", case="2")
            await first.has("contract.renewal_due", due="2099-01-01")
            await first.in_stage("complaint:1", "escalated")
            await second.in_stage("complaint:2", "escalated")
            await first.in_stage(RENEWAL, "scheduled")
        async for _ in one.moments():
            if (await checked(one, JOURNEYS)).running == 3:
                break
        yield one


async def checked(world: World, journeys: Sequence[type], limit: int = 10) -> Checked:
    """What the check finds with this code."""
    return await check(world.client, limit=limit, progress=unheard, journeys=journeys)


def unheard(done: int, of: int) -> None:
    """Progress that nobody looks at."""
    assert done <= of


async def test_code_that_has_not_changed_breaks_nothing(world: World) -> None:
    found = await checked(world, JOURNEYS)
    assert (found.running, found.replayed, found.broken) == (3, 3, ())
    assert list(checked_lines(found)) == ["3 of 3 running journeys replayed, none would break"]


async def test_steps_in_another_order_break_what_runs_and_it_says_where(world: World) -> None:
    found = await checked(world, [ChangedComplaint, Onboarding, Renewal])
    assert {broken.kind for broken in found.broken} == {"complaint"}
    assert len(found.broken) == 2
    for broken in found.broken:
        assert broken.where.startswith("event ")
        assert " in stage 'started'" in broken.where
        assert "Nondeterminism" in broken.why
        assert broken.remedy == KEEP_ORDER
    assert list(checked_lines(found))[-1].endswith("3 running journeys replayed, 2 would break")


async def test_a_journey_that_can_no_longer_read_its_input_breaks(world: World) -> None:
    found = await checked(world, [*JOURNEYS[:2], ChangedRenewal])
    (broken,) = found.broken
    assert broken.kind == "renewal"
    assert broken.remedy == KEEP_SHAPE


async def test_a_journey_whose_kind_is_gone_from_the_code_breaks(world: World) -> None:
    found = await checked(world, [journey for journey in JOURNEYS if journey is not Renewal])
    (broken,) = found.broken
    assert broken.journey.startswith("renewal:")
    assert broken.remedy == KEEP_KIND


async def test_a_limit_looks_at_each_kind_and_stage_first(world: World) -> None:
    found = await checked(world, [ChangedComplaint, ChangedRenewal], limit=2)
    assert found.replayed == 2
    assert {broken.kind for broken in found.broken} == {"complaint", "renewal"}


async def test_what_breaks_here_is_only_looked_at(world: World) -> None:
    await checked(world, [ChangedComplaint])
    async for run in world.client.list_workflows("ExecutionStatus = 'Running'"):
        described = await world.client.get_workflow_handle(run.id).describe()
        assert described.raw_description.pending_workflow_task.attempt <= 1


async def test_the_command_tells_it_by_its_exit_code(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = world.client.service_client.config.target_host
    given = {"TEMPORAL_ADDRESS": host, "DATA_DIR": str(tmp_path), "TASK_QUEUE": "any"}
    for name, value in given.items():
        monkeypatch.setenv(f"TACTFUL_{name}", value)
    command = ["journeys", "check"]
    whole = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert whole.exit_code == 0, whole.output
    assert "3 of 3 running journeys replayed, none would break" in whole.output
    monkeypatch.setattr(check, "__kwdefaults__", {"journeys": (ChangedComplaint, Renewal)})
    broken = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert broken.exit_code == 1, broken.output
    assert "2 would break" in broken.output
