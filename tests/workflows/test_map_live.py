"""A live map counts who is where, and tells the ways that people took: on a real Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from typer.testing import CliRunner

from api.cli import app
from tests.support.journeys import Customer, World, a_lapsed_world
from workflows import steps
from workflows.complaint import Complaint
from workflows.maps.live import Live, lines, look, with_counts
from workflows.maps.pages import drawn, files
from workflows.renewal import Renewal
from workflows.routing import opening, routes
from workflows.search_attributes import KIND

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO_DAYS_A_SECOND = 2 * 86_400.0
CHART = drawn(Complaint)


async def slipped(customer: Customer, case: str) -> None:
    """A complaint that nobody answers in time."""
    await customer.has("complaint.opened", case=case)
    await customer.in_stage(f"complaint:{case}", "escalated")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    """Three complaints slipped: one is closed by now, one terminated, one open. A renewal waits."""
    async with a_lapsed_world(lapse=TWO_DAYS_A_SECOND) as one:
        closed, ended, still = one.customer(), one.customer(), one.customer()
        async with one.worker():
            await asyncio.gather(slipped(closed, "1"), slipped(ended, "2"), slipped(still, "3"))
            await ended.journey("complaint:2").terminate()
            await still.has("contract.renewal_due", due="2099-01-01")
            await still.in_stage("renewal:2099-01-01", "scheduled")
            await closed.has("complaint.resolved", case="1")
            await closed.journey("complaint:1").result()
        async for _ in one.moments():
            if (found := await look(one.client, CHART, sample=0)).running == 1 and found.all == 3:
                break
        yield one


async def test_it_counts_who_is_where_now(world: World) -> None:
    found = await look(world.client, CHART, sample=0)
    assert (found.running, found.all, found.read) == (1, 3, 0)
    assert found.stages == {"escalated": 1}


async def test_it_counts_a_stage_that_the_code_does_not_spell_out(world: World) -> None:
    found = await look(world.client, drawn(Renewal), sample=10)
    assert found.stages == {"scheduled": 1}
    assert dict(found.ways) == {("started", "scheduled", "…"): 1}


async def test_it_tells_the_ways_that_people_took_and_how_many_were_read(world: World) -> None:
    found = await look(world.client, CHART, sample=10)
    assert found.read == 3
    ways = sorted(found.ways, key=lambda way: way[-1])
    ended, closed, still = ways
    assert closed[-2:] == ("cooling down", "closed")
    assert still[-2:] == ("escalated", "…")
    assert ended[-2:] == ("escalated", "(terminated)")
    told = list(lines(found))
    assert told[0] == "complaint: 1 running; 3 of 3 histories read"
    assert any("cooling down → closed" in line for line in told)


async def test_a_sample_is_half_closed_and_never_larger_than_asked(world: World) -> None:
    found = await look(world.client, CHART, sample=2)
    assert (found.read, found.all) == (2, 3)
    assert sum(way[-1] == "…" for way in found.ways) == 1


async def test_it_tells_how_long_people_stay_by_the_clock_of_the_stack(world: World) -> None:
    found = await look(world.client, CHART, sample=10, lapse=TWO_DAYS_A_SECOND)
    stay = found.usual_stay("cooling down")
    assert stay is not None
    assert stay > timedelta(hours=12), "days for the stack, a moment on the wall"
    assert found.usual_stay("closed") is None, "nobody leaves an end"
    assert any(
        line.startswith("  usually") and line.endswith("in cooling down") for line in lines(found)
    )
    chart = with_counts(CHART, found)
    end = next(box for box in chart.boxes if box.title == "closed")
    assert not any("usually" in one for one in end.details)


async def test_stages_and_ends_carry_their_counts(world: World) -> None:
    chart = with_counts(CHART, await look(world.client, CHART, sample=10))
    boxes = {box.title: box.details for box in chart.boxes}
    assert any(one.startswith("1 now, 3 of 3 came through") for one in boxes["escalated"])
    assert "0 now, 1 of 3 came through" in boxes["closed"]
    told = "escalated: 1 now, 3 of 3 came through"
    assert any(one.startswith(told) for one in boxes["escalated or open"])
    assert boxes["never opened"] == ("resolved, but never opened",)


async def forgetful(customer: Customer, case: str) -> None:
    """A complaint that continues as new at nearly every step."""
    world = customer.world
    event = await customer.event("complaint.opened", case=case)
    await customer.placed(event)
    (route,) = routes(event)
    begun = replace(opening(world.site, event, world.bundle, route), history_events_maximum=20)
    await world.client.start_workflow(
        "complaint",
        begun,
        id=route.journey_id,
        task_queue=world.site.task_queue,
        start_signal=steps.EVENT,
        start_signal_args=[begun.event],
        search_attributes=TypedSearchAttributes([SearchAttributePair(KIND, "complaint")]),
    )


async def test_a_journey_that_continued_as_new_took_one_way(world: World) -> None:
    customer = world.customer()
    async with world.worker():
        await forgetful(customer, "4")
        first = (await customer.journey("complaint:4").describe()).run_id
        await customer.in_stage("complaint:4", "escalated")
        await customer.has("complaint.resolved", case="4")
        await customer.journey("complaint:4").result()
    assert (await customer.journey("complaint:4").describe()).run_id != first
    found = await look(world.client, CHART, sample=20)
    async for _ in world.moments():
        if found.all == 4:
            break
        found = await look(world.client, CHART, sample=20)
    ways = [way for way, count in found.ways.items() if way[-1] == "closed" for _ in range(count)]
    assert len(ways) == 2
    for way in ways:
        assert "escalated" in way
        assert all(one != other for one, other in pairwise(way)), "no stage is told twice"


async def test_the_command_writes_pages_with_what_happened(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACTFUL_TEMPORAL_ADDRESS", world.client.service_client.config.target_host)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path))
    command = ["journeys", "map", "complaint", "--live", "--out", str(tmp_path / "maps")]
    done = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert done.exit_code == 0, done.output
    assert "complaint: 1 running; 4 of 4 histories read" in done.stderr
    page = (tmp_path / "maps" / "complaint.md").read_text()
    assert "1 are running. 4 of 4 histories were read." in page
    assert "cooling down → closed |" in page
    assert not (tmp_path / "maps" / "README.md").exists()


async def test_only_the_ways_most_taken_are_told() -> None:
    ways = {("started", f"stage {number}"): number for number in range(1, 14)}
    live = Live(kind="complaint", running=0, all=91, read=91, stages={}, ways=ways)
    told = list(lines(live))
    assert told[1] == "      13 went started → stage 13"
    assert told[-1] == "  and 3 other ways"
    page = files(Complaint, CHART, live)["complaint.md"]
    assert page.endswith("And 3 other ways.\n")
