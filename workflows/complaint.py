"""A complaint: silence, an owner, a promise kept or escalated, a check that it is solved, calm.

Owner: the complaints desk; its manager once a promise has slipped.
Promises: while it is open, and for the cool-down after it, nobody sells to this customer. It is
acknowledged at once and answered within 48 hours, within 24 if it is severe.
Fallbacks: a slipped promise goes to the manager, and is recalled every 24 hours for as long as it
takes. An acknowledgement that no channel takes becomes a task of the owner. A complaint that is not
resolved never ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio import workflow

from engine.catalog import HoldTerms
from workflows.journey import Ending, Heard, Journey, Opening

DESK = "complaints desk"
MANAGER = "complaints manager"
HOLDS = "complaint:"
"""How the ids of their holds begin."""

OPENED = "complaint.opened"
REOPENED = "complaint.reopened"
RESOLVED = "complaint.resolved"

PROMISE = timedelta(hours=48)
PROMISE_SEVERE = timedelta(hours=24)
REMINDER = timedelta(hours=24)
UNOPENED_PATIENCE = timedelta(days=1)
RELEASE_CHECK = timedelta(days=1)

CHANNELS = ("email", "whatsapp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Where a complaint stands.

    `news` is the latest of opened, reopened and resolved, by journal position.
    """

    news: Heard
    opened: bool
    silenced: bool = False
    promised: datetime | None = None
    escalations: int = 0
    checked: bool = False
    held_until: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether the customer still waits for a solution."""
        return self.news.type != RESOLVED

    def told(self, heard: Heard) -> Case:
        """With an event taken in. One older than the latest news only tells that it was opened."""
        opened = self.opened or heard.type != RESOLVED
        if heard.seq <= self.news.seq:
            return replace(self, opened=opened)
        if heard.type == RESOLVED or self.open:
            return replace(self, opened=opened, news=heard)
        return Case(news=heard, opened=True)


@workflow.defn(name="complaint")
class Complaint(Journey):
    """One complaint of one customer, from its opening to the end of its cool-down."""

    hears = (OPENED, REOPENED, RESOLVED)
    ladder = (MANAGER,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending:
        """Open, resolved, calm, closed; and open again whenever the customer says so."""
        event = opening.event
        case = self.resumed(Case) or Case(news=event, opened=event.type != RESOLVED)
        while True:
            if not case.opened:
                step = await self.await_opening(case)
            elif case.open:
                step = await self.work_on(case)
            else:
                step = await self.calm_down(case)
            if isinstance(step, Ending):
                return step
            case = step
            await self.checkpoint(case)

    async def await_opening(self, case: Case) -> Case | Ending:
        """A resolution came first: its opening is on the way, or never was."""
        self.stage("resolved before it was opened", owner=DESK)
        heard = await self.wait_for(
            OPENED, REOPENED, within=UNOPENED_PATIENCE, what="the complaint's opening"
        )
        if heard:
            return case.told(heard)
        ended = await self.finish(
            "never opened", because="resolved, but never opened", unless=self.hears
        )
        return ended or case

    async def work_on(self, case: Case) -> Case:
        """Silence everyone, tell the customer that we care, and watch over the promise."""
        case = await self.silence(case)
        if case.promised is None:
            case = await self.acknowledge(case)
        late = case.escalations > 0
        self.stage("escalated" if late else "open", owner=MANAGER if late else DESK)
        heard = await self.wait_for(
            *self.hears, until=case.promised, what="the complaint's resolution"
        )
        return case.told(heard) if heard else await self.slip(case)

    async def silence(self, case: Case) -> Case:
        """Put the hold in force, and keep it in force for as long as the complaint is open."""
        terms = self.terms
        if case.silenced and case.held_until and case.held_until - self.now > terms.maximum / 2:
            return case
        number = self.opening.event.text("case")
        await self.hold(
            f"complaint:{number}",
            because=f"complaint {number} is open",
            maximum=terms.maximum,
            purposes=terms.purposes,
            tags=terms.tags,
            since=case.news.at,
        )
        return replace(case, silenced=True, held_until=self.now + terms.maximum)

    async def acknowledge(self, case: Case) -> Case:
        """Tell the customer that it is in good hands, and by when it will be answered."""
        self.stage("acknowledging", owner=DESK)
        severe = case.news.text("severity").lower() in ("high", "critical")
        promised = case.news.at + (PROMISE_SEVERE if severe else PROMISE)
        await self.tell_customer("acknowledge-complaint", promised)
        return replace(case, promised=promised)

    async def slip(self, case: Case) -> Case:
        """The promise has slipped: the manager owns it now, and is reminded every day."""
        count = case.escalations + 1
        if count == 1:
            self.stage("escalated")
            await self.hand_off(MANAGER, because="the promised time has passed")
            await self.tell_customer("complaint-escalated", self.now + REMINDER)
        else:
            self.say(f"reminder {count - 1} to the {MANAGER}: still not resolved")
        return replace(case, escalations=count, promised=self.now + REMINDER)

    async def calm_down(self, case: Case) -> Case | Ending:
        """Ask whether it is solved, leave the customer in peace, then end the silence."""
        if not case.silenced:
            case = await self.silence(case)
        if not case.checked:
            self.stage("resolved", owner=DESK)
            await self.tell_customer("complaint-resolution-check", None)
            case = replace(case, checked=True)
        self.stage("cooling down", owner=DESK)
        heard = await self.wait_for(
            *self.hears,
            until=case.news.at + self.terms.cool_down,
            what="the end of the cool-down",
        )
        return case.told(heard) if heard else await self.close(case)

    async def close(self, case: Case) -> Case | Ending:
        """End the silence, unless it was opened again and the news is still on its way."""
        if not await self.release(because="resolved, and the cool-down is over"):
            self.stage("opened again")
            heard = await self.wait_for(
                *self.hears, within=RELEASE_CHECK, what="the news that opened it again"
            )
            return case.told(heard) if heard else case
        closed = await self.finish(
            "closed", because="resolved, and the cool-down is over", unless=self.hears
        )
        return closed or case

    async def tell_customer(self, action: str, promised: datetime | None) -> None:
        """Say it on the first channel that takes it; else the owner has to."""
        context = {"promised": promised.isoformat()} if promised else {}
        sent = await self.reach(CHANNELS, step=action, action=action, context=context)
        if sent is None or not sent.out:
            self.say("the owner tells the customer")

    @property
    def terms(self) -> HoldTerms:
        """The terms of the hold, fixed when the journey began."""
        terms = self.opening.terms
        if terms is None:
            raise ValueError("a complaint needs the terms of its hold")
        return terms
