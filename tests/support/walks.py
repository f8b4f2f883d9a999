"""Journeys that walk through the steps of the kit, for tests of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from workflows.journey import (
    FEEDBACK,
    SKIP,
    WAIT,
    Ending,
    Journey,
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
                await self.reach(("email",), step="hello", action="welcome-message")
            heard = await self.wait_for(*self.hears, what="a number", within=10 * DAY)
            if heard is None or heard.type == "enough.said":
                return await self.finish("counted", because=f"{count.heard} came to {count.total}")
            if heard.text("number") == "half":
                await self.reach(("email",), step="half", action="set-up-guide")
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
            via=lambda: self.reach(("call",), step="tell", action="onboarding-check-in"),
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


@workflow.defn(name="calling-in-hours")
class CallingInHours(Journey):
    """Waits for the desk to open, and says by when it has answered."""

    hears = ("enough.said",)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Two hours of the desk's time after it has opened."""
        self.stage("closed", owner=DESK)
        heard = await self.wait_for_business_hours("desk", unless=self.hears)
        if heard:
            return await self.finish("called off", because="the customer said so")
        by = self.business_deadline(timedelta(hours=2), hours="desk")
        return await self.finish("called", because=f"{self.now:%H:%M}, until {by:%d %H:%M}")


@workflow.defn(name="handing-over")
class HandingOver(Journey):
    """Hands over, and has no fallback of its own."""

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """One question for somebody else."""
        self.stage("handing over", owner=DESK)
        taken = await self.hand_off(HEAD, because="a question", within=DAY)
        return await self.finish("taken" if taken else "not taken", because="that was all")


WALKS = (Counting, Asking, CallingBack, Selling, CallingInHours, HandingOver)
