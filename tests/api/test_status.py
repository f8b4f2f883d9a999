"""What is done for a customer, over HTTP and as a page: the journeys themselves are the source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import JourneysUnavailable
from tests.support.doors import JOURNEY, LATER, NOW, FakeDesk, FakeStack, a_run, a_standing, door
from workflows.life import Milestone

pytestmark = pytest.mark.asyncio

STATUS = "/v1/customers/alice/status"
SEEN = replace(a_run(), kind="onboarding")
STEP = Milestone(name="first <bill>", owner="team-a", due=LATER)
STANDING = a_standing(waiting_for="milestones first bill", milestones=(STEP,))


def a_stack() -> FakeStack:
    desk = FakeDesk(standing={JOURNEY: STANDING})
    return FakeStack(runs=(SEEN, replace(SEEN, id="renewal:c1", kind="renewal")), desk=desk)


async def test_a_customer_reads_what_is_next_who_sees_to_it_and_by_when() -> None:
    stack = a_stack()
    async with door(stack) as client:
        told = (await client.get(STATUS)).json()
    status = told["status"]
    assert len(status) == 1, "a renewal is not theirs to see"
    assert status[0]["about"] == "Your first weeks with us"
    assert (status[0]["who"], status[0]["when"]) == ("team-a", LATER.isoformat())
    assert status[0]["milestones"][0]["name"] == "first <bill>"
    assert "Next: milestones first bill, by" in status[0]["line"]
    assert "ExecutionStatus = 'Running'" in stack.queries[0][0]


async def test_everybody_reads_the_same_page_and_nothing_in_it_is_code() -> None:
    async with door(a_stack()) as client:
        reply = await client.get(f"{STATUS}/page")
    assert reply.headers["content-type"].startswith("text/html")
    assert "<h2>Your first weeks with us</h2>" in reply.text
    assert "first &lt;bill&gt;" in reply.text
    assert "not yet" in reply.text


async def test_without_a_worker_it_is_what_the_list_says() -> None:
    stack = a_stack()
    stack.desk.failures[JOURNEY] = JourneysUnavailable("no worker runs it")
    async with door(stack) as client:
        (status,) = (await client.get(STATUS)).json()["status"]
    assert (status["stage"], status["next"], status["milestones"]) == ("promised", "resolution", [])


async def test_with_nothing_open_the_page_says_so() -> None:
    async with door(FakeStack()) as client:
        assert (await client.get(STATUS)).json()["status"] == []
        page = await client.get(f"{STATUS}/page")
    assert "nothing open" in page.text
    assert f"{NOW:%Y-%m-%d}" in page.text
