"""An inquiry: the smallest team that can takes it, a person replies in time, and we ask how it was.

Owner: the team that triage finds by skill, language and load; the owner of an open complaint, where
there is one; the levels of the service clock, once its promise has slipped.
Promises: a person replies within the time that the service clocks of the bundle promise for the
channel, in business hours: two minutes on WhatsApp, 60 seconds in the chat. Outside them we say
honestly when somebody will be there.
Fallbacks: a reply that is late goes from level to level, and the customer is told so. When all
levels are silent, a callback is booked, and everybody is reminded each day. A resolution that was
none is taken up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from engine.business_hours import in_words, next_open
from engine.types import Scalar
from workflows import complaint
from workflows.journey import (
    FEEDBACK,
    HOLD_PLACED,
    Ending,
    Heard,
    Journey,
    Opening,
    Step,
    Tick,
    workflow,
)
from workflows.talk import USUAL, Alarm, Talk, is_resolving
from workflows.triage import TEAMS, team_for

LEAD = "care-lead"
HEAD = "head-of-care"

MESSAGE = "message.received"
REPLY = "agent.replied"
BOT = "bot"

FIRST_REPLY = "first-reply"
SILENCE = timedelta(hours=24)
"""A customer who says nothing for so long after a reply has got what they wanted."""
REMINDER = timedelta(hours=24)
ASKS_FOR = timedelta(days=3)
"""How long after the solution it may be taken up again, and rated."""

CLOSED = "inquiry-out-of-hours"
LATE = "inquiry-late"
SURVEY = "inquiry-survey"
CHANNELS = ("email", "whatsapp")
WAYS = {"whatsapp": ("whatsapp", "email"), "chat": ("inbox", "email")}
"""By the channel of the question, where we may answer; CHANNELS for all others."""


@workflow.defn(name="inquiry")
class Inquiry(Journey):
    """What one customer asks about, until it is solved."""

    hears = (MESSAGE, REPLY, FEEDBACK, HOLD_PLACED)
    ladder = (LEAD, HEAD)
    hours = (USUAL.hours,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending:
        """To a team, to a person, to a solution; and back as often as the customer writes again."""
        talk = self.resumed(Talk) or await self.take_in()
        while True:
            step = await (self.follow_up(talk) if talk.resolved else self.attend(talk))
            if isinstance(step, Ending):
                return step
            talk = step
            await self.checkpoint(talk)

    async def take_in(self) -> Talk:
        """Start the clocks, find the team, and be honest if nobody is there."""
        talk = Talk(clocks=self.service_clocks(USUAL), asked=self.opening.event.at)
        self.stage(Alarm.NONE)
        await self.triage()
        due = talk.deadline(self.now)
        if due is not None:
            self.milestone(FIRST_REPLY, owner=self.owner, due=due, metric=REPLY)
        return await self.be_honest(talk)

    async def triage(self, *, complaint: str = "") -> None:
        """Hand it to the smallest team that can, or to whoever has the customer's complaint.

        `complaint`: who has it for as long as nobody else shows as its owner.
        """
        event, desks = self.opening.event, await self.desks(*(team.name for team in TEAMS))
        owner = desks.complaint or complaint
        if owner:
            await self.hand_off(owner, because="the customer has an open complaint")
            return
        topic, language = event.text("topic"), event.text("language")
        team = team_for(topic, language, desks.busy)
        about = f"{topic or 'general'}, {language or 'en'}"
        await self.hand_off(team, because=f"the smallest team that can ({about})")

    async def be_honest(self, talk: Talk) -> Talk:
        """Outside business hours: say when somebody will be there, once for each closing."""
        hours = talk.clocks.each[0].hours
        opens = next_open(hours, self.now)
        if opens <= self.now or opens == talk.told:
            return talk
        await self.tell_customer(CLOSED, {"somebody_there": in_words(hours, opens)})
        return replace(talk, told=opens)

    async def attend(self, talk: Talk) -> Talk:
        """Wait for whoever has to speak next."""
        return await (self.await_reply(talk) if talk.owed else self.await_customer(talk))

    async def await_reply(self, talk: Talk) -> Talk:
        """A person has to reply before the clocks ask for more."""
        tick = talk.clocks.next_tick(self.now)
        self.stage(talk.alarm)
        until = tick.at if tick else self.now + REMINDER
        heard = await self.wait_for(*self.hears, until=until, what="a human reply")
        if heard:
            return await self.take_up(talk, heard)
        if tick:
            return await self.step_up(talk, tick)
        self.say("still no reply: whoever owns it is reminded")
        return talk

    async def await_customer(self, talk: Talk) -> Talk:
        """A customer who says no more has got what they wanted."""
        self.stage("with the customer")
        heard = await self.wait_for(
            *self.hears, until=talk.spoken + SILENCE, what="the customer's next word"
        )
        return await self.take_up(talk, heard) if heard else talk.solved(self.now)

    async def take_up(self, talk: Talk, heard: Heard) -> Talk:
        """What an event means for the conversation."""
        if heard.type == MESSAGE:
            return await self.be_honest(talk.wrote(heard.at, heard.key))
        if heard.type == REPLY:
            return self.replied(talk, heard)
        if heard.text("hold").startswith(complaint.HOLDS):
            await self.triage(complaint=complaint.DESK)
        return talk

    def replied(self, talk: Talk, reply: Heard) -> Talk:
        """A reply keeps the promise if a person gave it, and may solve it all."""
        if reply.text("by") == BOT:
            return talk.replied_by_bot(reply.at, reply.key)
        self.reach_milestone(FIRST_REPLY, reply.at)
        talk = talk.replied(reply.at, reply.key)
        solves = is_resolving(reply.text("resolved")) and not talk.owed
        return talk.solved(reply.at) if solves else talk

    async def step_up(self, talk: Talk, tick: Tick) -> Talk:
        """A promise is in danger, or broken: the next level, and an honest word to the customer."""
        promise, due = tick.promise, tick.due
        talk = talk.ticked(tick)
        if due.step is Step.WARN:
            self.stage(Alarm.SOON)
            self.say(f"{promise.name}: {promise.warn_before} left")
        elif due.step is Step.ESCALATE:
            self.stage(talk.alarm)
            self.escalate(because=f"{promise.name} was not kept", to=due.owner)
        else:
            self.stage(talk.alarm)
            talk = await self.own_up(talk)
        return await self.book_callback(talk) if talk.given_up(tick, self.now) else talk

    async def own_up(self, talk: Talk) -> Talk:
        """Tell the customer that we are late, once."""
        if not talk.apologised:
            await self.tell_customer(LATE)
        return replace(talk, apologised=True)

    async def book_callback(self, talk: Talk) -> Talk:
        """Nobody at any level has replied: the customer gets a call."""
        await self.sub_journey("callback", f"inquiry-{talk.asked:%Y%m%d%H%M}")
        self.say("nobody has replied: a callback is booked")
        return replace(talk, booked=True)

    async def follow_up(self, talk: Talk) -> Talk | Ending:
        """Ask how it was, and be there if it was not solved after all."""
        self.stage("solved")
        if not talk.asked_how:
            talk = replace(talk, asked_how=await self.ask_how_it_was())
        until = (talk.resolved or self.now) + ASKS_FOR
        heard = await self.wait_for(
            MESSAGE, FEEDBACK, until=until, what="whether it is really solved"
        )
        if heard and heard.type == MESSAGE:
            return await self.be_honest(talk.wrote(heard.at, heard.key))
        rated = f"the customer rates it {heard.text('score') or 'in words'}" if heard else ""
        because = rated or "nothing more came"
        over = await self.finish("solved", because=because, unless=(MESSAGE,))
        return over or talk

    async def ask_how_it_was(self) -> bool:
        """A survey, unless the customer writes again before it is sent."""
        sent = await self.reach(self.ways, step="survey", action=SURVEY, unless=(MESSAGE,))
        return sent is not None and sent.out

    async def tell_customer(self, action: str, context: Mapping[str, Scalar] | None = None) -> None:
        """Say it where the customer asked, or else where we can."""
        await self.reach(self.ways, step=action, action=action, context=context)

    @property
    def ways(self) -> tuple[str, ...]:
        """The channels on which this customer is answered."""
        return WAYS.get(self.opening.event.text("channel"), CHANNELS)
