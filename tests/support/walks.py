"""Journeys that walk through the steps of the kit, for tests of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from workflows.journey import (
    FEEDBACK,
    SKIP,
    WAIT,
    Clocks,
    Ending,
    Happening,
    Journey,
    Mark,
    OnHold,
    Opening,
    Reroute,
    WaitOut,
    workflow,
)

DAY = timedelta(days=1)
DESK = "test desk"
LEAD = "test lead"
HEAD = "test head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many events were counted, and what they came to."""

    heard: int = 0
    total: int = 0


@workflow.defn(name="counting")
class Counting(Journey):
    """Adds up what it hears until it hears enough; a text is more than it can add."""

    hears = ("number.said", "enough.said")
    ladder = (LEAD, HEAD)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Count, and say hello once."""
        count = self.resumed(Count) or Count()
        while True:
            self.stage("counting", owner=DESK)
            if count.heard == 1:
                await self.reach(("email",), step="hello", action="welcome-message", tags=())
            heard = await self.wait_for(*self.hears, what="a number", within=10 * DAY)
            if heard is None or heard.type == "enough.said":
                return await self.finish("counted", because=f"{count.heard} came to {count.total}")
            if heard.text("number") == "half":
                await self.reach(("email",), step="half", action="set-up-guide", tags=())
                raise ValueError("half of what?")
            count = replace(
                count, heard=count.heard + 1, total=count.total + int(heard.text("number"))
            )
            await self.checkpoint(count)


@workflow.defn(name="asking")
class Asking(Journey):
    """Asks a person, hands over to one, and books a call if nobody takes it."""

    hears = ("agent.replied",)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """A question, then a handoff."""
        self.stage("deciding", owner=DESK)
        answer = await self.ask(
            "refund?", owner=LEAD, choices=("yes", "no"), default="no", within=DAY
        )
        self.stage("handing over")
        taken = await self.hand_off(
            HEAD,
            because=f"refund: {answer.choice}",
            via=lambda: self.reach(("call",), step="tell", action="onboarding-check-in", tags=()),
            within=DAY,
            taken_by=("agent.replied",),
            fallback=self.book,
        )
        return await self.finish("taken" if taken else "booked", because=answer.by or "nobody")

    async def book(self, why: str) -> None:
        """The fallback: somebody calls back."""
        ended = await self.sub_journey("calling-back", "4711", data={"why": why}, awaited=True)
        self.say(f"called back: {ended.ended if ended else 'not yet'}")


@workflow.defn(name="calling-back")
class CallingBack(Journey):
    """What another journey starts."""

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """A day later it is done."""
        self.stage("booked", owner=DESK)
        await self.sleep(DAY, what="the hour of the call")
        return await self.finish("called", because=opening.event.text("why"))


@workflow.defn(name="selling")
class Selling(Journey):
    """Says the same in each of the ways to meet a hold."""

    hears = (FEEDBACK,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """One offer, as the opening's event says."""
        ways: dict[str, OnHold] = {
            "skip": SKIP,
            "wait": WAIT,
            "wait a day": WaitOut(until=self.now + DAY),
            "reroute": Reroute(action="renewal-reminder"),
        }
        way = ways[opening.event.text("way")]
        self.stage("selling", owner=DESK)
        channels = ("email",)
        sent = await self.reach(
            channels, step="offer", action="renewal-save-offer", tags=("renewal",), on_hold=way
        )
        if sent is None or not sent.out:
            return await self.finish("silent", because="a hold")
        heard = await self.survey(
            "onboarding-check-in", channels=channels, within=DAY, tags=("onboarding",)
        )
        return await self.finish("sold", because=heard.text("score") if heard else "no feedback")


@workflow.defn(name="silencing")
class Silencing(Journey):
    """Silences a customer, and once more each time it is told to, until it is enough."""

    hears = ("again.said", "enough.said")

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Hold, renew, release."""
        self.stage("silent", owner=DESK)
        while True:
            await self.hold("quiet:1", because="they moved", maximum=3 * DAY)
            heard = await self.wait_for(*self.hears, what="a word")
            if heard and heard.type == "enough.said":
                break
        await self.release(because="enough")
        return await self.finish("over", because="enough")


@workflow.defn(name="greeting")
class Greeting(Journey):
    """Says what suits this customer, of what is meant for it."""

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Greet, and wait."""
        self.stage("greeting", owner=DESK)
        await self.reach(("email",), step="hello")
        await self.sleep(DAY, what="a day to pass")
        return await self.finish("greeted", because="that is all")


@workflow.defn(name="calling-in-hours")
class CallingInHours(Journey):
    """Waits for the desk to open, and says by when it has answered."""

    hears = ("enough.said",)
    hours = ("desk",)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Two hours of the desk's time after it has opened."""
        self.stage("closed", owner=DESK)
        desk = opening.event.text("hours") or "desk"
        heard = await self.wait_for_business_hours(desk, unless=self.hears)
        if heard:
            return await self.finish("called off", because="the customer said so")
        by = self.business_deadline(timedelta(hours=2), hours="desk")
        return await self.finish("called", because=f"{self.now:%H:%M}, until {by:%d %H:%M}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """What was promised."""

    clocks: Clocks


@workflow.defn(name="promising")
class Promising(Journey):
    """Keeps the service clocks of the bundle, and ends when an operator says so."""

    hears = ("agent.replied", "message.received")

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """One step of a clock, or one event, after another."""
        promised = self.resumed(Promised)
        if promised is None:
            promised = Promised(clocks=self.service_clocks())
            targets = ", ".join(one.promise.target for one in promised.clocks.each)
            self.say(f"promised: {targets}")
        self.stage("open", owner=self.owner or "desk")
        while True:
            promised = Promised(clocks=await self.next_step(promised.clocks))
            await self.checkpoint(promised)

    async def next_step(self, clocks: Clocks) -> Clocks:
        """Wait for whatever comes first."""
        tick = clocks.next_tick(self.now)
        until = tick.at if tick else None
        heard = await self.wait_for(*self.hears, until=until, what="a solution")
        if heard:
            with_customer = heard.type == "agent.replied"
            self.say("with the customer" if with_customer else "with us")
            what = Happening.WAITING if with_customer else Happening.CUSTOMER_ANSWERED
            return clocks.heard(Mark(heard.at, what, heard.key))
        if tick is None:
            return clocks
        self.say(f"{tick.due.step} {tick.due.level}")
        if tick.due.owner:
            self.escalate(because=f"{tick.promise.name} was not kept", to=tick.due.owner)
        return clocks.taken(tick)


@workflow.defn(name="handing-over")
class HandingOver(Journey):
    """Hands over, and has no fallback of its own."""

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """One question for somebody else."""
        self.stage("handing over", owner=DESK)
        taken = await self.hand_off(HEAD, because="a question", within=DAY)
        return await self.finish("taken" if taken else "not taken", because="that was all")


WALKS = (
    Counting,
    Asking,
    CallingBack,
    Selling,
    Silencing,
    Greeting,
    CallingInHours,
    HandingOver,
)
