"""A callback walks to each of its ends, and is what a failed handoff falls back on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from engine.business_hours import BusinessHours, Span, in_words, is_open
from tests.support.walks import HEAD, WALKS
from workflows.callback import AGAIN, APART, BOOKED, DESK, HOURS, LEAD, MISSED
from workflows.testing import Act, Customer, FakeOutcome, World, a_world
from workflows.worker import JOURNEYS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL = "callback:4711"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    async with a_world(journeys=(*JOURNEYS, *WALKS)) as one:
        yield one


def a_desk(opens: datetime, hours: int) -> BusinessHours:
    """A desk that is open for so many hours of each day."""
    day = (Span(opens=opens.time(), closes=(opens + hours * HOUR).time()),)
    return BusinessHours(name=HOURS, zone="UTC", week=(day,) * 7)


async def booked(world: World) -> Customer:
    customer = world.customer()
    await customer.starts(CALL, because="the bill")
    await customer.in_stage(CALL, "booked")
    return customer


async def called(world: World) -> Customer:
    """A customer whom somebody calls at this moment."""
    customer = await booked(world)
    await world.pass_time(20 * MINUTE)
    await customer.in_stage(CALL, "calling")
    return customer


def said(world: World, customer: Customer) -> list[tuple[str, str]]:
    return [
        (sent.action, sent.channel)
        for sent in world.post.delivered
        if sent.customer == customer.reference
    ]


async def test_the_customer_hears_when_we_call_and_is_called_then(world: World) -> None:
    customer = await booked(world)
    standing = await customer.progress(CALL)
    assert (standing.owner, standing.waiting_for) == (DESK, "the hour of the call")
    assert standing.due is not None
    when = in_words(BusinessHours(name=HOURS, always=True), standing.due)
    asked = next(a for a in reversed(world.engine.asked) if a.customer == customer.reference)
    assert asked.context["call_at"] == when
    assert said(world, customer) == [(BOOKED, "email")]
    await world.pass_time(20 * MINUTE)
    standing = await customer.in_stage(CALL, "calling")
    assert said(world, customer) == [(BOOKED, "email"), (BOOKED, "call")]
    assert standing.task is not None
    assert standing.task.choices == ("reached", "not reached", "gave up")


async def test_a_customer_who_is_reached_is_not_called_again(world: World) -> None:
    customer = await called(world)
    await customer.operator(CALL, Act.ANSWER, choice="reached", because="all clear now")
    ending = await customer.ending(CALL)
    assert (ending.ended, ending.because) == ("reached", "by olivia: all clear now")
    assert len(said(world, customer)) == 2


async def test_a_call_that_nobody_wants_any_more_is_withdrawn(world: World) -> None:
    customer = await called(world)
    await customer.operator(CALL, Act.ANSWER, choice="gave up", because="she came to the shop")
    ending = await customer.ending(CALL)
    assert (ending.ended, ending.because) == ("withdrawn", "olivia: she came to the shop")


async def test_after_three_calls_at_different_hours_the_lead_has_what_is_open(
    world: World,
) -> None:
    customer = await called(world)
    for _ in range(2):
        await customer.operator(CALL, Act.ANSWER, choice="not reached")
        assert (await customer.in_stage(CALL, "booked again")).owner == DESK
        await world.pass_time(APART + MINUTE)
        await customer.in_stage(CALL, "calling")
    await customer.operator(CALL, Act.ANSWER, choice="not reached")
    ending = await customer.ending(CALL)
    assert ending.ended == "not reached"
    assert ending.gaps == (f"the call: {LEAD}, 3 calls in vain",)
    assert said(world, customer) == [
        *((BOOKED, "email"), (BOOKED, "call")),
        *((AGAIN, "email"), (AGAIN, "call")) * 2,
        (MISSED, "email"),
    ]
    assert len(hours_of_calls(world, customer)) == 3


def hours_of_calls(world: World, customer: Customer) -> set[int]:
    mine = [sent for sent in world.post.delivered if sent.customer == customer.reference]
    return {sent.at.hour for sent in mine if sent.channel == "call"}


async def test_a_call_that_nobody_reports_goes_over_to_the_lead(world: World) -> None:
    customer = await called(world)
    await world.pass_time(HOUR + MINUTE)
    standing = await customer.in_stage(CALL, "booked again")
    assert standing.owner == LEAD
    assert any("nobody said what came of the call" in words for words in standing.words)
    assert (await customer.ending(CALL)).ended == "not reached"


async def test_nobody_is_called_outside_business_hours_nor_twice_at_the_same_hour(
    world: World,
) -> None:
    opens = (await world.now() + 3 * HOUR).replace(minute=0, second=0, microsecond=0)
    desk = a_desk(opens, hours=5)  # as long as calls are apart: the next would be a day later
    before, world.bundle = world.bundle, replace(world.bundle, business_hours={HOURS: desk})
    try:
        customer = await booked(world)
    finally:
        world.bundle = before
    assert (await customer.progress(CALL)).due == opens
    assert (await customer.ending(CALL)).ended == "not reached"
    mine = [sent for sent in world.post.delivered if sent.customer == customer.reference]
    calls = [sent.at for sent in mine if sent.channel == "call"]
    assert len(calls) == 3
    assert all(is_open(desk, at) for at in calls)
    assert len(hours_of_calls(world, customer)) == 3


async def test_a_desk_that_is_open_for_one_hour_a_day_calls_at_that_hour(world: World) -> None:
    opens = (await world.now() + 3 * HOUR).replace(minute=0, second=0, microsecond=0)
    desk = a_desk(opens, hours=1)
    before, world.bundle = world.bundle, replace(world.bundle, business_hours={HOURS: desk})
    try:
        customer = await booked(world)
    finally:
        world.bundle = before
    assert (await customer.ending(CALL)).ended == "not reached"
    assert len(said(world, customer)) == 7


async def test_what_can_not_be_written_is_called_all_the_same(world: World) -> None:
    failed = FakeOutcome(status="failed", reason="bounced")
    with world.post.answering(failed, "email", "whatsapp"):
        customer = await booked(world)
        assert any("bounced" in words for words in (await customer.progress(CALL)).words)
        await world.pass_time(20 * MINUTE)
        await customer.in_stage(CALL, "calling")
    assert said(world, customer) == [(BOOKED, "call")]


async def test_a_handoff_that_fails_without_a_fallback_of_its_own_books_a_callback(
    world: World,
) -> None:
    customer = world.customer()
    await customer.starts("handing-over")
    await customer.in_stage("handing-over", "handing over")
    await customer.operator("handing-over", Act.ANSWER, choice="declined", because="no time")
    standing = await customer.says("handing-over", "a callback is booked: a question")
    assert any(f"{HEAD} did not take over" in words for words in standing.words)
    await world.until(lambda: (BOOKED, "email") in said(world, customer))
    (name,) = [one for one in world.book.running[customer.reference] if "callback" in one]
    assert name.startswith(f"callback:{customer.reference}:handing-over-")
    assert (await customer.in_stage(f"callback:{name.rpartition(':')[2]}", "booked")).owner == DESK
    assert (await customer.ending("handing-over")).ended == "not taken"
