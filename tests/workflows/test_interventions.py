"""Operators intervene in journeys: refused with a reason, or done at once, and nobody is lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from engine.errors import InvalidInput, JourneysUnavailable, Unavailable
from tests.support.builders import a_hold
from tests.support.walks import DAY, DESK, HEAD, LEAD, WALKS
from workflows.complaint import MANAGER
from workflows.interventions import (
    Intervention,
    InterventionRefused,
    UnknownJourney,
    intervene,
    look,
)
from workflows.search_attributes import ATTENTION, DUE, OWNER
from workflows.testing import Act, Customer, FakeOutcome, World, a_world
from workflows.worker import JOURNEYS

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNTING = "counting"
HOUR = timedelta(hours=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    async with a_world(journeys=(*JOURNEYS, *WALKS)) as one:
        yield one


async def a_count(world: World) -> Customer:
    """A customer for whom is counted."""
    customer = world.customer()
    await customer.starts(COUNTING)
    await customer.in_stage(COUNTING, "counting")
    return customer


async def test_paused_it_hears_everything_and_does_nothing_until_it_is_resumed(
    world: World,
) -> None:
    customer = await a_count(world)
    paused = await customer.operator(COUNTING, Act.PAUSE, because="we look into it")
    assert paused.paused == "olivia (we look into it)"
    for number in (1, 2):
        await customer.tells(COUNTING, "number.said", number=number)
    await world.pass_time(DAY)
    assert customer.got == []
    await customer.operator(COUNTING, Act.RESUME)
    await world.until(lambda: customer.got == ["welcome-message"])
    await customer.tells(COUNTING, "enough.said")
    assert (await customer.ending(COUNTING)).because == "2 came to 3"


async def test_a_timer_that_runs_out_during_a_pause_fires_on_resume(world: World) -> None:
    customer = await a_count(world)
    await customer.operator(COUNTING, Act.PAUSE)
    await world.pass_time(30 * DAY)
    assert (await customer.progress(COUNTING)).stage == "counting"
    await customer.operator(COUNTING, Act.RESUME)
    assert (await customer.ending(COUNTING)).ended == "counted"


async def test_a_paused_complaint_keeps_its_hold_for_as_long_as_it_takes(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.operator("complaint:1", Act.PAUSE)
    await world.pass_time(400 * DAY)
    hold = world.book.held[customer.reference]["complaint:1"]
    assert hold.until is not None
    assert hold.until > await world.now()
    await customer.operator("complaint:1", Act.RESUME)
    await customer.in_stage("complaint:1", "escalated")


async def test_a_pause_outlives_continuing_as_new(world: World) -> None:
    customer = await a_count(world)
    await customer.operator(COUNTING, Act.PAUSE)
    assert (await customer.progress(COUNTING)).paused
    found = await customer.journey(COUNTING).describe()
    assert found.typed_search_attributes.get(ATTENTION) == "paused"
    await customer.operator(COUNTING, Act.RESUME)
    found = await customer.journey(COUNTING).describe()
    assert found.typed_search_attributes.get(ATTENTION) is None


async def test_a_skipped_wait_ends_as_if_its_time_were_over(world: World) -> None:
    customer = await a_count(world)
    await customer.operator(COUNTING, Act.SKIP)
    assert (await customer.ending(COUNTING)).because == "0 came to 0"


async def test_a_deadline_is_moved_and_shown(world: World) -> None:
    customer = await a_count(world)
    until = await world.now() + 20 * DAY
    moved = await customer.operator(COUNTING, Act.EXTEND, until=until)
    assert moved.due == until
    found = await customer.journey(COUNTING).describe()
    assert found.typed_search_attributes.get(DUE) == until
    await world.pass_time(19 * DAY)
    standing = await customer.progress(COUNTING)
    assert (standing.stage, standing.due) == ("counting", until)
    await world.pass_time(2 * DAY)
    assert (await customer.ending(COUNTING)).ended == "counted"


async def test_another_owner_stays_for_the_stage_and_is_found(world: World) -> None:
    customer = await a_count(world)
    await customer.operator(COUNTING, Act.REASSIGN, to="Rita")
    await customer.tells(COUNTING, "number.said", number=1)
    await world.until(lambda: customer.got != [])
    assert (await customer.in_stage(COUNTING, "counting")).owner == "Rita"
    found = await customer.journey(COUNTING).describe()
    assert found.typed_search_attributes.get(OWNER) == "Rita"


async def test_escalated_it_goes_up_the_ladder_and_stays_at_the_top(world: World) -> None:
    customer = await a_count(world)
    owners = [(await customer.operator(COUNTING, Act.ESCALATE)).owner for _ in range(3)]
    assert owners == [LEAD, HEAD, HEAD]
    assert (await customer.operator(COUNTING, Act.ESCALATE, to="the board")).owner == "the board"


async def a_failed_message(world: World) -> Customer:
    """A customer whose mailbox was full."""
    before = len(world.post.attempts)
    world.post.refusals = {"email": FakeOutcome(status="failed", reason="mailbox full")}
    try:
        customer = await a_count(world)
        await customer.tells(COUNTING, "number.said", number=1)
        await world.until(lambda: len(world.post.attempts) > before)
        await customer.in_stage(COUNTING, "counting")
    finally:
        world.post.refusals = {}
    assert customer.got == []
    return customer


async def test_what_was_refused_goes_out_on_retry_under_an_id_of_its_own(world: World) -> None:
    customer = await a_failed_message(world)
    found = await customer.journey(COUNTING).describe()
    assert found.typed_search_attributes.get(ATTENTION) == "failed"
    await customer.operator(COUNTING, Act.RETRY, because="the mailbox is empty again")
    await customer.says(COUNTING, "welcome-message on email: delivered")
    assert customer.got == ["welcome-message"]
    with pytest.raises(InterventionRefused, match="nothing to retry"):
        await customer.operator(COUNTING, Act.RETRY)


async def test_a_retry_under_a_hold_sends_nothing_and_may_be_tried_once_it_is_over(
    world: World,
) -> None:
    customer = await a_failed_message(world)
    hold = a_hold(purposes=("service",))
    await world.book.place_hold(customer.reference, hold)
    await customer.operator(COUNTING, Act.RETRY, because="the mailbox is empty again")
    await customer.says(COUNTING, "welcome-message on email: refused")
    assert customer.got == []
    await world.book.release_hold(customer.reference, hold.id, hold.seq, "olivia", "settled")
    await customer.operator(COUNTING, Act.RETRY, because="it is settled")
    await customer.says(COUNTING, "welcome-message on email: delivered")
    assert customer.got == ["welcome-message"]


async def test_a_delivery_that_is_tried_again_and_again_can_be_skipped(world: World) -> None:
    customer = await a_count(world)
    world.post.errors = [Unavailable("no answer") for _ in range(1_000)]
    try:
        await customer.tells(COUNTING, "number.said", number=1)
        await world.until(lambda: len(world.post.errors) < 1_000)
        await customer.operator(COUNTING, Act.SKIP)
        await customer.in_stage(COUNTING, "counting")
    finally:
        world.post.errors = []
    assert customer.got == []


async def test_cancelled_a_complaint_releases_its_hold_and_leaves_the_snapshot(
    world: World,
) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="2")
    await customer.in_stage("complaint:2", "open")
    await customer.operator("complaint:2", Act.CANCEL, because="opened by mistake")
    ending = await customer.ending("complaint:2")
    assert (ending.ended, ending.because) == ("cancelled", "olivia (opened by mistake)")
    assert customer.held == []
    assert await world.book.journeys(customer.reference) == ()


async def test_a_complaint_opened_again_while_it_is_cancelled_is_not_lost(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="3")
    await customer.in_stage("complaint:3", "open")
    reopened = await customer.event("complaint.reopened", case="3")
    await customer.placed(reopened)
    await customer.operator("complaint:3", Act.CANCEL)
    await customer.says("complaint:3", "not cancelled")
    assert customer.held == ["complaint:3"]
    await customer.delivered(reopened)
    assert (await customer.in_stage("complaint:3", "open")).stage == "open"


async def test_an_operator_may_escalate_a_complaint_before_its_promise_slips(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="5")
    await customer.in_stage("complaint:5", "open")
    assert (await customer.operator("complaint:5", Act.ESCALATE)).owner == MANAGER
    await customer.has("complaint.opened", case="5")
    assert (await customer.in_stage("complaint:5", "open")).owner == MANAGER


async def test_paused_it_can_be_cancelled(world: World) -> None:
    customer = await a_count(world)
    await customer.operator(COUNTING, Act.PAUSE)
    await customer.operator(COUNTING, Act.CANCEL)
    assert (await customer.ending(COUNTING)).ended == "cancelled"


async def test_every_intervention_is_in_the_words_with_author_and_reason(world: World) -> None:
    customer = await a_count(world)
    await customer.operator(COUNTING, Act.NOTE, because="he moves in May")
    details = str(await customer.journey(COUNTING).query("__temporal_workflow_metadata"))
    assert "noted by olivia (he moves in May)" in details
    standing = await customer.progress(COUNTING)
    assert standing.owner == DESK


async def test_what_is_sent_twice_under_one_key_happens_once(world: World) -> None:
    customer = await a_count(world)
    journey = customer.journey(COUNTING).id
    up = Intervention(author="olivia", because="why not", act=Act.ESCALATE)
    owners = [
        (await intervene(world.client, journey, up, key=key)).owner for key in ("a", "a", "b", "b")
    ]
    assert owners == [LEAD, LEAD, HEAD, HEAD]
    pause = Intervention(author="olivia", because="why not", act=Act.PAUSE)
    for _ in range(2):
        assert (await intervene(world.client, journey, pause, key="c")).paused
    with pytest.raises(InterventionRefused, match="paused already"):
        await intervene(world.client, journey, pause, key="d")


async def test_one_looks_at_a_journey_and_at_nothing_else(world: World) -> None:
    customer = await a_count(world)
    journey = customer.journey(COUNTING).id
    described, standing = await look(world.client, journey)
    assert (described.id, standing.stage) == (journey, "counting")
    with pytest.raises(UnknownJourney):
        await look(world.client, "counting:nobody")


async def test_where_no_worker_answers_one_is_told_so(world: World) -> None:
    order = Intervention(author="olivia", because="why not", act=Act.NOTE)
    moment = timedelta(seconds=0.5)
    customer = world.customer()
    elsewhere = replace(world, site=replace(world.site, task_queue="nobody-works-here"))
    await replace(customer, world=elsewhere).starts(COUNTING)
    for asked in (
        intervene(world.client, customer.journey(COUNTING).id, order, patience=moment),
        look(world.client, customer.journey(COUNTING).id, patience=moment),
    ):
        with pytest.raises(JourneysUnavailable):
            await asked


@pytest.mark.parametrize(
    ("act", "because", "why"),
    [
        (Act.RESUME, "why not", "it is not paused"),
        (Act.RETRY, "why not", "nothing to retry"),
        (Act.REASSIGN, "why not", "say who is to own it: to"),
        (Act.EXTEND, "why not", "say until when: until"),
        (Act.ANSWER, "why not", "it asks nothing"),
        (Act.PAUSE, "  ", "author and because"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    world: World, act: Act, because: str, why: str
) -> None:
    customer = await a_count(world)
    before = await customer.progress(COUNTING)
    with pytest.raises(InterventionRefused, match=why):
        await customer.operator(COUNTING, act, because=because)
    assert await customer.progress(COUNTING) == before


async def test_a_deadline_in_the_past_or_without_an_offset_is_refused(world: World) -> None:
    customer = await a_count(world)
    now = await world.now()
    with pytest.raises(InterventionRefused, match="until is over"):
        await customer.operator(COUNTING, Act.EXTEND, until=now - HOUR)
    with pytest.raises(InterventionRefused, match="offset"):
        await customer.operator(COUNTING, Act.EXTEND, until=now.replace(tzinfo=None) + HOUR)


async def test_a_journey_that_does_not_run_is_unknown_and_an_act_must_be_named(
    world: World,
) -> None:
    order = Intervention(author="olivia", because="why not", act=Act.PAUSE)
    with pytest.raises(UnknownJourney):
        await intervene(world.client, "counting:nobody", order)
    with pytest.raises(InvalidInput, match="pause"):
        await intervene(world.client, "counting:nobody", Intervention(author="o", because="b"))


async def test_an_operator_says_what_is_said_next_and_only_next(world: World) -> None:
    customer = await a_count(world)
    standing = await customer.operator(COUNTING, Act.OVERRIDE, choice="set-up-guide")
    assert "set-up-guide is to be said next: by olivia" in standing.words[-1]
    await customer.tells(COUNTING, "number.said", number=1)
    await world.until(lambda: customer.got == ["set-up-guide"])
    with pytest.raises(InterventionRefused, match="no override to take back"):
        await customer.operator(COUNTING, Act.OVERRIDE)
    await customer.tells(COUNTING, "number.said", number="half")
    await world.until(lambda: customer.got == ["set-up-guide", "set-up-guide"])


async def test_what_the_engine_does_not_offer_is_not_said_by_override_either(world: World) -> None:
    customer = await a_count(world)
    hold = a_hold("quiet", purposes=(), tags=("set-up",))
    await world.book.place_hold(customer.reference, hold)
    await customer.operator(COUNTING, Act.OVERRIDE, choice="no-such-action")
    await customer.tells(COUNTING, "number.said", number=1)
    await customer.says(
        COUNTING, "no-such-action is not offered on email, in force: complaint:quiet"
    )
    await world.until(lambda: customer.got == ["welcome-message"])
    standing = await customer.operator(COUNTING, Act.OVERRIDE)
    assert "override taken back by olivia" in standing.words[-1]
    await customer.tells(COUNTING, "number.said", number="half")
    await world.until(lambda: customer.got == ["welcome-message", "set-up-guide"])
