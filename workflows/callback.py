"""A callback: a person calls in business hours, three times at most, each time at another hour.

Owner: the callback desk; its lead once nobody said what came of a call.
Promises: the customer hears at once when we call, and again before every further call; the first
call is in the next business hours.
Fallbacks: a call that nobody reports within an hour of business time counts as not made, and the
lead owns the next one. After three calls in vain the customer reads how to reach us, and the lead
has what stays open. An hour that can't be told in writing is called at all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.business_hours import in_words, next_open
from workflows.journey import Answer, Ending, Journey, Opening, workflow

DESK = "callback desk"
LEAD = "callback lead"
HOURS = "care"

REACHED = "reached"
NOT_REACHED = "not reached"
GAVE_UP = "gave up"
WITHDRAWN = "withdrawn"

BOOKED = "callback-booked"
AGAIN = "callback-again"
MISSED = "callback-missed"

CALLS = 3
NOTICE = timedelta(minutes=15)
"""How long before the first call the customer is told of it, at least."""
REPORTED_WITHIN = timedelta(hours=1)
APART = timedelta(hours=5)
"""In business time, so that the next call is at another hour."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

CHANNELS = ("email", "whatsapp")
PHONE = ("call",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """When the next call is due, when those in vain were made, and how it ended."""

    promised: datetime
    tried: tuple[datetime, ...] = ()
    outcome: str = ""
    because: str = ""


@workflow.defn(name="callback")
class Callback(Journey):
    """One promise to call a customer back. Another journey starts it, and says `because`."""

    ladder = (LEAD,)
    hours = (HOURS,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Call until the customer is reached, or until it was in vain three times."""
        calls = self.resumed(Calls) or Calls(promised=self.next_slot(self.now + NOTICE))
        while not calls.outcome:
            calls = await self.next_call(calls)
            await self.checkpoint(calls)
        if calls.outcome == NOT_REACHED:
            return await self.give_up(calls)
        return await self.finish(calls.outcome, because=calls.because)

    async def next_call(self, calls: Calls) -> Calls:
        """Say when we call, have somebody call then, and ask what came of it."""
        action = AGAIN if calls.tried else BOOKED
        self.stage("booked again" if calls.tried else "booked", owner=self.owner or DESK)
        await self.tell_customer(action, calls)
        await self.wait_for(until=calls.promised, what="the hour of the call")
        await self.wait_for_business_hours(HOURS)
        self.stage("calling")
        called = self.now
        await self.reach(PHONE, step="call", action=action)
        answer = await self.ask(
            f"what came of call {len(calls.tried) + 1} of {CALLS}?",
            owner=self.owner,
            choices=(REACHED, NOT_REACHED, GAVE_UP),
            default=NOT_REACHED,
            until=self.business_deadline(REPORTED_WITHIN, hours=HOURS),
        )
        return self.noted(replace(calls, tried=(*calls.tried, called)), answer)

    def noted(self, calls: Calls, answer: Answer) -> Calls:
        """What a call has come to."""
        if answer.choice == REACHED:
            return replace(calls, outcome=REACHED, because=f"by {answer.by}: {answer.because}")
        if answer.choice == GAVE_UP:
            return replace(calls, outcome=WITHDRAWN, because=f"{answer.by}: {answer.because}")
        if not answer.in_time:
            self.escalate(because="nobody said what came of the call")
        if len(calls.tried) == CALLS:
            return replace(calls, outcome=NOT_REACHED, because=f"{CALLS} calls in vain")
        return replace(calls, promised=self.another_hour(calls))

    async def give_up(self, calls: Calls) -> Ending | None:
        """Leave the next word to the customer, and what is open to the lead."""
        self.stage("given up", owner=LEAD)
        await self.tell_customer(MISSED, calls)
        gap = f"the call: {LEAD}, {calls.because}"
        return await self.finish(NOT_REACHED, because=calls.because, gaps=(gap,))

    async def tell_customer(self, action: str, calls: Calls) -> None:
        """Say it in writing, on the first channel that takes it; the call is made all the same."""
        when = in_words(self.business_hours(HOURS), calls.promised)
        await self.reach(CHANNELS, step=action, action=action, context={"call_at": when})

    def next_slot(self, at: datetime) -> datetime:
        """The first moment from then on at which somebody can call."""
        return next_open(self.business_hours(HOURS), at)

    def another_hour(self, calls: Calls) -> datetime:
        """A slot at an hour of the day at which nobody has called yet, if there is one."""
        soonest = at = self.next_slot(self.business_deadline(APART, hours=HOURS))
        tried = {one.hour for one in calls.tried}
        while at.hour in tried and at < soonest + DAY:
            at = self.next_slot(at + HOUR)
        return soonest if at.hour in tried else at
