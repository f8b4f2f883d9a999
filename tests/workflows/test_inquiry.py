"""An inquiry walks to each of its ends, and a reply that does not come goes from level to level."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.support.hours import ALWAYS
from tests.support.inquiries import PROMISES
from tests.support.journeys import a_lapsed_world
from workflows.complaint import DESK as COMPLAINTS_DESK
from workflows.complaint import MANAGER
from workflows.desks import busy, owned_by
from workflows.fakes import a_bundle
from workflows.inquiry import HEAD, LEAD
from workflows.testing import Customer, FakeOutcome, World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WAYS = ("email", "whatsapp", "inbox")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    """The promises of the example business, in a team that never sleeps."""
    async with a_world() as one:
        hours = {name: replace(ALWAYS, name=name) for name in ("care", "around-the-clock")}
        one.bundle = replace(a_bundle(), business_hours=hours, service_clocks=PROMISES)
        yield one


async def asked(
    world: World, *, channel: str = "whatsapp", stage: str = "open", **data: str
) -> Customer:
    """A customer who has just asked something."""
    customer = world.customer()
    await customer.has("message.received", channel=channel, text="hello?", **data)
    await customer.in_stage("inquiry", stage)
    return customer


# To a team


async def test_the_smallest_team_that_can_has_two_minutes_on_whatsapp(world: World) -> None:
    customer = await asked(world, topic="billing")
    standing = await customer.progress("inquiry")
    assert standing.owner == "billing team"
    assert standing.waiting_for == "a human reply"
    (reply,) = standing.milestones
    assert standing.due is not None
    assert reply.due - standing.due == MINUTE, "a minute before, the clock warns"
    assert timedelta() < reply.due - await world.now() <= 2 * MINUTE


async def test_in_the_chat_it_has_a_minute(world: World) -> None:
    customer = await asked(world, channel="chat")
    (reply,) = (await customer.progress("inquiry")).milestones
    assert timedelta() < reply.due - await world.now() <= MINUTE


async def test_a_busy_team_is_spared(world: World) -> None:
    world.book.busy = {"billing team": 16}
    try:
        customer = await asked(world, topic="billing")
    finally:
        world.book.busy = {}
    assert (await customer.progress("inquiry")).owner == "care desk"


async def test_the_language_of_the_customer_counts(world: World) -> None:
    customer = await asked(world, topic="technical", language="vi")
    assert (await customer.progress("inquiry")).owner == "language desk"


async def test_the_owner_of_an_open_complaint_gets_the_message(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.has("message.received", channel="whatsapp", text="and?", topic="billing")
    assert (await customer.in_stage("inquiry", "open")).owner == COMPLAINTS_DESK


async def test_so_does_the_manager_to_whom_it_was_escalated(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="2")
    await customer.in_stage("complaint:2", "open")
    await world.pass_time(3 * DAY)
    await customer.in_stage("complaint:2", "escalated")
    await customer.has("message.received", channel="whatsapp", text="and?")
    assert (await customer.in_stage("inquiry", "open")).owner == MANAGER


async def test_a_complaint_that_comes_in_between_takes_the_inquiry_over(world: World) -> None:
    customer = await asked(world, topic="billing")
    await customer.has("complaint.opened", case="3")
    await customer.says("inquiry", "the customer has an open complaint")
    assert (await customer.in_stage("inquiry", "open")).owner == COMPLAINTS_DESK


async def test_a_resolved_complaint_reroutes_nothing(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="4")
    await customer.in_stage("complaint:4", "open")
    await customer.has("complaint.resolved", case="4")
    await customer.in_stage("complaint:4", "cooling down")
    await customer.has("message.received", channel="whatsapp", text="a bill", topic="billing")
    assert (await customer.in_stage("inquiry", "open")).owner == "billing team"


# To a person


async def test_a_human_reply_keeps_the_promise(world: World) -> None:
    customer = await asked(world)
    await customer.has("agent.replied", channel="whatsapp")
    standing = await customer.in_stage("inquiry", "with the customer")
    assert standing.waiting_for == "the customer's next word"
    assert standing.milestones[0].reached is not None
    await world.pass_time(HOUR)
    assert customer.got == []


async def test_a_bot_keeps_no_promise(world: World) -> None:
    customer = await asked(world)
    await customer.has("agent.replied", channel="whatsapp", by="bot")
    standing = await customer.in_stage("inquiry", "open")
    assert standing.milestones[0].reached is None
    await world.pass_time(2 * MINUTE)
    assert (await customer.in_stage("inquiry", "escalated")).owner == LEAD


async def test_a_late_reply_goes_from_level_to_level_and_the_customer_is_told(
    world: World,
) -> None:
    customer = await asked(world)
    await world.pass_time(MINUTE + SECOND)
    assert (await customer.in_stage("inquiry", "due soon")).owner == "care desk"
    assert customer.got == []
    await world.pass_time(MINUTE)
    assert (await customer.in_stage("inquiry", "escalated")).owner == LEAD
    assert customer.got == ["inquiry-late"]
    await world.pass_time(5 * MINUTE)
    standing = await customer.says("inquiry", "a callback is booked")
    assert standing.owner == HEAD
    assert "callback" in {one.kind for one in await world.book.journeys(customer.reference)}
    assert customer.got.count("inquiry-late") == 1
    await customer.has("agent.replied", channel="whatsapp")
    await customer.in_stage("inquiry", "with the customer")


async def test_a_late_reply_is_escalated_even_if_the_customer_can_not_be_told(
    world: World,
) -> None:
    customer = await asked(world)
    with world.post.answering(FakeOutcome(status="refused", reason="consent"), *WAYS):
        await world.pass_time(3 * MINUTE)
        standing = await customer.in_stage("inquiry", "escalated")
    assert standing.owner == LEAD
    assert any("inquiry-late did not go out: consent" in words for words in standing.words)


async def test_whoever_has_it_is_reminded_each_day_for_as_long_as_nobody_replies(
    world: World,
) -> None:
    world.bundle, kept = replace(world.bundle, service_clocks=()), world.bundle
    try:
        customer = await asked(world)
    finally:
        world.bundle = kept
    await world.pass_time(HOUR + MINUTE)
    assert (await customer.in_stage("inquiry", "escalated")).owner == LEAD
    await world.pass_time(25 * HOUR)
    await customer.says("inquiry", "still no reply")


async def test_the_next_message_is_a_promise_of_its_own(world: World) -> None:
    customer = await asked(world)
    await customer.has("agent.replied", channel="whatsapp")
    await customer.in_stage("inquiry", "with the customer")
    await customer.has("message.received", channel="whatsapp", text="and then?")
    standing = await customer.in_stage("inquiry", "open")
    assert standing.due is not None
    assert 18 * MINUTE < standing.due - await world.now() <= 20 * MINUTE
    await world.pass_time(31 * MINUTE)
    await customer.in_stage("inquiry", "escalated")


async def test_a_reply_to_an_earlier_message_leaves_a_later_one_open(world: World) -> None:
    customer = await asked(world)
    reply = await customer.event("agent.replied", channel="whatsapp", resolved=True)
    await world.pass_time(10 * SECOND)
    await customer.has("message.received", channel="whatsapp", text="one more thing")
    await customer.delivered(reply)
    await customer.says("inquiry", "milestone first-reply reached")
    await customer.in_stage("inquiry", "open")


# To an end


async def test_a_customer_who_says_no_more_is_asked_how_it_was(world: World) -> None:
    customer = await asked(world)
    await customer.has("agent.replied", channel="whatsapp")
    await customer.in_stage("inquiry", "with the customer")
    assert (await customer.ending("inquiry")).ended == "solved"
    assert customer.got == ["inquiry-survey"]


async def test_a_reply_that_solves_it_is_followed_up_at_once(world: World) -> None:
    customer = await asked(world)
    await customer.has("agent.replied", channel="whatsapp", resolved=True)
    await customer.in_stage("inquiry", "solved")
    assert customer.got == ["inquiry-survey"]
    await customer.has("feedback.given", score=9)
    assert (await customer.ending("inquiry")).because == "the customer rates it 9"


async def test_not_solved_after_all_it_is_taken_up_again_and_not_rated_twice(
    world: World,
) -> None:
    customer = await asked(world)
    await customer.has("agent.replied", channel="whatsapp", resolved=True)
    await customer.in_stage("inquiry", "solved")
    await customer.has("message.received", channel="whatsapp", text="still broken")
    await customer.in_stage("inquiry", "open")
    await customer.has("agent.replied", channel="whatsapp", resolved=True)
    assert (await customer.ending("inquiry")).ended == "solved"
    assert customer.got == ["inquiry-survey"]


async def test_earlier_feedback_does_not_end_the_follow_up(world: World) -> None:
    customer = await asked(world)
    await customer.has("feedback.given", score=2)
    await customer.has("agent.replied", channel="whatsapp", resolved=True)
    await customer.in_stage("inquiry", "solved")
    assert (await customer.ending("inquiry")).because == "nothing more came"


async def test_a_message_at_night_is_not_left_waiting_behind_a_survey(world: World) -> None:
    customer = await asked(world)
    until = await world.now() + 9 * HOUR
    night = FakeOutcome(status="waits", reason="quiet_hours:nights", until=until)
    with world.post.answering(night, *WAYS):
        await customer.has("agent.replied", channel="whatsapp", resolved=True)
        standing = await customer.in_stage("inquiry", "solved")
        assert standing.waiting_for == "the end of quiet_hours:nights"
        await customer.has("message.received", channel="whatsapp", text="still broken")
        await customer.in_stage("inquiry", "open")
    await customer.has("agent.replied", channel="whatsapp", resolved=True)
    assert (await customer.ending("inquiry")).ended == "solved"
    assert customer.got == ["inquiry-survey"]


async def test_with_nothing_to_send_it_still_ends(world: World) -> None:
    customer = await asked(world)
    with world.post.answering(FakeOutcome(status="refused", reason="consent"), *WAYS):
        await customer.has("agent.replied", channel="whatsapp")
        assert (await customer.ending("inquiry")).ended == "solved"
    assert customer.got == []


async def test_the_next_inquiry_of_a_customer_begins_anew(world: World) -> None:
    customer = await asked(world)
    await customer.has("agent.replied", channel="whatsapp", resolved=True)
    assert (await customer.ending("inquiry")).ended == "solved"
    await customer.has("message.received", channel="chat", text="something else")
    (reply,) = (await customer.in_stage("inquiry", "open")).milestones
    assert reply.reached is None


# How busy teams are


async def unknown(client: Client, team: str) -> int:
    """A Temporal that can't count."""
    raise RPCError("no such thing", RPCStatusCode.UNIMPLEMENTED, b"")


async def test_a_load_that_nobody_knows_is_left_out(world: World) -> None:
    assert await busy(world.client, ["care desk"], unknown) == {}


async def test_temporal_tells_how_many_journeys_a_team_owns() -> None:
    async with a_lapsed_world(lapse=1.0) as world:
        async with world.worker():
            for _ in range(2):
                await asked(world)
            async for _ in world.moments():
                if await owned_by(world.client, "care desk") == 2:
                    break
        assert await busy(world.client, ["care desk", "orders team"]) == {
            "care desk": 2,
            "orders team": 0,
        }
