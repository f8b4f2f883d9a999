"""The renewal of a contract: in good time, as suits the customer, never during a complaint.

Owner: the retention desk.
Promises: the first word 30 days before the end, others 14 and 3 days before it. The engine weighs a
plain reminder, a save offer and a call by churn and acceptance, on each channel.
Fallbacks: while a complaint is open, the renewal waits; three days before the end at the latest a
plain reminder goes out, which sells nothing. A call that can't be passed on is a task of the desk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from temporalio import workflow

from workflows.journey import Journey
from workflows.steps import HOLD_PLACED, HOLD_RELEASED, Ending, Heard, Opening, Proposal, SentStatus

DESK = "retention desk"

MILESTONE = "milestone.reached"
PURCHASE = "purchase.made"
RENEWED = "renewed"
CANCELLED = "cancelled"
ANSWERS = (MILESTONE, PURCHASE)

APPROACHES = (timedelta(days=30), timedelta(days=14), timedelta(days=3))
"""How long before the end of the contract the customer hears from us."""

LAST_CALL = APPROACHES[-1]
REMINDER = "renewal-reminder"

CALL = "call"
CHANNELS = ("email", "whatsapp", CALL)
MESSAGES = ("email", "whatsapp")
RETENTION = "retention"
WORTH = 20.0
"""What a renewal approach is worth, as a priority: half a save offer's."""
HOLD_SETTLES_IN = timedelta(hours=1)
RENEWAL_PRODUCTS = ("renew", "contract")
"""What a product is called by which a purchase is seen to be a renewal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far the renewal has come: how many approaches are over, what was said, how it ended."""

    ends: datetime
    approaches: int = 0
    said: tuple[str, ...] = ()
    outcome: str = ""
    because: str = ""


@workflow.defn(name="renewal")
class Renewal(Journey):
    """The renewal of one contract of one customer."""

    hears = (*ANSWERS, HOLD_PLACED, HOLD_RELEASED)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Approach by approach until the customer has answered, or the contract is over."""
        course = self.resumed(Course) or Course(ends=end_of(opening.event.text("due")))
        while not course.outcome:
            course = await self.next_step(course)
            await self.checkpoint(course)
        return await self.finish(course.outcome, because=course.because)

    async def next_step(self, course: Course) -> Course:
        """Wait for an answer until the next approach is due, then approach."""
        if self.now >= course.ends:
            return replace(course, outcome="lapsed", because="the contract ended without an answer")
        self.stage("approached" if course.approaches else "scheduled", owner=DESK)
        self.plan_next(course)
        heard = await self.wait_for(
            *ANSWERS, HOLD_PLACED, until=self.next_moment(course), what="the customer's answer"
        )
        if heard:
            return self.answered(course, heard)
        return course if self.now >= course.ends else await self.approach(course)

    def next_moment(self, course: Course) -> datetime:
        """When the customer hears from us next; in the end, the end of the contract."""
        if course.approaches < len(APPROACHES):
            return course.ends - APPROACHES[course.approaches]
        return course.ends

    def plan_next(self, course: Course) -> None:
        """Keep a place for the next approach: worth more than most of what is sent."""
        if course.approaches < len(APPROACHES):
            at = self.next_moment(course)
            self.plan(at, channel=MESSAGES[0], purpose=RETENTION, value=WORTH)
        else:
            self.plan_nothing()

    def answered(self, course: Course, heard: Heard) -> Course:
        """What an event means for the renewal."""
        name, product = heard.text("name"), heard.text("product").lower()
        if heard.type == HOLD_PLACED:
            self.say(f"{heard.text('hold')}: nothing that sells until it is over")
        elif name == RENEWED or (product and _renews(product, course)):
            return replace(course, outcome=RENEWED, because="the customer has renewed")
        elif name == CANCELLED:
            return replace(course, outcome="lost", because="the customer has cancelled")
        return course

    async def approach(self, course: Course) -> Course:
        """Say what suits this customer best, once nothing forbids it."""
        self.stage("about to approach", owner=DESK)
        latest = course.ends - LAST_CALL
        if await self.clear_of_hold(until=latest, unless=ANSWERS):
            return await self.propose(course)
        if self.now < latest:  # an answer came in: it goes first
            return course
        sent = await self.reach(MESSAGES, step="reminder", action=REMINDER)
        return self.over(course, REMINDER if sent and sent.out else None)

    async def propose(self, course: Course) -> Course:
        """Ask for each channel, and take what is worth most, by P x C x V x L."""
        views = [await self.decide(channel) for channel in CHANNELS]
        found = [view.proposal() for view in views]
        proposals = [proposal for proposal in found if proposal is not None]
        for proposal in sorted(proposals, key=lambda one: -one.offer.priority):
            sent = await self.send(proposal, step="approach")
            if sent.out and proposal.channel == CALL:
                return await self.have_it_called(course, proposal, "the best choice")
            if sent.out:
                return self.over(course, proposal.offer.action)
            if sent.reason.startswith("hold:"):
                await self.sleep(HOLD_SETTLES_IN, what=f"{sent.reason} to settle")
                return course
            if sent.status is SentStatus.FAILED and proposal.channel == CALL:
                return await self.have_it_called(course, proposal, sent.reason)
        self.say("the engine has nothing to say about the renewal")
        return self.over(course, None)

    async def have_it_called(self, course: Course, proposal: Proposal, reason: str) -> Course:
        """A person has to make the call, whether or not it could be passed on."""
        await self.hand_off(DESK, because=f"call the customer about the renewal ({reason})")
        return self.over(course, proposal.offer.action)

    def over(self, course: Course, said: str | None) -> Course:
        """An approach is over, and with it those that were due before now."""
        passed = sum(course.ends - before <= self.now for before in APPROACHES)
        return replace(
            course,
            approaches=max(course.approaches + 1, passed),
            said=(*course.said, said) if said else course.said,
        )


def end_of(due: str) -> datetime:
    """The end of the last day of a contract."""
    return datetime.fromisoformat(due[:10]).replace(tzinfo=UTC) + timedelta(days=1)


def _renews(product: str, course: Course) -> bool:
    return product in course.said or any(word in product for word in RENEWAL_PRODUCTS)
