"""Help with a purchase that stalls: offered once, by day, and without any pressure.

Owner: the care desk.
Promises: who stops on the way to the till is offered help once, after two hours at the earliest, in
business hours, by the customer's day and within the contact limits. Nothing is sold, and nothing is
said while a hold is in force.
Fallbacks: what may not be said now is tried again every three hours; after two days we stay silent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from workflows.journey import HOLD_PLACED, Ending, Heard, Journey, Opening, workflow

DESK = "care desk"
HOURS = "care"

VIEWED = "page.viewed"
PURCHASE = "purchase.made"

BOUGHT = "bought"
HELPED = "helped"
SILENT = "silent"

HELP = "purchase-help"

STALLED_AFTER = timedelta(hours=2)
AGAIN_AFTER = timedelta(hours=3)
SILENT_AFTER = timedelta(days=2)
BUYS_WITHIN = timedelta(days=3)

CHANNELS = ("email", "whatsapp")
TAGS = ("help",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """When to look again, until when help is of use, and how it ended."""

    next_look: datetime
    latest: datetime
    helped: bool = False
    outcome: str = ""
    because: str = ""


@workflow.defn(name="purchase-help")
class PurchaseHelp(Journey):
    """One purchase that a customer began."""

    hears = (PURCHASE, VIEWED, HOLD_PLACED)
    hours = (HOURS,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Wait for the purchase, offer help once, and wait once more."""
        begun = opening.event.at
        stall = self.resumed(Stall) or Stall(
            next_look=begun + STALLED_AFTER, latest=begun + SILENT_AFTER
        )
        while not stall.outcome:
            stall = await self.next_step(stall)
            await self.checkpoint(stall)
        return await self.finish(stall.outcome, because=stall.because)

    async def next_step(self, stall: Stall) -> Stall:
        """Leave the customer alone for a while, then see whether help is due."""
        self.stage("helped" if stall.helped else "at the till", owner=DESK)
        heard = await self.wait_for(*self.hears, until=stall.next_look, what="the purchase")
        if heard:
            return self.moved(stall, heard)
        if stall.helped:
            return replace(stall, outcome=HELPED, because="the customer knows where to find help")
        self.stage("stalled")
        heard = await self.wait_for_business_hours(HOURS, unless=self.hears)
        if heard:
            return self.moved(stall, heard)
        if self.now >= stall.latest:
            return replace(stall, outcome=SILENT, because="there was no good moment to offer help")
        return await self.offer(stall)

    def moved(self, stall: Stall, heard: Heard) -> Stall:
        """What the customer did, or what we may no longer do."""
        if heard.type == PURCHASE:
            because = "after our help" if stall.helped else "without our help"
            return replace(stall, outcome=BOUGHT, because=because)
        if stall.helped:
            return stall
        if heard.type == HOLD_PLACED:
            return replace(stall, outcome=SILENT, because=f"{heard.text('hold')} is in force")
        return replace(stall, next_look=min(heard.at + STALLED_AFTER, stall.latest))

    async def offer(self, stall: Stall) -> Stall:
        """Offer help, unless a hold, a limit or the customer's night is in the way."""
        if not await self.clear_of_hold(until=self.now):
            return replace(stall, outcome=SILENT, because="a hold is in force")
        sent = await self.reach(CHANNELS, step="help", action=HELP, tags=TAGS)
        if sent is not None and sent.out:
            return replace(stall, helped=True, next_look=self.now + BUYS_WITHIN)
        return replace(stall, next_look=min(self.now + AGAIN_AFTER, stall.latest))
