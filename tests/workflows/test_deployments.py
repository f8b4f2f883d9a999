"""Two builds of the worker at once, on a real Temporal: who works for whom, and who moves on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentResponse,
)
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode
from typer.testing import CliRunner

from api.cli import app
from engine.errors import StackError
from tests.support.builds import DEPLOYMENT, a_build
from tests.support.journeys import Customer, World, a_lapsed_world
from workflows import deployments
from workflows.deployments import builds, make_current, ramp

RENEWAL = "renewal:2099-01-01"


@pytest_asyncio.fixture
async def world() -> AsyncGenerator[World]:
    async with a_lapsed_world(lapse=1.0) as one:
        yield one


async def somebody_renews(world: World) -> Customer:
    """A customer whose renewal waits for many years."""
    customer = world.customer()
    await customer.has("contract.renewal_due", due="2099-01-01")
    await customer.in_stage(RENEWAL, "scheduled")
    return customer


async def build_of(customer: Customer, name: str) -> str:
    """The build that works for a journey at present; empty for none in particular."""
    described = await customer.journey(name).describe()
    info = described.raw_description.workflow_execution_info.versioning_info
    return info.deployment_version.build_id


async def moves_to(customer: Customer, name: str, build: str) -> None:
    """Give a journey a moment to go on on another build."""
    async for _ in customer.world.moments():
        if await build_of(customer, name) == build:
            return
    raise AssertionError(f"{name} is not on {build} but on {await build_of(customer, name)!r}")


async def on_build(world: World, build: str) -> int:
    """How many journeys run on a build, as operators see it."""
    return next(one.journeys for one in await builds(world.client, DEPLOYMENT) if one.id == build)


async def test_without_a_build_nothing_is_pinned(world: World) -> None:
    assert deployments.config(world.site) is None
    async with world.worker():
        await deployments.join(world.client, world.site)
        assert await build_of(await somebody_renews(world), RENEWAL) == ""
    with pytest.raises(StackError, match="TACTFUL_WORKER_BUILD"):
        await builds(world.client, DEPLOYMENT)


async def test_what_runs_stays_on_its_build_new_ones_go_to_the_new_one(world: World) -> None:
    async with a_build(world, "1.0"):
        old = await somebody_renews(world)
        async with a_build(world, "1.1"):
            assert await build_of(await somebody_renews(world), RENEWAL) == "1.0"
            await make_current(world.client, DEPLOYMENT, "1.1")
            assert await build_of(await somebody_renews(world), RENEWAL) == "1.1"
            assert await build_of(old, RENEWAL) == "1.0", "nothing has woken it"
            async for _ in world.moments():
                if await on_build(world, "1.0") == 2:
                    break
            found = {one.id: one for one in await builds(world.client, DEPLOYMENT)}
            assert (found["1.1"].status, found["1.1"].share) == ("current", 100.0)
            assert (found["1.0"].status, found["1.0"].share) == ("draining", 0.0)
            assert (found["1.0"].journeys, found["1.1"].journeys) == (2, 1)


async def test_a_journey_moves_on_at_its_next_checkpoint_and_repeats_nothing(world: World) -> None:
    customer = world.customer()
    async with a_build(world, "1.0"):
        await customer.has("complaint.opened", case="1")
        await customer.in_stage("complaint:1", "open")
        first = (await customer.journey("complaint:1").describe()).run_id
        async with a_build(world, "1.1"):
            await make_current(world.client, DEPLOYMENT, "1.1")
            await customer.has("complaint.reopened", case="1")
            await moves_to(customer, "complaint:1", "1.1")
    async with a_build(world, "1.1"):  # the old build is gone, and nobody misses it
        await customer.has("complaint.resolved", case="1")
        await customer.in_stage("complaint:1", "cooling down")
        assert (await customer.journey("complaint:1").describe()).run_id != first
    assert customer.got == ["acknowledge-complaint", "complaint-resolution-check"]
    assert customer.held == ["complaint:1"]


@pytest.mark.long
async def test_what_began_without_builds_goes_on_on_the_first_build(world: World) -> None:
    async with world.worker():
        customer = await somebody_renews(world)
    async with a_build(world, "1.0"):
        await customer.has("milestone.reached", name="renewed")
        assert (await customer.journey(RENEWAL).result()).ended == "renewed"
        assert await build_of(customer, RENEWAL) == "1.0"


@pytest.mark.long
async def test_a_pinned_journey_waits_for_its_build_and_loses_nothing(world: World) -> None:
    async with a_build(world, "1.0"):
        customer = await somebody_renews(world)
    async with a_build(world, "1.1"):
        await make_current(world.client, DEPLOYMENT, "1.1")
        await customer.has("milestone.reached", name="renewed")
        other = await somebody_renews(world)
        assert await build_of(other, RENEWAL) == "1.1"
        described = await customer.journey(RENEWAL).describe()
        assert described.status is WorkflowExecutionStatus.RUNNING
        async with a_build(world, "1.0"):
            assert (await customer.journey(RENEWAL).result()).ended == "renewed"


@pytest.mark.long
async def test_a_share_of_new_journeys_tries_the_new_build(world: World) -> None:
    async with a_build(world, "1.0"), a_build(world, "1.1"):
        await ramp(world.client, DEPLOYMENT, "1.1", 100.0)
        assert await build_of(await somebody_renews(world), RENEWAL) == "1.1"
        await ramp(world.client, DEPLOYMENT, "1.1", 25.0)
        shares = {one.id: one.share for one in await builds(world.client, DEPLOYMENT)}
        assert shares == {"1.0": 75.0, "1.1": 25.0}


async def test_a_build_without_a_worker_is_not_deployed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_build(world, "1.0"):
        monkeypatch.setattr(deployments, "ATTEMPTS", 2)
        with pytest.raises(StackError, match=r"no worker of build '9\.9' is there"):
            await make_current(world.client, DEPLOYMENT, "9.9")


class BusyTemporal:
    """Tells its builds only to who asks a third time; current is 1.0."""

    def __init__(self) -> None:
        self.namespace = "default"
        self.workflow_service = self
        self.asked = 0

    async def describe_worker_deployment(
        self, request: DescribeWorkerDeploymentRequest
    ) -> DescribeWorkerDeploymentResponse:
        self.asked += 1
        if self.asked < 3:
            raise RPCError("too many requests", RPCStatusCode.RESOURCE_EXHAUSTED, b"")
        reply = DescribeWorkerDeploymentResponse()
        reply.worker_deployment_info.routing_config.current_deployment_version.build_id = "1.0"
        return reply


async def test_a_worker_that_starts_with_many_others_asks_until_temporal_has_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployments, "ATTEMPT_SECONDS", 0.0)
    busy = BusyTemporal()
    await deployments.join(cast(Client, busy), replace(world.site, worker_build="1.0"))
    assert busy.asked == 3


async def test_a_worker_of_a_build_that_is_not_current_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_build(world, "1.0"):
        assert caplog.messages == []
        with caplog.at_level(logging.WARNING, logger="workflows.deployments"):
            async with a_build(world, "1.1"):
                pass
    assert "new ones still go to 1.0 until `tactful journeys deploy 1.1`" in caplog.text


@pytest.mark.long
async def test_the_commands_show_the_builds_and_deploy_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACTFUL_TEMPORAL_ADDRESS", world.client.service_client.config.target_host)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path))

    async def told(*command: str) -> str:
        done = await asyncio.to_thread(CliRunner().invoke, app, ["journeys", *command])
        assert done.exit_code == 0, done.output
        return done.output

    async with a_build(world, "1.0"), a_build(world, "1.1"):
        assert "1.1 takes 25 % of the new journeys" in await told("deploy", "1.1", "--share", "25")
        assert "1.0  current   75 % of new journeys" in await told("builds")
        assert "1.1 takes all new journeys" in await told("deploy", "1.1")
        assert "1.1  current  100 % of new journeys" in await told("builds")
