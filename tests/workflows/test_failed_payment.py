"""A failed payment walks to each of its ends: paid or written off, and never a word too many."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.holds import COMMERCIAL
from tests.support.journeys import has_a_callback
from workflows.failed_payment import DESK, LEAD, MORE_TIME, WRITE_OFF
from workflows.fakes import FakeOutcome
from workflows.testing import Act, Customer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAME = "failed-payment:i-1"
NOTICE, REMINDER, OFFER, CALL = (
    "payment-failed-notice",
    "payment-retry-reminder",
    "payment-call-offer",
    "payment-call",
)
CALLED = "to be called"


async def failed(world: World) -> Customer:
    """A customer who has just been told of a failed payment."""
    customer = world.customer()
    await customer.has("payment.failed", invoice="i-1")
    await customer.in_stage(NAME, "reminded")
    return customer


async def to_be_called(world: World) -> Customer:
    """A customer who has not paid for two weeks."""
    customer = await failed(world)
    await world.pass_time(14 * DAY)
    await customer.in_stage(NAME, CALLED)
    return customer


async def with_a_person(world: World) -> Customer:
    """A customer whom a person has taken over."""
    customer = await to_be_called(world)
    await customer.operator(NAME, Act.ANSWER, choice="taken")
    await customer.in_stage(NAME, "with a person")
    return customer


# Reminding


async def test_a_friendly_notice_then_reminders_over_days_then_the_offer_of_a_call(
    world: World,
) -> None:
    customer = await failed(world)
    assert customer.got == [NOTICE]
    for day, expected in ((2, 1), (3, 2), (6, 2), (7, 3), (9, 3), (10, 4)):
        await pass_to_day(world, customer, day)
        await world.until(lambda count=expected: len(customer.got) == count)
    assert customer.got == [NOTICE, REMINDER, REMINDER, OFFER]
    assert (await customer.progress(NAME)).owner == DESK


async def pass_to_day(world: World, customer: Customer, day: int) -> None:
    """Let time pass until so many days after the first word."""
    first = next(one for one in world.post.delivered if one.customer == customer.reference)
    await world.pass_time(first.at + day * DAY + HOUR - await world.now())
    await customer.in_stage(NAME, "reminded")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("milestone.reached", {"name": "paid"}),
        ("milestone.reached", {"name": "paid", "invoice": "i-1"}),
        ("purchase.made", {"product": "hotspot", "amount": 9.0, "invoice": "i-1"}),
        ("purchase.made", {"product": "Payment of an invoice", "amount": 9.0}),
    ],
)
async def test_once_it_is_paid_not_a_word_more(
    world: World, event: str, data: dict[str, object]
) -> None:
    customer = await failed(world)
    await customer.has("milestone.reached", name="activated")
    await customer.has("milestone.reached", name="paid", invoice="i-2")
    await customer.has("purchase.made", product="headphones", amount=30.0)
    await customer.has("purchase.made", product="payment", amount=30.0, invoice="i-2")
    await customer.in_stage(NAME, "reminded")
    await customer.has(event, **data)
    assert (await customer.ending(NAME)).ended == "paid"
    assert customer.got == [NOTICE]


async def test_somebody_may_write_it_off(world: World) -> None:
    customer = await failed(world)
    await customer.has("milestone.reached", name="written-off", invoice="i-1")
    assert (await customer.ending(NAME)).ended == "written off"


async def test_a_payment_that_fails_again_is_not_announced_again(world: World) -> None:
    customer = await failed(world)
    await customer.has("payment.failed", invoice="i-1")
    await customer.says(NAME, "failed again")
    await world.pass_time(HOUR)
    assert customer.got == [NOTICE]


async def test_two_invoices_are_told_apart(world: World) -> None:
    customer = await failed(world)
    await customer.has("payment.failed", invoice="i-2")
    await customer.in_stage("failed-payment:i-2", "reminded")
    await customer.has("milestone.reached", name="paid", invoice="i-2")
    assert (await customer.ending("failed-payment:i-2")).ended == "paid"
    assert customer.got[:2] == [NOTICE, NOTICE]


async def at_night(world: World) -> tuple[Customer, FakeOutcome]:
    """A payment that fails at night: the notice waits for the morning."""
    until = await world.now() + 9 * HOUR
    night = FakeOutcome(status="waits", reason="quiet_hours:night", until=until)
    with world.post.answering(night, "email", "whatsapp"):
        customer = world.customer()
        await customer.has("payment.failed", invoice="i-1")
        standing = await customer.in_stage(NAME, "failed")
    assert standing.waiting_for == "the end of quiet_hours:night"
    return customer, night


async def test_it_is_said_by_day(world: World) -> None:
    customer, _ = await at_night(world)
    await world.pass_time(8 * HOUR)
    assert customer.got == []
    await world.pass_time(2 * HOUR)
    await customer.in_stage(NAME, "reminded")
    assert customer.got == [NOTICE]


async def test_paid_before_the_morning_there_is_nothing_to_say(world: World) -> None:
    customer, _ = await at_night(world)
    await customer.has("milestone.reached", name="paid")
    assert (await customer.ending(NAME)).ended == "paid"
    assert customer.got == []


async def test_what_has_nothing_to_do_with_it_does_not_call_the_notice_off(
    world: World,
) -> None:
    customer, night = await at_night(world)
    with world.post.answering(night, "email", "whatsapp"):
        tried = len(world.post.attempts)
        await customer.has("milestone.reached", name="activated")
        await world.until(lambda: len(world.post.attempts) > tried)
    await world.pass_time(10 * HOUR)
    await customer.in_stage(NAME, "reminded")
    assert customer.got == [NOTICE]


async def test_a_word_that_no_channel_takes_is_left_out(world: World) -> None:
    refused = FakeOutcome(status="refused", reason="consent")
    with world.post.answering(refused, "email", "whatsapp"):
        customer = await failed(world)
    await customer.says(NAME, f"{NOTICE} did not go out: consent")
    assert customer.got == []
    await world.pass_time(3 * DAY)
    await world.until(lambda: customer.got == [REMINDER])


async def test_nothing_is_sold_and_a_complaint_changes_nothing(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.has("payment.failed", invoice="i-1")
    await customer.in_stage(NAME, "reminded")
    mine = customer.journey(NAME).id
    sent = [one for one in world.post.delivered if one.journey == mine]
    assert sent
    assert all(one.purpose == "collections" and COMMERCIAL not in one.tags for one in sent)


# Handing over


async def test_after_two_weeks_a_person_is_asked_to_call(world: World) -> None:
    customer = await to_be_called(world)
    assert customer.got == [NOTICE, REMINDER, REMINDER, OFFER, CALL]
    standing = await customer.progress(NAME)
    assert standing.task is not None
    assert standing.task.owner == DESK
    await customer.operator(NAME, Act.ANSWER, choice="taken")
    await customer.in_stage(NAME, "with a person")
    assert not has_a_callback(world, customer)


async def test_who_answers_the_offer_is_called_at_once(world: World) -> None:
    customer = await failed(world)
    await customer.has("message.received", channel="whatsapp", text="too early for the offer")
    await pass_to_day(world, customer, 10)
    await world.until(lambda: OFFER in customer.got)
    await world.pass_time(HOUR)
    assert CALL not in customer.got
    await customer.has("message.received", channel="whatsapp", text="yes, please call")
    await customer.in_stage(NAME, CALLED)
    assert customer.got.count(CALL) == 1


@pytest.mark.parametrize("how", ["declined", "nobody"])
async def test_a_call_that_the_desk_does_not_take_over_is_a_callback(
    world: World, how: str
) -> None:
    customer = await to_be_called(world)
    if how == "declined":
        await customer.operator(NAME, Act.ANSWER, choice="declined")
    else:
        await world.pass_time(9 * HOUR)
    await customer.says(NAME, "a callback is booked")
    await world.until(lambda: has_a_callback(world, customer))
    await customer.in_stage(NAME, "with a person")


async def test_a_call_that_can_not_be_passed_on_is_a_callback_at_once(world: World) -> None:
    customer = await failed(world)
    with world.post.answering(FakeOutcome(status="failed", reason="no line"), "call"):
        await world.pass_time(14 * DAY)
        await customer.says(NAME, "a callback is booked: no line")
    await world.until(lambda: has_a_callback(world, customer))


async def test_paid_before_the_call_nobody_calls(world: World) -> None:
    customer = await to_be_called(world)
    await customer.has("milestone.reached", name="activated")
    await customer.in_stage(NAME, CALLED)
    await customer.has("milestone.reached", name="paid")
    assert (await customer.ending(NAME)).ended == "paid"
    assert customer.got.count(CALL) == 1
    assert not has_a_callback(world, customer)


async def test_each_month_the_lead_is_asked_until_it_is_written_off(world: World) -> None:
    customer = await with_a_person(world)
    await world.pass_time(30 * DAY)
    task = (await customer.in_stage(NAME, "to be decided")).task
    assert task is not None
    assert (task.owner, task.default) == (LEAD, MORE_TIME)
    await world.pass_time(8 * DAY)
    assert (await customer.in_stage(NAME, "with a person")).task is None
    await world.pass_time(30 * DAY)
    await customer.in_stage(NAME, "to be decided")
    await customer.operator(NAME, Act.ANSWER, choice=WRITE_OFF, because="too little to go on")
    ending = await customer.ending(NAME)
    assert (ending.ended, ending.because) == (
        "written off",
        "olivia wrote it off: too little to go on",
    )


async def test_paid_while_the_lead_thinks_about_it_it_ends(world: World) -> None:
    customer = await with_a_person(world)
    await world.pass_time(30 * DAY)
    await customer.in_stage(NAME, "to be decided")
    await customer.has("milestone.reached", name="paid")
    assert (await customer.ending(NAME)).ended == "paid"
