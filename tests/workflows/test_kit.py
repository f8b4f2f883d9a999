"""The steps of the authoring kit, walked through by journeys that do little else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from temporalio.api.history.v1 import HistoryEvent

from engine.business_hours import BusinessHours, Span
from tests.support.walks import DAY, HEAD, LEAD, WALKS
from workflows.interventions import InterventionRefused
from workflows.search_attributes import ATTENTION, OWNER, WAITING_FOR
from workflows.testing import Act, Customer, FakeOutcome, World, a_world
from workflows.worker import JOURNEYS

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
HOLDING = "the end of hold complaint:1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    async with a_world(journeys=(*JOURNEYS, *WALKS)) as one:
        yield one


async def begun(world: World, name: str, stage: str, **data: str) -> Customer:
    """A customer with a journey in this stage."""
    customer = world.customer()
    await customer.starts(name, **data)
    await customer.in_stage(name, stage)
    return customer


async def a_silenced_customer(world: World) -> Customer:
    """A customer with an open complaint."""
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    return customer


# Asking and handing over


async def test_a_question_is_shown_with_its_owner_and_deadline_and_answered(world: World) -> None:
    customer = await begun(world, "asking", "deciding")
    standing = await customer.progress("asking")
    assert standing.task is not None
    assert (standing.task.choices, standing.task.default) == (("yes", "no"), "no")
    found = await customer.journey("asking").describe()
    shown = found.typed_search_attributes
    assert (shown.get(OWNER), shown.get(WAITING_FOR)) == (LEAD, "refund? (yes / no)")
    with pytest.raises(InterventionRefused, match="choose one of yes, no"):
        await customer.operator("asking", Act.ANSWER, choice="maybe")
    await customer.operator("asking", Act.ANSWER, choice="yes", because="it was our fault")
    standing = await customer.in_stage("asking", "handing over")
    assert any("refund? 'yes' by olivia (it was our fault)" in words for words in standing.words)
    assert any("over to test head: refund: yes" in words for words in standing.words)


async def test_unanswered_a_question_takes_its_default(world: World) -> None:
    customer = await begun(world, "asking", "deciding")
    await world.pass_time(DAY + HOUR)
    standing = await customer.in_stage("asking", "handing over")
    assert any("refund? nobody: 'no'" in words for words in standing.words)
    assert any("refund: no" in words for words in standing.words)


async def handing_over(world: World) -> Customer:
    customer = await begun(world, "asking", "deciding")
    await customer.operator("asking", Act.SKIP)
    await customer.in_stage("asking", "handing over")
    return customer


async def test_a_handoff_is_taken_by_what_somebody_does(world: World) -> None:
    customer = await handing_over(world)
    assert customer.got == ["onboarding-check-in"]
    await customer.tells("asking", "agent.replied")
    assert (await customer.ending("asking")).ended == "taken"


async def test_a_handoff_is_taken_by_an_answer(world: World) -> None:
    customer = await handing_over(world)
    await customer.operator("asking", Act.ANSWER, choice="taken")
    assert (await customer.ending("asking")).ended == "taken"


@pytest.mark.parametrize("how", ["nobody takes it", "it is declined"])
async def test_a_handoff_that_fails_runs_its_fallback_which_books_a_call(
    world: World, how: str
) -> None:
    customer = await handing_over(world)
    if how == "it is declined":
        await customer.operator("asking", Act.ANSWER, choice="declined", because="no time")
    assert (await customer.ending("asking")).ended == "booked"
    assert (await customer.ending("calling-back:4711")).ended == "called"
    assert any("called back: called" in w for w in (await customer.progress("asking")).words)


async def test_a_handoff_that_can_not_be_told_fails_at_once(world: World) -> None:
    customer = await begun(world, "asking", "deciding")
    world.post.refusals = {"call": FakeOutcome(status="failed", reason="no line")}
    try:
        await customer.operator("asking", Act.SKIP)
        standing = await customer.says("asking", "did not take over")
    finally:
        world.post.refusals = {}
    assert any(f"{HEAD} did not take over: no line" in words for words in standing.words)


# Sub-journeys


async def test_a_sub_journey_of_the_same_name_is_joined_not_started_again(world: World) -> None:
    customer = world.customer()
    await customer.starts("calling-back:4711", why="an earlier one")
    await customer.in_stage("calling-back:4711", "booked")
    await customer.starts("asking")
    assert (await customer.ending("asking")).ended == "booked"
    assert (await customer.ending("calling-back:4711")).because == "an earlier one"


async def test_a_sub_journey_that_is_over_answers_with_its_end(world: World) -> None:
    customer = world.customer()
    await customer.starts("calling-back:4711", why="an earlier one")
    await customer.ending("calling-back:4711")
    before = (await customer.journey("calling-back:4711").fetch_history()).events[0]
    await customer.starts("asking")
    assert (await customer.ending("asking")).ended == "booked"
    after = (await customer.journey("calling-back:4711").fetch_history()).events[0]
    assert after == before


# Holds that are met


async def test_a_step_that_waits_for_a_hold_goes_on_when_it_is_released(world: World) -> None:
    customer = await a_silenced_customer(world)
    await customer.starts("selling", way="wait")
    assert (await customer.in_stage("selling", "selling")).waiting_for == HOLDING
    await world.pass_time(3 * DAY)
    assert "renewal-save-offer" not in customer.got
    await customer.has("complaint.resolved", case="1")
    await customer.ending("complaint:1")
    await world.until(lambda: "renewal-save-offer" in customer.got)


async def test_a_step_waits_for_a_hold_only_as_long_as_it_says(world: World) -> None:
    customer = await a_silenced_customer(world)
    await customer.starts("selling", way="wait a day")
    await customer.in_stage("selling", "selling")
    assert (await customer.ending("selling")).ended == "silent"


async def test_a_step_that_skips_says_nothing_under_a_hold(world: World) -> None:
    customer = await a_silenced_customer(world)
    await customer.starts("selling", way="skip")
    assert (await customer.ending("selling")).ended == "silent"


async def test_operators_read_why_what_was_asked_for_by_name_did_not_go_out(world: World) -> None:
    customer = await a_silenced_customer(world)
    await customer.starts("selling", way="skip")
    await customer.ending("selling")
    why = "renewal-save-offer did not go out: nothing offers it on email, in force: complaint:1"
    assert any(why in words for words in (await customer.progress("selling")).words)


async def test_a_journey_asks_for_the_actions_that_carry_its_kind(world: World) -> None:
    customer = await begun(world, "greeting", "greeting")
    asked = [one for one in world.engine.asked if one.customer == customer.reference]
    assert [one.tags for one in asked] == [("greeting",)]
    assert customer.got == []


async def test_a_step_that_is_rerouted_says_something_else(world: World) -> None:
    customer = await a_silenced_customer(world)
    await customer.starts("selling", way="reroute")
    await world.until(lambda: "renewal-reminder" in customer.got)
    assert "renewal-save-offer" not in customer.got


async def test_what_waits_for_the_end_of_quiet_hours_is_recalled_by_a_hold(world: World) -> None:
    over = await world.now() + 9 * HOUR
    quiet = FakeOutcome(status="waits", reason="quiet_hours:night", until=over)
    world.post.refusals = {"email": quiet}
    try:
        customer = await begun(world, "selling", "selling", way="skip")
    finally:
        world.post.refusals = {}
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    assert (await customer.ending("selling")).ended == "silent"
    assert "renewal-save-offer" not in customer.got


async def test_a_hold_silences_what_sells_is_renewed_and_told_to_others_once(
    world: World,
) -> None:
    customer = await begun(world, "silencing", "silent")
    (hold,) = world.book.held[customer.reference].values()
    assert (hold.id, hold.purposes, hold.tags) == ("quiet:1", ("sales",), ("commercial",))
    assert (hold.owner, hold.until) == (customer.journey("silencing").id, hold.since + 3 * DAY)
    await customer.has("customer.joined")
    await customer.in_stage("onboarding", "towards activated")
    await world.pass_time(DAY)
    await customer.tells("silencing", "again.said")
    await world.until(lambda: world.book.held[customer.reference]["quiet:1"].until != hold.until)
    renewed = world.book.held[customer.reference]["quiet:1"]
    assert renewed.since == hold.since
    await customer.tells("silencing", "enough.said")
    assert (await customer.ending("silencing")).ended == "over"
    assert customer.held == []
    history = await customer.journey("onboarding").fetch_history()
    heard = [
        event.workflow_execution_signaled_event_attributes.input.payloads[0].data.decode()
        for event in history.events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    news = [one for one in heard if "quiet:1" in one]
    assert ["hold.released" in one for one in news] == [True], "a renewal is no news"


# Business hours


async def at_the_desk(world: World, opens: datetime) -> Customer:
    """A customer for whom somebody is to be called by a desk that opens for four hours a day."""
    closes = opens + 4 * HOUR
    day = (Span(opens=opens.time(), closes=closes.time()),)
    hours = BusinessHours(name="desk", zone="UTC", week=(day,) * 7)
    world.bundle = replace(world.bundle, business_hours={"desk": hours})
    customer = world.customer()
    await customer.starts("calling-in-hours")
    return customer


async def test_a_step_waits_for_business_hours_as_they_were_when_the_journey_began(
    world: World,
) -> None:
    opens = (await world.now() + 5 * HOUR).replace(minute=0, second=0, microsecond=0)
    customer = await at_the_desk(world, opens)
    standing = await customer.in_stage("calling-in-hours", "closed")
    assert standing.due == opens
    await at_the_desk(world, opens + 2 * HOUR)
    because = (await customer.ending("calling-in-hours")).because
    assert because == f"{opens:%H:%M}, until {opens + 2 * HOUR:%d %H:%M}"


async def test_a_wait_for_business_hours_is_ended_by_an_event(world: World) -> None:
    customer = await at_the_desk(world, await world.now() + 5 * HOUR)
    await customer.in_stage("calling-in-hours", "closed")
    await customer.tells("calling-in-hours", "enough.said")
    assert (await customer.ending("calling-in-hours")).ended == "called off"


async def test_without_these_hours_somebody_is_always_there_and_operators_read_it(
    world: World,
) -> None:
    world.bundle = replace(world.bundle, business_hours={})
    customer = world.customer()
    await customer.starts("calling-in-hours")
    assert (await customer.ending("calling-in-hours")).ended == "called"
    words = (await customer.progress("calling-in-hours")).words
    assert ["the bundle has no business hours desk" in line for line in words].count(True) == 1


async def test_a_journey_names_the_hours_it_goes_by(world: World) -> None:
    customer = world.customer()
    await customer.starts("calling-in-hours", hours="shop")
    why = "CallingInHours goes by the business hours shop: add them to CallingInHours.hours"
    await fails(customer, "calling-in-hours", why)


async def fails(customer: Customer, name: str, why: str) -> None:
    """The code of this journey can't go on, for this reason."""
    with pytest.raises(AssertionError, match=why):
        await customer.in_stage(name, "done")


# Surveys


async def test_a_survey_waits_for_feedback_and_only_for_that_given_after_it(world: World) -> None:
    customer = world.customer()
    await customer.starts("selling", way="skip")
    standing = await customer.in_stage("selling", "selling")
    assert standing.waiting_for == "the customer's feedback"
    assert customer.got == ["renewal-save-offer", "onboarding-check-in"]
    await customer.tells("selling", "feedback.given", score=9)
    assert (await customer.ending("selling")).because == "9"


# Events that can't be handled


async def test_an_event_that_can_not_be_handled_is_set_aside_and_the_journey_goes_on(
    world: World,
) -> None:
    customer = await begun(world, "counting", "counting")
    await customer.tells("counting", "number.said", number=1)
    await customer.tells("counting", "number.said", number="many")
    await customer.tells("counting", "number.said", number=2)
    await customer.says("counting", "is set aside")
    standing = await customer.in_stage("counting", "counting")
    assert len(standing.aside) == 1
    assert "ValueError" in standing.aside[0]
    found = await customer.journey("counting").describe()
    assert found.typed_search_attributes.get(ATTENTION) == "set aside"
    details = str(await customer.journey("counting").query("__temporal_workflow_metadata"))
    assert "Events set aside: 1" in details
    await customer.tells("counting", "enough.said")
    assert (await customer.ending("counting")).because == "2 came to 3"
    assert customer.got == ["welcome-message"]


async def test_what_was_done_before_an_event_failed_is_not_done_again(world: World) -> None:
    customer = await begun(world, "counting", "counting")
    await customer.tells("counting", "number.said", number="half")
    await customer.says("counting", "is set aside")
    await customer.operator("counting", Act.RETRY, because="the new version can do halves")
    async for _ in world.moments():
        words = (await customer.progress("counting")).words
        if sum("is set aside" in line for line in words) == 2:
            break
    assert customer.got == ["set-up-guide"]
    assert len((await customer.progress("counting")).aside) == 1


# What it costs


async def test_a_step_costs_one_event_more_than_bare_temporal(world: World) -> None:
    """Bare: signal, timer, decision, message and their workflow tasks. Ours: the board."""
    customer = await begun(world, "counting", "counting")
    before = len(await events_of(customer))
    await customer.tells("counting", "number.said", number=1)
    await world.until(lambda: customer.got == ["welcome-message"])
    await customer.in_stage("counting", "counting")
    step = (await events_of(customer))[before:]
    ours = [event for event in step if is_of_the_board(event)]
    assert len(ours) == 1
    assert len(step) <= 1.3 * (len(step) - len(ours))


async def test_decisions_know_a_stage_without_an_event_of_its_own(world: World) -> None:
    customer = await begun(world, "selling", "selling", way="skip")
    await world.until(lambda: len(customer.got) == 2)
    (standing,) = await world.book.journeys(customer.reference)
    assert standing.stage == "selling"
    history = (await customer.journey("selling").fetch_history()).events
    assert not [event for event in history if "put_journey" in str(event)]


async def events_of(customer: Customer) -> list[HistoryEvent]:
    return list((await customer.journey("counting").fetch_history()).events)


def is_of_the_board(event: HistoryEvent) -> bool:
    return event.HasField("upsert_workflow_search_attributes_event_attributes") or (
        event.HasField("marker_recorded_event_attributes") and "put_journey" in str(event)
    )
