"""Onboarding walks to each of its ends: all milestones, or gaps with an owner and a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from workflows.onboarding import LEAD, PLAN, TEAM
from workflows.testing import Act, Customer, FakeOutcome, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NAMES = [name for name, _, _ in PLAN]
OUTREACH = "outreach for activated"


async def a_newcomer(world: World) -> Customer:
    customer = world.customer()
    await customer.has("customer.joined", name="Jane Doe")
    await customer.in_stage("onboarding", "towards activated")
    return customer


async def test_it_begins_with_a_welcome_and_a_plan_with_owners_and_dates(world: World) -> None:
    customer = await a_newcomer(world)
    standing = await customer.progress("onboarding")
    assert customer.got == ["welcome-message"]
    assert [plan.name for plan in standing.milestones] == NAMES
    assert {plan.owner for plan in standing.milestones} == {TEAM}
    days = [(plan.due - await world.now()).days for plan in standing.milestones]
    assert days == [2, 6, 13, 20]
    history = await customer.journey("onboarding").fetch_history()
    assert "Jane" not in history.to_json()


async def test_milestones_reached_in_any_order_and_twice_complete_it(world: World) -> None:
    customer = await a_newcomer(world)
    for name in (*reversed(NAMES), *NAMES, "something else"):
        await customer.has("milestone.reached", name=name)
    assert (await customer.ending("onboarding")).ended == "completed"
    assert customer.got == ["welcome-message"]
    assert "onboarding" not in {one.kind for one in await world.book.journeys(customer.reference)}


async def test_a_milestone_is_recalled_the_day_before_it_is_due(world: World) -> None:
    customer = await a_newcomer(world)
    await world.pass_time(2 * DAY + HOUR)
    await world.until(lambda: customer.got == ["welcome-message", "set-up-guide"])


async def test_a_reached_milestone_is_not_recalled(world: World) -> None:
    customer = await a_newcomer(world)
    await customer.has("milestone.reached", name="activated")
    await customer.in_stage("onboarding", "towards set-up-done")
    await world.pass_time(5 * DAY)
    await customer.in_stage("onboarding", "towards set-up-done")
    assert customer.got == ["welcome-message"]


async def test_when_a_milestone_slips_a_person_reaches_out_within_24_hours(world: World) -> None:
    customer = await a_newcomer(world)
    joined = await world.now()
    await world.pass_time(3 * DAY + HOUR)
    await world.until(lambda: "onboarding-check-in" in customer.got)
    outreach = next(
        sent
        for sent in world.post.delivered
        if sent.customer == customer.reference and sent.action == "onboarding-check-in"
    )
    assert outreach.channel == "call"
    assert outreach.at - joined < 4 * DAY


async def test_what_stays_open_is_a_gap_with_an_owner_and_a_reason(world: World) -> None:
    customer = await a_newcomer(world)
    for name in NAMES[:3]:
        await customer.has("milestone.reached", name=name)
    ending = await customer.ending("onboarding")
    assert ending.ended == "completed with gaps"
    why = "nobody reached out within 24 hours, a callback is booked"
    assert ending.gaps == (f"checked-in: {LEAD}, {why}",)


async def test_an_outreach_that_nobody_takes_is_a_callback_after_24_hours(world: World) -> None:
    customer = await a_newcomer(world)
    await world.pass_time(3 * DAY + HOUR)
    standing = await customer.in_stage("onboarding", OUTREACH)
    assert standing.due is not None
    assert standing.due - await world.now() <= 23 * HOUR
    assert "callback" not in await kinds(world, customer)
    await world.pass_time(DAY)
    await customer.says("onboarding", "onboarding team did not take over: not taken in time")
    assert (await customer.in_stage("onboarding", "towards activated")).owner == LEAD
    assert "callback" in await kinds(world, customer)
    await customer.ending("onboarding")
    assert customer.got.count("callback-booked") == 2, "one letter and one call, however many slip"


async def test_an_outreach_that_somebody_takes_needs_no_callback(world: World) -> None:
    customer = await a_newcomer(world)
    await world.pass_time(3 * DAY + HOUR)
    await customer.in_stage("onboarding", OUTREACH)
    await customer.operator("onboarding", Act.ANSWER, choice="taken")
    await world.pass_time(DAY)
    await customer.in_stage("onboarding", "towards activated")
    assert "callback" not in await kinds(world, customer)


async def test_a_milestone_that_is_reached_meanwhile_needs_no_outreach(world: World) -> None:
    customer = await a_newcomer(world)
    await world.pass_time(3 * DAY + HOUR)
    await customer.in_stage("onboarding", OUTREACH)
    await customer.has("milestone.reached", name="activated")
    await customer.in_stage("onboarding", "towards set-up-done")
    assert "callback" not in await kinds(world, customer)


async def kinds(world: World, customer: Customer) -> set[str]:
    """The kinds of journeys that run for a customer."""
    return {one.kind for one in await world.book.journeys(customer.reference)}


async def test_a_milestone_that_is_reached_late_is_no_gap(world: World) -> None:
    customer = await a_newcomer(world)
    for name in NAMES[:3]:
        await customer.has("milestone.reached", name=name)
    await world.pass_time(21 * DAY + HOUR)
    await customer.has("milestone.reached", name="checked-in")
    assert (await customer.ending("onboarding")).ended == "completed"


async def test_an_outreach_that_must_wait_goes_out_within_the_24_hours(world: World) -> None:
    customer = await a_newcomer(world)
    quiet_until = await world.now() + 3 * DAY + 10 * HOUR
    world.post.refusals = {
        "call": FakeOutcome(status="refused", reason="quiet hours", until=quiet_until)
    }
    await world.pass_time(3 * DAY + HOUR)
    assert "onboarding-check-in" not in customer.got
    world.post.refusals = {}
    await world.pass_time(12 * HOUR)
    await world.until(lambda: "onboarding-check-in" in customer.got)


async def test_an_outreach_that_can_not_go_out_is_a_task_of_the_team(world: World) -> None:
    customer = await a_newcomer(world)
    with world.post.answering(FakeOutcome(status="failed", reason="no such channel"), "call"):
        await world.pass_time(3 * DAY + HOUR)
        standing = await customer.in_stage("onboarding", OUTREACH)
    assert "onboarding-check-in did not go out: no such channel" in standing.words[-2]
    assert "over to onboarding team: reach out about activated" in standing.words[-1]


async def test_a_complaint_does_not_stop_the_help(world: World) -> None:
    customer = await a_newcomer(world)
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    await world.pass_time(2 * DAY + HOUR)
    await world.until(lambda: "set-up-guide" in customer.got)
