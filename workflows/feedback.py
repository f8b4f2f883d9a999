"""Feedback: somebody owns it, answers within a day, acts within three, and says what was done.

Owner: the feedback desk from the first moment; while a complaint is open, the complaints desk.
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
COMPLAINTS = "complaint:"
"""How the holds of complaints begin."""

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

THANKS = "feedback-thanks"
RECEIVED = "feedback-received"
TOLD = {CHANGED: "feedback-changed", EXPLAINED: "feedback-explained"}
"""What the customer hears of what was done."""

CHANNELS = ("email", "whatsapp")
TAGS = ("feedback",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What somebody told us: since when, what is promised next, and what was done so far."""

    since: datetime
    due: datetime
    pleased: bool = False
    complaint: bool = False
    answered: bool = False
    done: str = ""


@workflow.defn(name="feedback")
class Feedback(Journey):
    """What one customer thinks of us, until they have heard what came of it."""

    hears = (FEEDBACK, REPLIED)
    ladder = (LEAD, HEAD)

    @workflow.run
    async def run(self, opening: Opening) -> Ending:
        """Receive, answer, act, tell; more feedback meanwhile is answered as well."""
        matter = self.resumed(Matter) or await self.receive(opening.event)
        while True:
            await self.checkpoint(matter)
            step = await self.next_step(matter)
            if isinstance(step, Ending):
                return step
            matter = step

    async def next_step(self, matter: Matter) -> Matter | Ending:
        """What is owed next."""
        if matter.pleased:
            return await self.thank()
        if matter.done:
            return await self.tell(matter)
        if self.now >= matter.since + GIVEN_UP:
            return await self.give_up(matter)
        return await (self.act(matter) if matter.answered else self.answer(matter))

    async def receive(self, given: Heard) -> Matter:
        """Find who owns it, and tell the customer that a person will answer."""
        self.stage("received", owner=self.owner or DESK)
        score = score_of(given)
        view = await self.decide(CHANNELS[0], tags=TAGS)
        held = any(hold.id.startswith(COMPLAINTS) for hold in view.holds)
        matter = Matter(since=given.at, due=given.at + ANSWER, complaint=held)
        if held and self.owner == DESK:
            self.assign(complaint.DESK, because="a complaint is open or was just solved")
        if score is not None and score >= HIGH:
            return replace(matter, pleased=True)
        if score is not None and score <= LOW and not held:
            self.escalate(because=f"a score of {score:g}")
        await self.reach(CHANNELS, step=RECEIVED, action=RECEIVED, tags=TAGS)
        return matter

    async def answer(self, matter: Matter) -> Matter:
        """A person answers the customer: seen in the inbox of the agents, or said by the owner."""
        self.stage("to be answered")
        answer = await self.ask(
            "answer the customer's feedback?",
            owner=self.owner,
            choices=(ANSWERED, NOT_YET),
            default=NOT_YET,
            until=matter.due,
            unless=self.hears,
        )
        heard = await self.wait_for(*self.hears, until=self.now, what="what came in")
        if answer.choice == ANSWERED or (heard and by_a_person(heard)):
            matter = replace(matter, answered=True, due=matter.since + ACTION)
        if heard:
            return await self.more(matter, heard)
        return matter if answer.in_time else self.slip(matter, "nobody has answered")

    async def act(self, matter: Matter) -> Matter:
        """The owner changes something, or explains why nothing changes."""
        self.stage("to be acted on")
        answer = await self.ask(
            "what was done about it?",
            owner=self.owner,
            choices=(CHANGED, EXPLAINED, NOT_YET),
            default=NOT_YET,
            until=matter.due,
            unless=self.hears,
        )
        if answer.choice in TOLD:
            return replace(matter, done=answer.choice)
        heard = await self.wait_for(*self.hears, until=self.now, what="what came in")
        if heard:
            return await self.more(matter, heard)
        return matter if answer.in_time else self.slip(matter, "nothing was done")

    async def more(self, matter: Matter, heard: Heard) -> Matter:
        """Feedback that comes meanwhile is answered, too; what is promised already stays so."""
        if heard.type != FEEDBACK:
            return matter
        new = await self.receive(heard)
        if new.pleased:
            self.say("more feedback, and a good one: what is open stays open")
            return matter
        return new if matter.answered else replace(new, since=matter.since, due=matter.due)

    def slip(self, matter: Matter, why: str) -> Matter:
        """A deadline has passed: the next of the ladder has a day."""
        self.escalate(because=why, to=complaint.MANAGER if matter.complaint else None)
        return replace(matter, due=self.now + REMINDER)

    async def tell(self, matter: Matter) -> Matter | Ending:
        """Tell the customer what was done; by a person if not in writing."""
        self.stage("to be told")
        action = TOLD[matter.done]
        sent = await self.reach(CHANNELS, step=action, action=action, tags=TAGS)
        if sent is not None and sent.out:
            return await self.end(matter.done, because="and the customer knows")
        told = await self.hand_off(
            self.owner,
            because="tell the customer what was done about their feedback",
            within=REMINDER,
            taken_by=(REPLIED,),
        )
        if told:
            return await self.end(matter.done, because="and a person tells the customer")
        gap = f"a word to the customer: {self.owner}, a callback is booked"
        return await self.end(matter.done, because="but the customer was not told", gaps=(gap,))

    async def thank(self) -> Matter | Ending:
        """Say thank you, and leave it at that."""
        self.stage("thanking")
        await self.reach(CHANNELS, step=THANKS, action=THANKS, tags=TAGS)
        return await self.end("thanked", because="the customer is pleased")

    async def give_up(self, matter: Matter) -> Matter | Ending:
        """Nobody has done it in two weeks: it is named, and with whom it was left."""
        left = "action" if matter.answered else "answer"
        gap = f"the {left}: {self.owner}, asked every day for {GIVEN_UP.days} days"
        return await self.end("not acted on", because=f"the {left} never came", gaps=(gap,))

    async def end(self, ended: str, *, because: str, gaps: tuple[str, ...] = ()) -> Matter | Ending:
        """End it, unless there is more to answer by now."""
        over = await self.finish(ended, because=because, gaps=gaps, unless=(FEEDBACK,))
        if over is not None:
            return over
        heard = await self.wait_for(FEEDBACK, within=REMINDER, what="more feedback")
        if heard is None:
            return await self.end(ended, because=because, gaps=gaps)
        return await self.receive(heard)


def score_of(given: Heard) -> float | None:
    """How good it was, from 0 to 10; None if the customer only wrote."""
    text = given.text("score")
    return float(text) if text else None


def by_a_person(heard: Heard) -> bool:
    """Whether a person has replied to the customer."""
    return heard.type == REPLIED and heard.text("by") != BOT
