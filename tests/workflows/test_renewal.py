"""A renewal walks to each of its ends, and never sells while a complaint is open."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.journeys import Customer, World
from workflows.fakes import FakeOutcome
from workflows.renewal import DESK

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def a_contract(world: World, days: int) -> tuple[Customer, str]:
    """A customer whose contract ends in some days, and the name of its renewal."""
    customer = world.customer()
    due = (await world.now() + days * DAY).date().isoformat()
    await customer.has("contract.renewal_due", due=due)
    return customer, f"renewal:{due}"


async def test_far_ahead_it_waits_until_30_days_before_the_end(world: World) -> None:
    customer, name = await a_contract(world, 60)
    standing = await customer.in_stage(name, "scheduled")
    assert standing.owner == DESK
    assert standing.due is not None
    assert 30 * DAY < standing.due - await world.now() < 32 * DAY
    assert customer.got == []
    await world.pass_time(32 * DAY)
    await customer.in_stage(name, "approached")
    assert customer.got == ["renewal-save-offer"], "the best of all channels by priority"


async def test_it_follows_up_twice_and_lapses_without_an_answer(world: World) -> None:
    customer, name = await a_contract(world, 40)
    assert (await customer.ending(name)).ended == "lapsed"
    assert customer.got == ["renewal-save-offer"] * 3
    ids = [sent.message_id for sent in world.post.delivered if sent.customer == customer.reference]
    assert len(set(ids)) == 3


async def test_begun_late_it_speaks_once_and_does_not_catch_up(world: World) -> None:
    customer, name = await a_contract(world, 10)
    await customer.in_stage(name, "approached")
    assert customer.got == ["renewal-save-offer"]
    assert (await customer.ending(name)).ended == "lapsed"
    assert customer.got == ["renewal-save-offer"] * 2


async def test_a_contract_that_is_over_already_gets_no_offer(world: World) -> None:
    customer, name = await a_contract(world, -3)
    assert (await customer.ending(name)).ended == "lapsed"
    assert customer.got == []


@pytest.mark.parametrize(
    ("event", "data", "ended"),
    [
        ("milestone.reached", {"name": "renewed"}, "renewed"),
        ("milestone.reached", {"name": "cancelled"}, "lost"),
        ("purchase.made", {"product": "renewal-save-offer", "amount": 20.0}, "renewed"),
        ("purchase.made", {"product": "Contract renewal"}, "renewed"),
    ],
)
async def test_an_answer_ends_it(
    world: World, event: str, data: dict[str, object], ended: str
) -> None:
    customer, name = await a_contract(world, 20)
    await customer.in_stage(name, "approached")
    await customer.has("milestone.reached", name="activated")
    await customer.has("purchase.made", product="headphones")
    await customer.has(event, **data)
    assert (await customer.ending(name)).ended == ended
    assert customer.got == ["renewal-save-offer"]


async def test_while_a_complaint_is_open_it_waits_and_afterwards_goes_on(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="7")
    await customer.in_stage("complaint:7", "open")
    due = (await world.now() + 29 * DAY).date().isoformat()
    await customer.has("contract.renewal_due", due=due)
    waiting = await customer.in_stage(f"renewal:{due}", "about to approach")
    assert waiting.waiting_for == "the end of hold complaint:7"
    await world.pass_time(3 * DAY)
    assert "renewal-save-offer" not in customer.got

    await customer.has("complaint.resolved", case="7")
    await customer.ending("complaint:7")
    await customer.in_stage(f"renewal:{due}", "approached")
    assert customer.got[-1] == "renewal-save-offer"


async def test_a_complaint_in_between_is_noted_and_the_next_word_waits(world: World) -> None:
    customer, name = await a_contract(world, 15)
    await customer.in_stage(name, "approached")
    await customer.has("complaint.opened", case="8")
    await customer.in_stage("complaint:8", "open")
    await world.pass_time(13 * DAY)
    assert customer.got.count("renewal-save-offer") == 1
    standing = await customer.progress(name)
    assert any("complaint:8" in words for words in standing.words)


async def test_under_a_lasting_complaint_only_a_plain_reminder_goes_out_in_the_end(
    world: World,
) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="9")
    await customer.in_stage("complaint:9", "open")
    due = (await world.now() + 20 * DAY).date().isoformat()
    await customer.has("contract.renewal_due", due=due)
    assert (await customer.ending(f"renewal:{due}")).ended == "lapsed"
    about_renewal = [action for action in customer.got if action.startswith("renewal")]
    assert about_renewal == ["renewal-reminder"]


async def test_renewed_while_it_waits_for_a_hold_it_ends(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="10")
    await customer.in_stage("complaint:10", "open")
    due = (await world.now() + 20 * DAY).date().isoformat()
    await customer.has("contract.renewal_due", due=due)
    await customer.in_stage(f"renewal:{due}", "about to approach")
    await customer.has("milestone.reached", name="renewed")
    assert (await customer.ending(f"renewal:{due}")).ended == "renewed"


async def test_a_call_that_can_not_be_passed_on_becomes_a_task_of_the_desk(world: World) -> None:
    world.post.refusals = {
        "email": FakeOutcome(status="refused", reason="consent"),
        "call": FakeOutcome(status="failed", reason="no such channel"),
    }
    try:
        customer, name = await a_contract(world, 20)
        standing = await customer.in_stage(name, "approached")
    finally:
        world.post.refusals = {}
    assert f"over to {DESK}: call the customer" in standing.words[-1]
    assert customer.got == []


async def test_a_call_that_is_the_best_choice_is_a_task_of_the_desk(world: World) -> None:
    world.post.refusals = {"email": FakeOutcome(status="refused", reason="consent")}
    try:
        customer, name = await a_contract(world, 20)
        standing = await customer.in_stage(name, "approached")
    finally:
        world.post.refusals = {}
    assert customer.got == ["renewal-call"]
    assert f"over to {DESK}: call the customer" in standing.words[-1]


async def test_nobody_calls_a_customer_whose_limit_is_reached(world: World) -> None:
    world.post.refusals = {
        channel: FakeOutcome(status="refused", reason="limit:marketing-messages-in-a-week")
        for channel in ("email", "whatsapp", "call")
    }
    try:
        customer, name = await a_contract(world, 20)
        standing = await customer.in_stage(name, "approached")
    finally:
        world.post.refusals = {}
    assert customer.got == []
    assert not any("call the customer" in words for words in standing.words)


async def test_a_hold_that_comes_between_decision_and_sending_stops_the_message(
    world: World,
) -> None:
    world.post.refusals = {"email": FakeOutcome(status="refused", reason="hold:complaint:11")}
    try:
        customer, name = await a_contract(world, 20)
        standing = await customer.in_stage(name, "about to approach")
    finally:
        world.post.refusals = {}
    assert "hold:complaint:11" in standing.waiting_for
    await world.pass_time(2 * HOUR)
    await customer.in_stage(name, "approached")
    assert customer.got == ["renewal-save-offer"]


async def test_quiet_hours_are_waited_for_visibly_and_the_same_message_goes_out_after_them(
    world: World,
) -> None:
    over = await world.now() + 9 * HOUR
    quiet = FakeOutcome(status="waits", reason="quiet_hours:night", until=over)
    world.post.refusals = dict.fromkeys(("email", "whatsapp", "call"), quiet)
    try:
        customer, name = await a_contract(world, 20)
        standing = await customer.in_stage(name, "about to approach")
    finally:
        world.post.refusals = {}
    assert standing.waiting_for == "the end of quiet_hours:night"
    assert standing.due == over
    assert customer.got == []
    await world.pass_time(10 * HOUR)
    await customer.in_stage(name, "approached")
    assert customer.got == ["renewal-save-offer"]
    assert world.post.attempts.count(world.post.delivered[-1].message_id) == 2


async def test_a_hold_placed_in_quiet_hours_stops_what_waited_for_their_end(world: World) -> None:
    over = await world.now() + 9 * HOUR
    quiet = FakeOutcome(status="waits", reason="quiet_hours:night", until=over)
    world.post.refusals = dict.fromkeys(("email", "whatsapp", "call"), quiet)
    try:
        customer, name = await a_contract(world, 20)
        await customer.in_stage(name, "about to approach")
    finally:
        world.post.refusals = {}
    await customer.has("complaint.opened", case="77")
    await customer.in_stage("complaint:77", "open")
    await world.pass_time(10 * HOUR)
    assert "renewal-save-offer" not in customer.got


async def test_the_next_approach_is_announced_so_that_limits_keep_a_place_for_it(
    world: World,
) -> None:
    customer, name = await a_contract(world, 40)
    standing = await customer.in_stage(name, "scheduled")
    (journey,) = await world.book.journeys(customer.reference)
    assert journey.planned is not None
    assert (journey.planned.channel, journey.planned.purpose) == ("email", "retention")
    assert journey.planned.at == standing.due


async def test_with_nothing_to_offer_it_still_ends(world: World) -> None:
    stock, world.engine.stock = world.engine.stock, ()
    try:
        customer, name = await a_contract(world, 20)
        assert (await customer.ending(name)).ended == "lapsed"
    finally:
        world.engine.stock = stock
    assert customer.got == []
