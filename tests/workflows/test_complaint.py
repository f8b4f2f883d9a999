"""A complaint walks to each of its ends, whatever the order in which its events come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import InvalidInput, Unavailable
from tests.support.journeys import Customer, World
from workflows.complaint import DESK, MANAGER
from workflows.fakes import FakeOutcome
from workflows.search_attributes import CUSTOMER, DUE, KIND, OWNER, STAGE, WAITING_FOR

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASE = "complaint:4711"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def a_complainant(world: World, *, severity: str = "normal", case: str = "4711") -> Customer:
    """A customer whose complaint is open and acknowledged."""
    customer = world.customer()
    await customer.has("complaint.opened", case=case, severity=severity, text="it is all broken")
    await customer.in_stage(f"complaint:{case}", "open")
    return customer


async def test_a_slipped_promise_escalates_and_is_recalled_every_day_for_as_long_as_it_takes(
    world: World,
) -> None:
    customer = await a_complainant(world)
    await world.pass_time(49 * HOUR)
    late = await customer.in_stage(CASE, "escalated")
    assert late.owner == MANAGER
    assert customer.got == ["acknowledge-complaint", "complaint-escalated"]

    await world.pass_time(60 * DAY)
    late = await customer.in_stage(CASE, "escalated")
    assert "reminder" in late.words[-1]
    assert customer.held == [CASE]
    hold = world.book.held[customer.reference][CASE]
    assert hold.until is not None
    assert hold.until > await world.now()

    await customer.has("complaint.resolved", case="4711")
    assert (await customer.ending(CASE)).ended == "closed"


async def test_it_is_acknowledged_checked_and_released_after_its_cool_down(world: World) -> None:
    customer = await a_complainant(world)
    standing = await customer.progress(CASE)
    assert standing.owner == DESK
    assert standing.waiting_for == "the complaint's resolution"
    assert customer.held == [CASE]

    await customer.has("complaint.resolved", case="4711")
    cooling = await customer.in_stage(CASE, "cooling down")
    assert cooling.due is not None
    assert cooling.due - await world.now() > 2 * DAY
    assert customer.held == [CASE]

    ending = await customer.ending(CASE)
    assert ending.ended == "closed"
    assert customer.held == []
    assert await world.book.journeys(customer.reference) == ()
    assert customer.got == ["acknowledge-complaint", "complaint-resolution-check"]


async def test_its_stages_are_part_of_the_snapshot_while_it_runs(world: World) -> None:
    customer = await a_complainant(world)
    await customer.has("complaint.resolved", case="4711")
    await customer.ending(CASE)
    stages = world.book.stages[f"complaint:{customer.reference}:4711"]
    assert stages == ["acknowledging", "open", "resolved", "cooling down"]


async def test_the_text_of_a_complaint_never_reaches_temporal(world: World) -> None:
    customer = await a_complainant(world)
    history = await customer.journey(CASE).fetch_history()
    assert "it is all broken" not in history.to_json()


@pytest.mark.parametrize(("severity", "hours"), [("normal", 48), ("high", 24), ("HIGH", 24)])
async def test_the_promise_depends_on_how_severe_it_is(
    world: World, severity: str, hours: int
) -> None:
    customer = await a_complainant(world, severity=severity)
    standing = await customer.progress(CASE)
    assert standing.due is not None
    left = standing.due - await world.now()
    assert (hours - 1) * HOUR < left <= hours * HOUR


async def test_delivered_twice_an_event_has_one_effect(world: World) -> None:
    customer = world.customer()
    opened = await customer.event("complaint.opened", case="4711")
    for _ in range(3):
        await customer.accepts(opened)
    await customer.in_stage(CASE, "open")
    await customer.accepts(opened)
    resolved = await customer.event("complaint.resolved", case="4711")
    for _ in range(3):
        await customer.accepts(resolved)
    await customer.accepts(opened)
    assert (await customer.ending(CASE)).ended == "closed"
    assert customer.got == ["acknowledge-complaint", "complaint-resolution-check"]


async def test_a_resolution_that_overtakes_its_opening_still_resolves(world: World) -> None:
    customer = world.customer()
    opened = await customer.event("complaint.opened", case="4711")
    resolved = await customer.event("complaint.resolved", case="4711")
    await customer.delivered(resolved)
    await customer.in_stage(CASE, "resolved before it was opened")
    await customer.accepts(opened)
    await customer.in_stage(CASE, "cooling down")
    assert customer.held == [CASE]
    assert (await customer.ending(CASE)).ended == "closed"
    assert customer.held == []


async def test_a_resolution_of_what_was_never_opened_ends_quietly(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.resolved", case="4711")
    assert (await customer.ending(CASE)).ended == "never opened"
    assert customer.got == []
    assert customer.held == []


async def test_a_reopening_that_overtakes_the_resolution_leaves_it_open(world: World) -> None:
    customer = await a_complainant(world)
    resolved = await customer.event("complaint.resolved", case="4711")
    reopened = await customer.event("complaint.reopened", case="4711")
    await customer.accepts(reopened)
    await customer.delivered(resolved)
    await world.pass_time(5 * DAY)
    assert (await customer.in_stage(CASE, "escalated")).owner == MANAGER
    assert customer.held == [CASE]


async def test_reopened_during_the_cool_down_it_starts_over_with_a_new_promise(
    world: World,
) -> None:
    customer = await a_complainant(world)
    await customer.has("complaint.resolved", case="4711")
    await customer.in_stage(CASE, "cooling down")
    await world.pass_time(2 * DAY)
    await customer.has("complaint.reopened", case="4711")
    again = await customer.in_stage(CASE, "open")
    assert again.due is not None
    assert again.due - await world.now() > 47 * HOUR

    await world.pass_time(1 * DAY)
    assert customer.held == [CASE]
    await customer.has("complaint.resolved", case="4711")
    assert (await customer.ending(CASE)).ended == "closed"
    assert customer.got == ["acknowledge-complaint", "complaint-resolution-check"] * 2
    ids = [sent.message_id for sent in world.post.delivered if sent.customer == customer.reference]
    assert len(set(ids)) == 4


async def test_a_reopening_accepted_at_the_moment_of_release_keeps_the_hold(world: World) -> None:
    customer = await a_complainant(world)
    await customer.has("complaint.resolved", case="4711")
    await customer.in_stage(CASE, "cooling down")
    reopened = await customer.event("complaint.reopened", case="4711")
    await customer.placed(reopened)

    await world.pass_time(3 * DAY + HOUR)
    waiting = await customer.in_stage(CASE, "opened again")
    assert waiting.waiting_for == "the news that opened it again"
    await world.pass_time(5 * DAY)
    assert customer.held == [CASE]

    await customer.delivered(reopened)
    late = await customer.in_stage(CASE, "escalated")
    assert late.owner == MANAGER, "the promise counts from the reopening, not from its delivery"
    assert customer.held == [CASE]


async def test_reopened_after_its_end_it_runs_again_under_the_same_id(world: World) -> None:
    customer = await a_complainant(world)
    await customer.has("complaint.resolved", case="4711")
    await customer.ending(CASE)
    await customer.has("complaint.reopened", case="4711")
    await customer.in_stage(CASE, "open")
    assert customer.held == [CASE]
    ids = [sent.message_id for sent in world.post.delivered if sent.customer == customer.reference]
    assert len(set(ids)) == len(ids) == 3


async def test_of_two_complaints_one_resolved_still_holds(world: World) -> None:
    customer = await a_complainant(world)
    await customer.has("complaint.opened", case="4712")
    await customer.in_stage("complaint:4712", "open")
    await customer.has("complaint.resolved", case="4711")
    assert (await customer.ending(CASE)).ended == "closed"
    assert customer.held == ["complaint:4712"]


async def test_an_odd_case_number_becomes_a_short_hash(world: World) -> None:
    customer = world.customer()
    (journey,) = await customer.has("complaint.opened", case="jane@example.com / 7")
    assert journey.startswith(f"complaint:{customer.reference}:x")
    assert "jane" not in journey
    assert "jane" not in customer.held[0]
    history = await world.client.get_workflow_handle(journey).fetch_history()
    assert "jane" not in history.to_json()


async def test_an_acknowledgement_that_no_channel_takes_is_a_task_of_its_owner(
    world: World,
) -> None:
    world.post.refusals = {
        "email": FakeOutcome(status="failed", reason="bounced"),
        "whatsapp": FakeOutcome(status="refused", reason="limit"),
    }
    try:
        customer = await a_complainant(world)
    finally:
        world.post.refusals = {}
    standing = await customer.progress(CASE)
    assert "the owner tells the customer" in standing.words[-1]
    assert customer.got == []


async def test_a_delivery_that_is_not_confirmed_is_repeated_under_the_same_id(
    world: World,
) -> None:
    world.post.errors = [Unavailable("no answer"), Unavailable("no answer")]
    before = len(world.post.attempts)
    customer = await a_complainant(world)
    tried = world.post.attempts[before:]
    assert len(tried) == 3
    assert len(set(tried)) == 1
    assert customer.got == ["acknowledge-complaint"]


async def test_an_engine_that_refuses_the_question_does_not_stop_it(world: World) -> None:
    world.engine.errors = [InvalidInput("no such channel"), InvalidInput("no such channel")]
    customer = await a_complainant(world)
    assert customer.got == []
    await customer.has("complaint.resolved", case="4711")
    assert (await customer.ending(CASE)).ended == "closed"


async def test_a_ledger_that_is_away_for_a_moment_does_not_stop_it(world: World) -> None:
    world.book.broken = 3
    customer = world.customer()
    await customer.delivered(await customer.event("complaint.opened", case="4711"))
    await customer.in_stage(CASE, "open")
    assert customer.held == [CASE]


async def test_its_search_attributes_and_memo_tell_all_without_waking_it(world: World) -> None:
    customer = await a_complainant(world)
    found = await customer.journey(CASE).describe()
    shown = found.typed_search_attributes
    assert shown.get(KIND) == "complaint"
    assert shown.get(CUSTOMER) == customer.reference
    assert shown.get(STAGE) == "open"
    assert shown.get(OWNER) == DESK
    assert shown.get(WAITING_FOR) == "the complaint's resolution"
    assert shown.get(DUE) is not None
    memo = await found.memo()
    assert memo["hold"]["id"] == CASE
    assert memo["customer"] == customer.reference
