"""Feedback: somebody owns it, answers within a day, acts within three, and says what was done.

Owner: the feedback desk from the first moment; while a complaint is open, whoever has that.
Promises: a person answers within 24 hours, acts within 72, and the customer hears what was done. A
low score goes to the lead at once; a high one gets thanks and nothing else. Nothing is ever sold.
Fallbacks: who lets a deadline slip loses it to the next of the ladder, who has another day. What is
not done after 14 days is a gap with an owner and a reason. What can't be told in writing is told by
a person; if nobody takes that over, a callback is booked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from workflows import complaint
from workflows.journey import FEEDBACK, Ending, Heard, Journey, Opening, workflow

DESK = "feedback desk"
LEAD = "feedback lead"
HEAD = "head of care"

REPLIED = "agent.replied"
BOT = "bot"

LOW = 6
HIGH = 9
"""Of 10: up to the one somebody is unhappy, from the other on they are pleased."""

ANSWER = timedelta(hours=24)
ACTION = timedelta(hours=72)
REMINDER = timedelta(hours=24)
GIVEN_UP = timedelta(days=14)

ANSWERED = "answered"
CHANGED = "changed"
EXPLAINED = "explained"
NOT_YET = "not yet"
THANKED = "thanked"
NOT_ACTED_ON = "not acted on"

THANKS = "feedback-thanks"
RECEIVED = "feedback-received"
WHAT_CHANGED = "feedback-changed"
WHAT_WE_FOUND = "feedback-explained"

CHANNELS = ("email", "whatsapp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What somebody told us: since when, what is promised next, what was done, how it ended.

    `news` is feedback that nobody has looked at yet; `open` says that some is to be answered.
    """

    since: datetime
    promised: datetime
    news: Heard | None = None
    open: bool = False
    complaint: bool = False
    answered: bool = False
    done: str = ""
    outcome: str = ""
    because: str = ""
    gap: str = ""


@workflow.defn(name="feedback")
class Feedback(Journey):
    """What one customer thinks of us, until they have heard what came of it."""

    hears = (FEEDBACK, REPLIED)
    ladder = (LEAD, HEAD)

    @workflow.run
    async def run(self, opening: Opening) -> Ending:
        """Receive, answer, act, tell; more feedback meanwhile is answered as well."""
        matter = self.resumed(Matter) or begun(opening.event)
        while True:
            step = await (self.end(matter) if matter.outcome else self.next_step(matter))
            if isinstance(step, Ending):
                return step
            matter = step
            await self.checkpoint(matter)

    async def next_step(self, matter: Matter) -> Matter:
        """What is owed next."""
        if matter.news:
            return await self.receive(matter, matter.news)
        if matter.done:
            return await self.tell(matter)
        if self.now >= matter.since + GIVEN_UP:
            return self.give_up(matter)
        return await (self.act(matter) if matter.answered else self.answer(matter))

    async def receive(self, matter: Matter, given: Heard) -> Matter:
        """Find who owns it, and tell the customer that a person will answer."""
        self.stage("received", owner=self.owner or DESK)
        score = score_of(given)
        view = await self.decide(CHANNELS[0])
        held = any(hold.id.startswith(complaint.HOLDS) for hold in view.holds)
        if held and self.owner == DESK:
            owner = (await self.desks()).complaint or complaint.DESK
            self.assign(owner, because="a complaint is open or was just solved")
        matter = replace(matter, news=None, complaint=held)
        if score is not None and score >= HIGH:
            return await self.thank(matter)
        if score is not None and score <= LOW and not held:
            self.escalate(because=f"a score of {score:g}")
        await self.reach(CHANNELS, step=RECEIVED, action=RECEIVED)
        if matter.answered:  # this one needs an answer of its own
            matter = replace(begun(given), news=None, complaint=held)
        return replace(matter, open=True)

    async def thank(self, matter: Matter) -> Matter:
        """Say thank you, and leave it at that; what is open from before stays open."""
        if matter.open:
            self.say("more feedback, and a good one: what is open stays open")
            return matter
        await self.reach(CHANNELS, step=THANKS, action=THANKS)
        return replace(matter, outcome=THANKED, because="the customer is pleased")

    async def answer(self, matter: Matter) -> Matter:
        """A person answers the customer: seen in what agents do, or said by the owner."""
        self.stage("to be answered")
        answer = await self.ask(
            "answer the customer's feedback?",
            owner=self.owner,
            choices=(ANSWERED, NOT_YET),
            default=NOT_YET,
            until=matter.promised,
            unless=self.hears,
        )
        heard = await self.wait_for(*self.hears, until=self.now, what="what came in")
        if answer.choice == ANSWERED or (heard and by_a_person(heard)):
            matter = replace(matter, answered=True, promised=matter.since + ACTION)
        if heard:
            return with_news(matter, heard)
        return matter if answer.in_time else self.slip(matter, "nobody has answered")

    async def act(self, matter: Matter) -> Matter:
        """The owner changes something, or explains why nothing changes."""
        self.stage("to be acted on")
        answer = await self.ask(
            "what was done about it?",
            owner=self.owner,
            choices=(CHANGED, EXPLAINED, NOT_YET),
            default=NOT_YET,
            until=matter.promised,
            unless=self.hears,
        )
        if answer.choice != NOT_YET:
            return replace(matter, done=answer.choice)
        heard = await self.wait_for(*self.hears, until=self.now, what="what came in")
        if heard:
            return with_news(matter, heard)
        return matter if answer.in_time else self.slip(matter, "nothing was done")

    def slip(self, matter: Matter, why: str) -> Matter:
        """A deadline has passed: the next of the ladder has a day."""
        if matter.complaint:
            self.escalate(because=why, to=complaint.MANAGER)
        else:
            self.escalate(because=why)
        return replace(matter, promised=self.now + REMINDER)

    async def tell(self, matter: Matter) -> Matter:
        """Tell the customer what was done; by a person if not in writing."""
        self.stage("to be told")
        changed = matter.done == CHANGED
        action = WHAT_CHANGED if changed else WHAT_WE_FOUND
        over = replace(matter, outcome=CHANGED) if changed else replace(matter, outcome=EXPLAINED)
        sent = await self.reach(CHANNELS, step=action, action=action)
        if sent is not None and sent.out:
            return replace(over, because="and the customer knows")
        told = await self.hand_off(
            self.owner,
            because="tell the customer what was done about their feedback",
            within=REMINDER,
            taken_by=(REPLIED,),
        )
        if told:
            return replace(over, because="and a person tells the customer")
        gap = f"a word to the customer: {self.owner}, a callback is booked"
        return replace(over, because="but the customer does not know yet", gap=gap)

    def give_up(self, matter: Matter) -> Matter:
        """Nobody has done it in two weeks: it is named, and with whom it was left."""
        left = "action" if matter.answered else "answer"
        gap = f"the {left}: {self.owner}, asked every day for {GIVEN_UP.days} days"
        return replace(matter, outcome=NOT_ACTED_ON, because=f"the {left} never came", gap=gap)

    async def end(self, matter: Matter) -> Matter | Ending:
        """End it, unless more feedback came at the last moment, which is looked at then."""
        gaps = (matter.gap,) if matter.gap else ()
        ended = await self.finish(
            matter.outcome, because=matter.because, gaps=gaps, unless=(FEEDBACK,)
        )
        return ended or Matter(since=self.now, promised=self.now + ANSWER)


def begun(given: Heard) -> Matter:
    """Where feedback stands that has just been given."""
    return Matter(since=given.at, promised=given.at + ANSWER, news=given)


def with_news(matter: Matter, heard: Heard) -> Matter:
    """More feedback is looked at next; a reply is no news."""
    return replace(matter, news=heard) if heard.type == FEEDBACK else matter


def score_of(given: Heard) -> float | None:
    """How good it was, from 0 to 10; None if the customer only wrote."""
    text = given.text("score")
    return float(text) if text else None


def by_a_person(heard: Heard) -> bool:
    """Whether a person has replied to the customer."""
    return heard.type == REPLIED and heard.text("by") != BOT
