"""The pulse of the first month walks to each of its ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from workflows.pulse import LEAD, NOTICE, PATH, TEAM
from workflows.testing import Act, Customer, FakeOutcome, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PULSE = "pulse"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NAMES = [name for name, _ in PATH]


async def a_month_later(world: World) -> Customer:
    """A customer who joined thirty days ago, and whose call is announced."""
    customer = world.customer()
    await customer.starts(PULSE, "customer.joined")
    await customer.in_stage(PULSE, "first month")
    await world.pass_time(30 * DAY + HOUR)
    await customer.in_stage(PULSE, "about to call")
    return customer


async def called(world: World) -> Customer:
    customer = await a_month_later(world)
    await world.pass_time(NOTICE)
    await customer.in_stage(PULSE, "calling")
    return customer


async def answered(world: World, choice: str) -> Customer:
    customer = await called(world)
    await customer.operator(PULSE, Act.ANSWER, choice=choice)
    return customer


async def test_joining_opens_it_and_nothing_is_said_for_a_month(world: World) -> None:
    customer = world.customer()
    reached = await customer.has("customer.joined")
    assert set(reached) == {f"{kind}:{customer.reference}" for kind in ("onboarding", PULSE)}
    standing = await customer.in_stage(PULSE, "first month")
    assert standing.owner == TEAM
    assert standing.due is not None
    assert standing.due - await world.now() > 29 * DAY
    await world.pass_time(29 * DAY)
    assert not [action for action in customer.got if "pulse" in action]


async def test_a_call_is_announced_made_and_followed_by_status_and_survey(world: World) -> None:
    customer = await answered(world, "all is well")
    await customer.in_stage(PULSE, "asking how it was")
    assert customer.got == ["pulse-call", "pulse-call", "pulse-status", "pulse-survey"]
    await customer.tells(PULSE, "feedback.given", score=9)
    ending = await customer.ending(PULSE)
    assert (ending.ended, ending.because) == ("completed", "all is well; survey: 9")


async def test_without_an_answer_to_the_survey_it_ends_all_the_same(world: World) -> None:
    customer = await answered(world, "wants no call")
    ending = await customer.ending(PULSE)
    assert (ending.ended, ending.because) == ("completed", "wants no call; survey: no answer")


async def test_who_wants_to_is_guided_step_by_step(world: World) -> None:
    customer = await answered(world, "wants to be guided")
    standing = await customer.in_stage(PULSE, "guided path")
    assert [one.name for one in standing.milestones] == NAMES
    for name in reversed(NAMES):
        await customer.has("milestone.reached", name=name)
    await customer.in_stage(PULSE, "asking how it was")
    assert "pulse-path" in customer.got
    assert "pulse-next-step" not in customer.got
    assert (await customer.ending(PULSE)).ended == "completed"


async def test_each_step_that_slips_is_recalled_once_and_is_a_gap_in_the_end(
    world: World,
) -> None:
    customer = await answered(world, "wants to be guided")
    await customer.in_stage(PULSE, "guided path")
    await customer.has("milestone.reached", name=NAMES[1])
    ending = await customer.ending(PULSE)
    assert ending.ended == "completed with gaps"
    assert ending.gaps == tuple(
        f"{name}: {LEAD}, not reached in time" for name in (NAMES[0], NAMES[2])
    )
    assert customer.got.count("pulse-next-step") == 2


def callback_of(world: World, customer: Customer) -> str:
    """The callback that it has booked."""
    (found,) = [one for one in world.book.running[customer.reference] if "callback" in one]
    return f"callback:{found.rpartition(':')[2]}"


async def test_who_is_not_reached_is_called_back(world: World) -> None:
    customer = await answered(world, "not reached")
    await customer.in_stage(PULSE, "calling back")
    await world.until(lambda: "callback-booked" in customer.got)
    name = callback_of(world, customer)
    await world.pass_time(HOUR)
    await customer.in_stage(name, "calling")
    await customer.operator(name, Act.ANSWER, choice="reached")
    await customer.in_stage(PULSE, "asking how it was")
    assert (await customer.ending(PULSE)).because == "all is well; survey: no answer"


async def test_who_is_never_reached_is_a_gap_with_an_owner(world: World) -> None:
    customer = await called(world)
    ending = await customer.ending(PULSE)
    assert ending.ended == "completed with gaps"
    assert ending.gaps == (f"the call: {LEAD}, four calls in vain",)
    assert "callback-missed" in customer.got


async def test_an_open_complaint_is_over_before_anybody_calls(world: World) -> None:
    customer = world.customer()
    await customer.starts(PULSE, "customer.joined")
    await customer.in_stage(PULSE, "first month")
    await customer.has("complaint.opened", case="1")
    await world.pass_time(33 * DAY)
    standing = await customer.in_stage(PULSE, "first month")
    assert standing.waiting_for == "the end of hold complaint:1"
    await customer.has("complaint.resolved", case="1")
    await customer.ending("complaint:1")
    await world.until(lambda: "pulse-call" in customer.got)
    await customer.in_stage(PULSE, "about to call")


async def test_a_complaint_that_takes_too_long_leaves_the_customer_in_peace(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.starts(PULSE, "customer.joined")
    await customer.in_stage(PULSE, "first month")
    await world.pass_time(59 * DAY)
    assert (await customer.ending(PULSE)).ended == "left in peace"
    assert not [action for action in customer.got if "pulse" in action]


async def test_a_survey_that_may_not_be_sent_does_not_stop_it(world: World) -> None:
    customer = await called(world)
    refused = FakeOutcome(status="refused", reason="consent")
    world.post.refusals = {"email": refused, "whatsapp": refused}
    try:
        await customer.operator(PULSE, Act.ANSWER, choice="all is well")
        ending = await customer.ending(PULSE)
    finally:
        world.post.refusals = {}
    assert ending.because == "all is well; survey: no answer"
    assert any("did not go out: consent" in w for w in (await customer.progress(PULSE)).words)
