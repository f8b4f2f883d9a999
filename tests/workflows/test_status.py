"""What a customer is told of what is done for them, from where journeys really stand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from workflows.routing import KINDS
from workflows.status import TITLES, Status, status_of
from workflows.testing import Customer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)


async def told(customer: Customer, name: str, stage: str) -> Status:
    """What the customer reads of a journey in this stage."""
    standing = await customer.in_stage(name, stage)
    found = status_of(
        name.partition(":")[0],
        stage=standing.stage,
        waiting_for=standing.waiting_for,
        owner=standing.owner,
        due=standing.due,
        milestones=standing.milestones,
    )
    assert found is not None
    return found


async def test_of_a_complaint_one_reads_who_has_it_and_by_when_it_is_solved(world: World) -> None:
    customer = world.customer()
    await customer.has("complaint.opened", case="1")
    status = await told(customer, "complaint:1", "open")
    assert status.line.startswith("Your complaint: open. Next: the complaint's resolution, by ")
    assert status.line.endswith("UTC. Complaints desk sees to it.")
    assert status.when is not None
    assert abs(status.when - await world.now() - 48 * HOUR) < HOUR


async def test_of_a_question_it_is_what_was_promised_and_not_when_we_are_warned(
    world: World,
) -> None:
    customer = world.customer()
    await customer.has("message.received", channel="email", text="hello?")
    standing = await customer.in_stage("inquiry", "open")
    status = await told(customer, "inquiry", "open")
    assert standing.due is not None
    assert status.when == standing.milestones[0].due > standing.due


async def test_of_an_onboarding_it_is_the_plan_with_owners_and_dates(world: World) -> None:
    customer = world.customer()
    await customer.has("customer.joined")
    status = await told(customer, "onboarding", "towards activated")
    assert status.milestones[0].name == "activated"
    assert status.when == status.milestones[0].due


async def test_words_for_operators_are_turned_to_the_customer(world: World) -> None:
    customer = world.customer()
    await customer.has("feedback.given", score=7)
    status = await told(customer, "feedback", "to be answered")
    assert status.next == "answer your feedback"


async def test_what_we_only_have_in_mind_for_somebody_is_not_theirs_to_see() -> None:
    for kind in ("renewal", "purchase-help", "pulse"):
        assert status_of(kind, stage="s", waiting_for="w", owner="o", due=None) is None
    assert set(TITLES) < set(KINDS)
