"""A late order walks to each of its ends: told in time, repaired whatever fails, followed up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.journeys import has_a_callback
from workflows.fakes import FakeOutcome
from workflows.order_delay import DESK, LEAD
from workflows.testing import Act, Customer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAME = "order-delay:o-1"
TO_BE_REPAIRED = "to be repaired"
REFUSED = FakeOutcome(status="refused", reason="consent")


async def delayed(world: World, hours: float, stage: str) -> Customer:
    """A customer whose order will be so late."""
    customer = world.customer()
    await customer.has("order.delayed", order="o-1", hours=hours)
    await customer.in_stage(NAME, stage)
    return customer


# Telling


async def test_more_than_two_days_late_it_is_told_at_once(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    assert customer.got == ["order-late"]


async def test_a_day_late_it_is_told_when_it_becomes_two(world: World) -> None:
    customer = await delayed(world, 30.0, "watched")
    standing = await customer.progress(NAME)
    assert standing.owner == DESK
    assert standing.due is not None
    assert 17 * HOUR < standing.due - await world.now() <= 18 * HOUR
    await world.pass_time(17 * HOUR)
    assert customer.got == []
    await world.pass_time(HOUR)
    await customer.in_stage(NAME, TO_BE_REPAIRED)
    assert customer.got == ["order-late"]


async def test_better_news_move_the_moment(world: World) -> None:
    customer = await delayed(world, 40.0, "watched")
    await customer.has("order.delayed", order="o-1", hours=10.0)
    await world.pass_time(30 * HOUR)
    await customer.in_stage(NAME, "watched")
    assert customer.got == []
    await world.pass_time(9 * HOUR)
    await customer.in_stage(NAME, TO_BE_REPAIRED)
    assert customer.got == ["order-late"]


async def test_worse_news_are_told_at_once(world: World) -> None:
    customer = await delayed(world, 10.0, "watched")
    await customer.has("order.delayed", order="o-1", hours=60.0)
    await customer.in_stage(NAME, TO_BE_REPAIRED)
    assert customer.got == ["order-late"]


async def test_in_time_after_all_nobody_is_alarmed(world: World) -> None:
    customer = await delayed(world, 30.0, "watched")
    await customer.has("order.delayed", order="o-1", hours=0)
    assert (await customer.ending(NAME)).ended == "in time"
    assert customer.got == []


async def test_delivered_before_it_is_too_late_it_ends_without_a_word(world: World) -> None:
    customer = await delayed(world, 30.0, "watched")
    await customer.has("milestone.reached", name="activated")
    await customer.has("milestone.reached", name="delivered", order="o-2")
    await customer.in_stage(NAME, "watched")
    await customer.has("milestone.reached", name="delivered", order="o-1")
    assert (await customer.ending(NAME)).ended == "in time"
    assert customer.got == []


async def test_each_change_is_told_once(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    await customer.has("order.delayed", order="o-1", hours=96.0)
    await world.until(lambda: customer.got == ["order-late", "order-news"])
    await customer.has("order.delayed", order="o-1", hours=96.0)
    await customer.in_stage(NAME, TO_BE_REPAIRED)
    await world.pass_time(HOUR)
    assert customer.got == ["order-late", "order-news"]


async def test_news_that_are_overtaken_are_not_told(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    older = await customer.event("order.delayed", order="o-1", hours=80.0)
    await customer.has("order.delayed", order="o-1", hours=96.0)
    await world.until(lambda: customer.got == ["order-late", "order-news"])
    await customer.delivered(older)
    await customer.in_stage(NAME, TO_BE_REPAIRED)
    await world.pass_time(HOUR)
    assert customer.got == ["order-late", "order-news"]


async def test_a_complaint_does_not_keep_us_from_telling(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.has("order.delayed", order="o-1", hours=72.0)
    await customer.in_stage(NAME, TO_BE_REPAIRED)
    assert customer.got[-1] == "order-late"


async def test_two_orders_are_two_delays(world: World) -> None:
    customer = await delayed(world, 30.0, "watched")
    await customer.has("order.delayed", order="o-2", hours=72.0)
    await customer.in_stage("order-delay:o-2", TO_BE_REPAIRED)
    await customer.in_stage(NAME, "watched")


# Repairing


async def test_a_person_chooses_the_repair(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    task = (await customer.progress(NAME)).task
    assert task is not None
    assert (task.owner, task.choices) == (DESK, ("replacement", "credit", "call"))
    await customer.operator(NAME, Act.ANSWER, choice="replacement")
    await customer.in_stage(NAME, "on its way")
    assert customer.got == ["order-late", "order-replacement"]


async def test_without_a_choice_there_is_a_credit(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    await world.pass_time(8 * HOUR)
    await customer.in_stage(NAME, "on its way")
    assert customer.got == ["order-late", "order-credit"]


async def test_news_do_not_put_the_repair_off(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    due = (await customer.progress(NAME)).due
    await world.pass_time(4 * HOUR)
    await customer.has("order.delayed", order="o-1", hours=96.0)
    await world.until(lambda: "order-news" in customer.got)
    assert (await customer.in_stage(NAME, TO_BE_REPAIRED)).due == due


async def test_a_call_that_is_taken_over_needs_no_callback(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    await customer.operator(NAME, Act.ANSWER, choice="call")
    await customer.in_stage(NAME, "repairing")
    await customer.operator(NAME, Act.ANSWER, choice="taken")
    await customer.in_stage(NAME, "on its way")
    assert not has_a_callback(world, customer)


@pytest.mark.parametrize("how", ["declined", "nobody"])
async def test_a_call_that_nobody_takes_is_booked_and_goes_to_the_lead(
    world: World, how: str
) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    await customer.operator(NAME, Act.ANSWER, choice="call")
    await customer.in_stage(NAME, "repairing")
    if how == "declined":
        await customer.operator(NAME, Act.ANSWER, choice="declined")
    else:
        await world.pass_time(5 * HOUR)
    await customer.says(NAME, f"escalated to {LEAD}")
    await customer.in_stage(NAME, "on its way")
    await world.until(lambda: has_a_callback(world, customer))


async def test_a_notice_that_no_channel_takes_becomes_a_call_and_then_a_callback(
    world: World,
) -> None:
    with world.post.answering(REFUSED, "email", "whatsapp"):
        customer = await delayed(world, 72.0, "telling the customer")
    standing = await customer.progress(NAME)
    assert standing.task is not None
    assert standing.task.owner == DESK
    await world.pass_time(5 * HOUR)
    await customer.in_stage(NAME, TO_BE_REPAIRED)
    await world.until(lambda: has_a_callback(world, customer))


async def test_what_is_in_time_after_all_is_told_and_needs_no_repair(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    await customer.has("order.delayed", order="o-1", hours=0)
    await customer.in_stage(NAME, "on its way")
    await customer.has("milestone.reached", name="delivered", order="o-1")
    assert (await customer.ending(NAME)).ended == "delivered"
    assert customer.got == ["order-late", "order-news", "order-follow-up"]


# Following up


async def test_once_it_is_delivered_we_ask_whether_all_is_well(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    await customer.operator(NAME, Act.ANSWER, choice="credit")
    await customer.in_stage(NAME, "on its way")
    await customer.has("milestone.reached", name="delivered", order="o-1")
    ending = await customer.ending(NAME)
    assert (ending.ended, ending.because) == ("delivered", "credit for 72 hours")
    assert customer.got == ["order-late", "order-credit", "order-follow-up"]


async def test_delivered_while_a_repair_is_thought_about_it_needs_none(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    await customer.has("milestone.reached", name="delivered")
    assert (await customer.ending(NAME)).ended == "delivered"
    assert customer.got == ["order-late", "order-follow-up"]


async def test_without_a_word_of_its_arrival_it_is_followed_up_all_the_same(
    world: World,
) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    assert (await customer.ending(NAME)).ended == "repaired"
    assert customer.got == ["order-late", "order-credit", "order-follow-up"]


async def test_it_is_late_again_after_the_repair_and_that_is_told_too(world: World) -> None:
    customer = await delayed(world, 72.0, TO_BE_REPAIRED)
    await customer.operator(NAME, Act.ANSWER, choice="credit")
    await customer.in_stage(NAME, "on its way")
    await customer.has("order.delayed", order="o-1", hours=200.0)
    await world.until(lambda: customer.got[-1] == "order-news")
    assert (await customer.ending(NAME)).ended == "repaired"
    assert customer.got == ["order-late", "order-credit", "order-news", "order-follow-up"]
