"""The pulse of the first month: a call of 15 minutes, how things stand, a guided path, a survey.

Owner: the onboarding team; its lead for what is still open in the end.
Promises: thirty days after joining we announce a call and make it, in business hours; the customer
reads how things stand; who wants to is guided through three steps, each recalled once; a survey at
the end. Nothing is sold.
Fallbacks: who is not reached is called back, three times more. A customer who waits for us to solve
a complaint is left in peace until that is over, and for good if it takes a month. A step of the
path that stays open is a gap with an owner and a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.business_hours import in_words, next_open
from workflows.journey import FEEDBACK, Ending, Journey, Opening, workflow

TEAM = "onboarding team"
LEAD = "onboarding lead"
HOURS = "care"

MILESTONE = "milestone.reached"
CALLBACK = "callback"

AFTER = timedelta(days=30)
PATIENCE = timedelta(days=30)
"""How long the end of a complaint is waited for."""
NOTICE = timedelta(hours=4)
"""Between our word that we call and the call, in business time."""
REPORTED_WITHIN = timedelta(hours=4)
CALLED_BACK_WITHIN = timedelta(days=10)
SURVEY_OPEN = timedelta(days=7)

WELL = "all is well"
GUIDE = "wants to be guided"
NOT_REACHED = "not reached"
DECLINED = "wants no call"
SPARED = "left in peace"

CALL = "pulse-call"
STATUS = "pulse-status"
PATH_BEGINS = "pulse-path"
NEXT_STEP = "pulse-next-step"
SURVEY = "pulse-survey"

PATH = (
    # milestone            due after
    ("account-explored", timedelta(days=3)),
    ("alerts-chosen", timedelta(days=7)),
    ("help-tried", timedelta(days=14)),
)
PATH_ENDS = timedelta(days=21)

CHANNELS = ("email", "whatsapp")
PHONE = ("call",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What the call has come to; until when the path is watched, and what was recalled of it."""

    call: str
    path_ends: datetime
    recalled: tuple[str, ...] = ()


@workflow.defn(name="pulse")
class Pulse(Journey):
    """How one customer feels after the first month."""

    hears = (MILESTONE, FEEDBACK)
    hours = (HOURS,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Call, tell, guide who wants to be guided, and ask how it was."""
        month = self.resumed(Month) or await self.meet()
        while self.open_milestones and self.now < month.path_ends:
            await self.checkpoint(month)
            month = await self.guide(month)
        if month.call == SPARED:
            return await self.finish(SPARED, because="a complaint was open for too long")
        return await self.conclude(month)

    async def meet(self) -> Month:
        """After the first month, and in no complaint, somebody calls."""
        day = self.opening.event.at + AFTER
        self.stage("first month", owner=TEAM)
        await self.wait_for(until=day, what="the first month to be over")
        if not await self.clear_of_hold(until=day + PATIENCE):
            return Month(call=SPARED, path_ends=self.now)
        call = await self.have_it_called()
        await self.reach(CHANNELS, step="status", action=STATUS)
        if call == GUIDE:
            await self.begin_path()
        return Month(call=call, path_ends=self.now + PATH_ENDS)

    async def have_it_called(self) -> str:
        """Announce the call, make it, and ask what came of it."""
        self.stage("about to call")
        await self.wait_for_business_hours(HOURS)
        hours = self.business_hours(HOURS)
        agreed = next_open(hours, self.business_deadline(NOTICE, hours=HOURS))
        when = in_words(hours, agreed)
        await self.reach(CHANNELS, step="offer", action=CALL, context={"call_at": when})
        await self.wait_for(until=agreed, what="the hour of the call")
        await self.wait_for_business_hours(HOURS)
        self.stage("calling")
        await self.reach(PHONE, step="call", action=CALL)
        answer = await self.ask(
            "how is the customer after the first month?",
            owner=TEAM,
            choices=(WELL, GUIDE, NOT_REACHED, DECLINED),
            default=NOT_REACHED,
            until=self.business_deadline(REPORTED_WITHIN, hours=HOURS),
        )
        return await self.call_back() if answer.choice == NOT_REACHED else answer.choice

    async def call_back(self) -> str:
        """The fallback: other hours of other days."""
        self.stage("calling back")
        back = await self.sub_journey(
            CALLBACK,
            f"pulse-{self.opening.event.at:%Y-%m-%d}",
            data={"because": "the call after the first month"},
            awaited=True,
            within=CALLED_BACK_WITHIN,
        )
        return WELL if back is not None and back.ended == "reached" else NOT_REACHED

    async def begin_path(self) -> None:
        """Plan the steps, and tell the customer of them."""
        for name, after in PATH:
            self.milestone(name, owner=TEAM, due=self.now + after, metric=MILESTONE)
        await self.reach(CHANNELS, step="path", action=PATH_BEGINS)

    async def guide(self, month: Month) -> Month:
        """Wait for the next step of the path; recall it once if it slips."""
        self.stage("guided path")
        left = [one for one in self.open_milestones if one.name not in month.recalled]
        until = left[0].due if left else month.path_ends
        names = ", ".join(one.name for one in self.open_milestones)
        heard = await self.wait_for(MILESTONE, until=until, what=f"milestones {names}")
        if heard:
            self.reach_milestone(heard.text("name"), heard.at)
            return month
        if not left:
            return replace(month, path_ends=self.now)
        await self.reach(CHANNELS, step="next-step", action=NEXT_STEP)
        return replace(month, recalled=(*month.recalled, left[0].name))

    async def conclude(self, month: Month) -> Ending | None:
        """Ask how it was, and name what is left open."""
        self.stage("asking how it was")
        answer = await self.survey(SURVEY, channels=CHANNELS, within=SURVEY_OPEN)
        score = answer.text("score") if answer else "no answer"
        gaps = [f"{one.name}: {LEAD}, not reached in time" for one in self.open_milestones]
        if month.call == NOT_REACHED:
            gaps.append(f"the call: {LEAD}, four calls in vain")
        ended = "completed with gaps" if gaps else "completed"
        return await self.finish(ended, because=f"{month.call}; survey: {score}", gaps=gaps)
