"""Feedback walks to each of its ends: thanked, changed, explained, or left open by name."""

from __future__ import annotations

from datetime import timedelta

import pytest

from workflows import complaint
from workflows.feedback import DESK, HEAD, LEAD
from workflows.testing import Act, Customer, FakeOutcome, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEEDBACK = "feedback"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def somebody_who_said(world: World, **data: object) -> Customer:
    customer = world.customer()
    await customer.has("feedback.given", **data)
    await customer.in_stage(FEEDBACK, "to be answered")
    return customer


async def an_answered_one(world: World) -> Customer:
    customer = await somebody_who_said(world, score=7)
    await customer.has("agent.replied", channel="email")
    await customer.in_stage(FEEDBACK, "to be acted on")
    return customer


async def test_it_has_an_owner_and_a_deadline_at_once_and_its_words_stay_outside(
    world: World,
) -> None:
    customer = await somebody_who_said(world, score=7, text="the router is ugly")
    standing = await customer.progress(FEEDBACK)
    assert standing.owner == DESK
    assert standing.due is not None
    assert 23 * HOUR < standing.due - await world.now() <= DAY
    assert customer.got == ["feedback-received"]
    assert "ugly" not in (await customer.journey(FEEDBACK).fetch_history()).to_json()


@pytest.mark.parametrize("score", [0, 6, 6.0])
async def test_a_low_score_goes_to_the_lead_at_once(world: World, score: float) -> None:
    customer = await somebody_who_said(world, score=score)
    assert (await customer.progress(FEEDBACK)).owner == LEAD


async def test_words_without_a_score_are_answered_like_any_other(world: World) -> None:
    customer = await somebody_who_said(world, text="just saying")
    assert (await customer.progress(FEEDBACK)).owner == DESK


async def test_a_high_score_gets_thanks_and_nothing_else(world: World) -> None:
    customer = world.customer()
    await customer.has("feedback.given", score=9)
    assert (await customer.ending(FEEDBACK)).ended == "thanked"
    assert customer.got == ["feedback-thanks"]


@pytest.mark.parametrize("done", ["changed", "explained"])
async def test_answered_and_acted_on_the_customer_hears_what_was_done(
    world: World, done: str
) -> None:
    customer = await an_answered_one(world)
    standing = await customer.progress(FEEDBACK)
    assert standing.due is not None
    assert 71 * HOUR < standing.due - await world.now() <= 72 * HOUR
    await customer.operator(FEEDBACK, Act.ANSWER, choice=done)
    assert (await customer.ending(FEEDBACK)).ended == done
    assert customer.got == ["feedback-received", f"feedback-{done}"]


async def test_the_owner_may_say_that_it_is_answered(world: World) -> None:
    customer = await somebody_who_said(world, score=7)
    await customer.operator(FEEDBACK, Act.ANSWER, choice="answered", because="I called her")
    await customer.in_stage(FEEDBACK, "to be acted on")


async def test_a_bot_does_not_answer_for_a_person(world: World) -> None:
    customer = await somebody_who_said(world, score=7)
    await customer.has("agent.replied", channel="chat", by="bot")
    await world.pass_time(DAY + HOUR)
    standing = await customer.in_stage(FEEDBACK, "to be answered")
    assert standing.owner == LEAD
    assert any("nobody has answered" in words for words in standing.words)


async def test_every_deadline_that_slips_goes_up_the_ladder(world: World) -> None:
    customer = await an_answered_one(world)
    for owner in (LEAD, HEAD, HEAD):
        await world.pass_time((72 if owner == LEAD else 24) * HOUR + HOUR)
        await customer.says(FEEDBACK, f"escalated to {owner}: nothing was done")
        assert (await customer.in_stage(FEEDBACK, "to be acted on")).owner == owner
    await customer.operator(FEEDBACK, Act.ANSWER, choice="changed")
    assert (await customer.ending(FEEDBACK)).ended == "changed"


@pytest.mark.parametrize("left", ["answer", "action"])
async def test_what_nobody_does_in_two_weeks_is_left_open_by_name(world: World, left: str) -> None:
    customer = await somebody_who_said(world, score=7)
    if left == "action":
        await customer.has("agent.replied", channel="email")
        await customer.in_stage(FEEDBACK, "to be acted on")
    ending = await customer.ending(FEEDBACK)
    assert ending.ended == "not acted on"
    assert ending.gaps == (f"the {left}: {HEAD}, asked every day for 14 days",)


async def test_in_a_complaint_its_owner_has_it_and_its_manager_when_it_slips(
    world: World,
) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.has("feedback.given", score=1)
    standing = await customer.in_stage(FEEDBACK, "to be answered")
    assert standing.owner == complaint.DESK
    await world.pass_time(DAY + HOUR)
    await customer.says(FEEDBACK, "nobody has answered")
    standing = await customer.in_stage(FEEDBACK, "to be answered")
    assert standing.owner == complaint.MANAGER


async def test_a_complaint_that_was_escalated_takes_the_feedback_to_whoever_has_it(
    world: World,
) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.operator("complaint:1", Act.REASSIGN, to="the board")
    await customer.has("feedback.given", score=1)
    assert (await customer.in_stage(FEEDBACK, "to be answered")).owner == "the board"


async def test_more_feedback_meanwhile_is_answered_in_the_time_that_was_promised_first(
    world: World,
) -> None:
    customer = await somebody_who_said(world, score=7)
    due = (await customer.progress(FEEDBACK)).due
    await world.pass_time(5 * HOUR)
    await customer.has("feedback.given", score=2)
    await customer.says(FEEDBACK, "a score of 2")
    standing = await customer.in_stage(FEEDBACK, "to be answered")
    assert (standing.due, standing.owner) == (due, LEAD)


async def test_more_feedback_after_the_answer_needs_an_answer_of_its_own(world: World) -> None:
    customer = await an_answered_one(world)
    await customer.has("feedback.given", score=5)
    await customer.in_stage(FEEDBACK, "to be answered")
    assert customer.got == ["feedback-received"] * 2


async def test_a_good_word_meanwhile_closes_nothing(world: World) -> None:
    customer = await an_answered_one(world)
    await customer.has("feedback.given", score=10)
    await customer.says(FEEDBACK, "what is open stays open")
    await customer.in_stage(FEEDBACK, "to be acted on")


async def test_a_bad_word_right_after_a_good_one_is_not_lost(world: World) -> None:
    customer = world.customer()
    await customer.has("feedback.given", score=10)
    await customer.has("feedback.given", score=2)
    await customer.in_stage(FEEDBACK, "to be answered")


async def untold(world: World) -> Customer:
    """Somebody whom no channel reaches with what was done."""
    customer = await an_answered_one(world)
    failed = FakeOutcome(status="failed", reason="bounced")
    world.post.refusals = {"email": failed, "whatsapp": failed}
    try:
        await customer.operator(FEEDBACK, Act.ANSWER, choice="changed")
        await customer.in_stage(FEEDBACK, "to be told")
    finally:
        world.post.refusals = {}
    return customer


async def test_what_can_not_be_written_is_told_by_a_person(world: World) -> None:
    customer = await untold(world)
    await customer.has("agent.replied", channel="call")
    ending = await customer.ending(FEEDBACK)
    assert (ending.ended, ending.gaps) == ("changed", ())


async def test_if_nobody_tells_the_customer_a_callback_is_booked(world: World) -> None:
    customer = await untold(world)
    await world.pass_time(DAY + HOUR)
    await customer.says(FEEDBACK, "a callback is booked")
    ending = await customer.ending(FEEDBACK)
    assert ending.gaps == (f"a word to the customer: {DESK}, a callback is booked",)
    await world.until(lambda: "callback-booked" in customer.got)


async def test_nothing_that_it_says_is_commercial(world: World) -> None:
    customer = await an_answered_one(world)
    await customer.operator(FEEDBACK, Act.ANSWER, choice="explained")
    await customer.ending(FEEDBACK)
    mine = [sent for sent in world.post.delivered if sent.customer == customer.reference]
    assert {sent.purpose for sent in mine} == {"service"}
    assert not [sent for sent in mine if "commercial" in sent.tags]
