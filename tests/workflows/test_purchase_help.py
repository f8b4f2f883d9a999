"""Help with a stalled purchase walks to each of its ends: bought, helped, or silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.business_hours import BusinessHours, Span
from workflows.purchase_help import DESK, HELP, HOURS
from workflows.testing import Customer, FakeOutcome, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

STALL = "purchase-help"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def at_the_till(world: World) -> Customer:
    customer = world.customer()
    await customer.has("page.viewed", page="checkout")
    await customer.in_stage(STALL, "at the till")
    return customer


async def helped(world: World) -> Customer:
    customer = await at_the_till(world)
    await world.pass_time(2 * HOUR + MINUTE)
    await customer.in_stage(STALL, "helped")
    return customer


async def test_only_the_pages_of_the_till_open_it_and_it_is_open_once(world: World) -> None:
    customer = world.customer()
    assert await customer.has("page.viewed", page="plans") == ()
    (first,) = await customer.has("page.viewed", page="cart")
    (second,) = await customer.has("page.viewed", page="checkout")
    assert first == second == f"{STALL}:{customer.reference}"


async def test_who_buys_by_themselves_hears_nothing(world: World) -> None:
    customer = await at_the_till(world)
    await world.pass_time(HOUR)
    await customer.has("purchase.made", product="fiber", amount=30)
    ending = await customer.ending(STALL)
    assert (ending.ended, ending.because) == ("bought", "without our help")
    assert customer.got == []


async def test_who_stalls_is_offered_help_once_and_left_alone_then(world: World) -> None:
    customer = await helped(world)
    standing = await customer.progress(STALL)
    assert (standing.owner, standing.waiting_for) == (DESK, "the purchase")
    assert customer.got == [HELP]
    await customer.has("page.viewed", page="checkout")
    assert (await customer.ending(STALL)).ended == "helped"
    assert customer.got == [HELP]


async def test_who_buys_after_all_has_bought_with_our_help(world: World) -> None:
    customer = await helped(world)
    await customer.has("purchase.made", product="fiber", amount=30)
    ending = await customer.ending(STALL)
    assert (ending.ended, ending.because) == ("bought", "after our help")


async def test_who_is_still_at_it_is_not_disturbed(world: World) -> None:
    customer = await at_the_till(world)
    due = (await customer.progress(STALL)).due
    await world.pass_time(HOUR)
    await customer.has("page.viewed", page="checkout")
    assert due is not None
    later = due
    async for _ in world.moments():
        later = (await customer.progress(STALL)).due or due
        if later > due:
            break
    assert timedelta(minutes=50) < later - due < timedelta(minutes=70)
    await world.pass_time(HOUR + 10 * MINUTE)
    assert customer.got == []
    await world.pass_time(HOUR)
    await world.until(lambda: customer.got == [HELP])


async def test_a_complaint_meanwhile_ends_it_in_silence(world: World) -> None:
    customer = await at_the_till(world)
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    ending = await customer.ending(STALL)
    assert (ending.ended, ending.because) == ("silent", "complaint:1 is in force")
    assert HELP not in customer.got


async def test_nothing_is_said_under_a_hold_that_was_there_before(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.starts(STALL, "page.viewed", page="cart")
    ending = await customer.ending(STALL)
    assert (ending.ended, ending.because) == ("silent", "a hold is in force")
    assert HELP not in customer.got


async def test_what_limits_forbid_for_two_days_is_never_said(world: World) -> None:
    refused = FakeOutcome(status="refused", reason="contact_limit")
    world.post.refusals = {"email": refused, "whatsapp": refused}
    try:
        customer = await at_the_till(world)
        ending = await customer.ending(STALL)
    finally:
        world.post.refusals = {}
    assert (ending.ended, ending.because) == ("silent", "there was no good moment to offer help")
    assert customer.got == []
    assert any(
        "purchase-help did not go out" in words for words in (await customer.progress(STALL)).words
    )


async def test_what_is_refused_now_is_said_later(world: World) -> None:
    refused = FakeOutcome(status="refused", reason="quiet_hours")
    world.post.refusals = {"email": refused, "whatsapp": refused}
    try:
        customer = await at_the_till(world)
        await world.pass_time(3 * HOUR)
        await customer.says(STALL, "purchase-help did not go out: quiet_hours")
    finally:
        world.post.refusals = {}
    await world.pass_time(3 * HOUR)
    await world.until(lambda: customer.got == [HELP])


async def closed_for_now(world: World) -> Customer:
    """A customer who stalled while nobody is at the desk."""
    opens = (await world.now() + 6 * HOUR).replace(minute=0, second=0, microsecond=0)
    day = (Span(opens=opens.time(), closes=(opens + 4 * HOUR).time()),)
    desk = BusinessHours(name=HOURS, zone="UTC", week=(day,) * 7)
    before, world.bundle = world.bundle, replace(world.bundle, business_hours={HOURS: desk})
    try:
        customer = await at_the_till(world)
    finally:
        world.bundle = before
    await world.pass_time(2 * HOUR + MINUTE)
    assert (await customer.in_stage(STALL, "stalled")).due == opens
    return customer


async def test_help_waits_until_somebody_is_there(world: World) -> None:
    customer = await closed_for_now(world)
    assert customer.got == []
    await world.pass_time(5 * HOUR)
    await world.until(lambda: customer.got == [HELP])


async def test_who_buys_while_nobody_is_there_hears_nothing(world: World) -> None:
    customer = await closed_for_now(world)
    await customer.has("purchase.made", product="fiber", amount=30)
    assert (await customer.ending(STALL)).ended == "bought"
    assert customer.got == []
