"""Records the histories that tests/workflows/test_replay.py replays.

    python -m tests.histories.record [STORY ...]

They belong to the version in pyproject.toml. Once CHANGELOG.md has a heading for that version it is
released, and its histories are never recorded again: they stand for journeys that still run.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

from tests.support.journeys import Customer, World, a_world
from workflows.testing import Act, FakeOutcome

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def complaint_closed(world: World, customer: Customer) -> str:
    """Opened, late, resolved, reopened, resolved, closed."""
    await customer.has("complaint.opened", case="1", severity="high")
    await customer.in_stage("complaint:1", "open")
    await world.pass_time(3 * DAY)
    await customer.has("complaint.resolved", case="1")
    await customer.in_stage("complaint:1", "cooling down")
    await customer.has("complaint.reopened", case="1")
    await customer.in_stage("complaint:1", "open")
    await customer.has("complaint.resolved", case="1")
    await customer.ending("complaint:1")
    return "complaint:1"


async def complaint_open(world: World, customer: Customer) -> str:
    """Opened and escalated, still running."""
    await customer.has("complaint.opened", case="2")
    await customer.in_stage("complaint:2", "open")
    await world.pass_time(4 * DAY)
    await customer.in_stage("complaint:2", "escalated")
    return "complaint:2"


async def onboarding_with_gaps(world: World, customer: Customer) -> str:
    """Two milestones reached, two slipped."""
    await customer.has("customer.joined")
    await customer.has("milestone.reached", name="set-up-done")
    await customer.has("milestone.reached", name="activated")
    await customer.ending("onboarding")
    return "onboarding"


async def renewal_after_complaint(world: World, customer: Customer) -> str:
    """Held by a complaint, then renewed."""
    await customer.has("complaint.opened", case="3")
    await customer.in_stage("complaint:3", "open")
    due = (await world.now() + 25 * DAY).date().isoformat()
    name = f"renewal:{due}"
    await customer.has("contract.renewal_due", due=due)
    await customer.in_stage(name, "about to approach")
    await customer.has("complaint.resolved", case="3")
    await customer.ending("complaint:3")
    await customer.in_stage(name, "approached")
    await customer.has("milestone.reached", name="renewed")
    await customer.ending(name)
    return name


async def callback_not_reached(world: World, customer: Customer) -> str:
    """One call in vain, two that nobody reports."""
    name = "callback:1"
    await customer.starts(name, because="the bill")
    await customer.in_stage(name, "booked")
    await world.pass_time(HOUR / 2)
    await customer.in_stage(name, "calling")
    await customer.operator(name, Act.ANSWER, choice="not reached")
    await customer.ending(name)
    return name


async def feedback_changed(world: World, customer: Customer) -> str:
    """A low score, answered late, acted on, told by nobody: a callback is booked."""
    await customer.has("feedback.given", score=3)
    await customer.in_stage("feedback", "to be answered")
    await world.pass_time(DAY + HOUR)
    await customer.has("agent.replied", channel="email")
    await customer.in_stage("feedback", "to be acted on")
    failed = FakeOutcome(status="failed", reason="bounced")
    world.post.refusals = {"email": failed, "whatsapp": failed}
    await customer.operator("feedback", Act.ANSWER, choice="changed")
    await customer.in_stage("feedback", "to be told")
    world.post.refusals = {}
    await customer.ending("feedback")
    return "feedback"


async def pulse_guided(world: World, customer: Customer) -> str:
    """A customer who wants to be guided, and takes one of three steps."""
    await customer.starts("pulse", "customer.joined")
    await customer.in_stage("pulse", "first month")
    await world.pass_time(30 * DAY + 5 * HOUR)
    await customer.in_stage("pulse", "calling")
    await customer.operator("pulse", Act.ANSWER, choice="wants to be guided")
    await customer.in_stage("pulse", "guided path")
    await customer.has("milestone.reached", name="account-explored")
    await customer.ending("pulse")
    return "pulse"


async def pulse_called_back(world: World, customer: Customer) -> str:
    """Nobody says what came of the call: called back, and not reached then either."""
    await customer.starts("pulse", "customer.joined")
    await customer.ending("pulse")
    return "pulse"


async def purchase_helped(world: World, customer: Customer) -> str:
    """Helped, and bought after that."""
    await customer.has("page.viewed", page="checkout")
    await customer.in_stage("purchase-help", "at the till")
    await world.pass_time(3 * HOUR)
    await customer.in_stage("purchase-help", "helped")
    await customer.has("purchase.made", product="fiber", amount=30)
    await customer.ending("purchase-help")
    return "purchase-help"


async def inquiry_escalated(world: World, customer: Customer) -> str:
    """Nobody replies in time, then somebody does; solved, and nothing more comes."""
    await customer.has("message.received", channel="whatsapp", text="hello?", topic="billing")
    await customer.in_stage("inquiry", "open")
    await world.pass_time(2 * HOUR)
    await customer.in_stage("inquiry", "escalated")
    await customer.has("agent.replied", channel="whatsapp")
    await customer.in_stage("inquiry", "with the customer")
    await customer.ending("inquiry")
    return "inquiry"


async def order_delay_repaired(world: World, customer: Customer) -> str:
    """Watched, told, put right by the default, told of more, delivered."""
    name = "order-delay:o-1"
    await customer.has("order.delayed", order="o-1", hours=30.0)
    await customer.in_stage(name, "watched")
    await world.pass_time(DAY)
    await customer.in_stage(name, "to be repaired")
    await customer.has("order.delayed", order="o-1", hours=96.0)
    await world.pass_time(DAY)
    await customer.in_stage(name, "on its way")
    await customer.has("milestone.reached", name="delivered", order="o-1")
    await customer.ending(name)
    return name


async def failed_payment_paid_late(world: World, customer: Customer) -> str:
    """Every word of the plan, a call that nobody takes over, a question to the lead, paid."""
    name = "failed-payment:i-1"
    await customer.has("payment.failed", invoice="i-1")
    await customer.in_stage(name, "reminded")
    await world.pass_time(15 * DAY)
    await customer.in_stage(name, "with a person")
    await world.pass_time(31 * DAY)
    await customer.in_stage(name, "to be decided")
    await customer.has("milestone.reached", name="paid")
    await customer.ending(name)
    return name


Story = Callable[[World, Customer], Awaitable[str]]
STORIES: tuple[Story, ...] = (
    complaint_closed,
    complaint_open,
    onboarding_with_gaps,
    renewal_after_complaint,
    callback_not_reached,
    feedback_changed,
    pulse_guided,
    pulse_called_back,
    purchase_helped,
    inquiry_escalated,
    order_delay_repaired,
    failed_payment_paid_late,
)


ROOT = Path(__file__).parents[2]


class Released(Exception):
    """The histories of this version stay as they are."""


def folder(root: Path = ROOT) -> Path:
    """Where the histories of the version in work are. Raises Released."""
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    if re.search(
        rf"^## \[?{re.escape(version)}(\]| |$)", (root / "CHANGELOG.md").read_text(), re.M
    ):
        raise Released(
            f"{version} is released: raise the version in pyproject.toml, then record for that one"
        )
    return root / "tests" / "histories" / str(version)


async def record(into: Path, stories: Sequence[Story]) -> None:
    """Live through each story and keep its history."""
    async with a_world() as world:
        for story in stories:
            customer = world.customer()
            name = await story(world, customer)
            history = await customer.journey(name).fetch_history()
            (into / f"{story.__name__}.json").write_text(history.to_json() + "\n")


def main(names: Sequence[str]) -> None:
    """Record the stories of these names, or all of them."""
    known = {story.__name__: story for story in STORIES}
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"no story is called {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        into = folder()
    except Released as released:
        sys.exit(str(released))
    into.mkdir(exist_ok=True)
    asyncio.run(record(into, [known[name] for name in names or known]))


if __name__ == "__main__":
    main(sys.argv[1:])
