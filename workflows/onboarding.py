"""The first three weeks: four milestones, a nudge before each, a person when one slips.

Owner: the onboarding team; its lead for what is still open in the end.
Promises: a welcome at once; a reminder the day before a milestone is due; when one slips, a person
reaches out within 24 hours.
Fallbacks: e-mail, then WhatsApp. An outreach that may go out later, yet within the 24 hours, is
tried again then; else the team finds another way. If nobody takes it within the 24 hours, the lead
knows, and a callback is booked, one in all. What is open after three weeks is a gap with an owner
and a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio import workflow

from workflows.journey import Journey
from workflows.steps import Ending, Milestone, Opening

TEAM = "onboarding team"
LEAD = "onboarding lead"

MILESTONE = "milestone.reached"

PLAN = (
    # milestone        due after            what reminds of it
    ("activated", timedelta(days=3), "set-up-guide"),
    ("set-up-done", timedelta(days=7), "set-up-guide"),
    ("first-bill", timedelta(days=14), "first-bill-explainer"),
    ("checked-in", timedelta(days=21), "onboarding-check-in"),
)
WELCOME = "welcome-message"
OUTREACH = "onboarding-check-in"

NUDGE_BEFORE = timedelta(days=1)
OUTREACH_WITHIN = timedelta(hours=24)

CHANNELS = ("email", "whatsapp")
PHONE = ("call",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to do about a milestone, and when: remind, or have a person reach out."""

    at: datetime
    milestone: str
    outreach: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is still to be done, earliest first; `reasons` tells why milestones are open."""

    tasks: tuple[Task, ...]
    ends: datetime
    reasons: tuple[tuple[str, str], ...] = ()

    def without(self, milestone: str) -> Plan:
        """The plan once a milestone is reached."""
        left = tuple(task for task in self.tasks if task.milestone != milestone)
        return replace(self, tasks=left)

    def explained(self, milestone: str, reason: str) -> Plan:
        """With the latest reason why a milestone is open."""
        others = tuple(pair for pair in self.reasons if pair[0] != milestone)
        return replace(self, reasons=(*others, (milestone, reason)))

    def also(self, task: Task) -> Plan:
        """With one more task."""
        tasks = sorted((*self.tasks, task), key=lambda one: one.at)
        return replace(self, tasks=tuple(tasks))


@workflow.defn(name="onboarding")
class Onboarding(Journey):
    """The onboarding of one customer."""

    hears = (MILESTONE,)
    ladder = (LEAD,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Welcome, then watch over the milestones, which come in any order."""
        plan = self.resumed(Plan) or await self.welcome()
        while self.open_milestones and self.now < plan.ends:
            plan = await self.next_step(plan)
            await self.checkpoint(plan)
        return await self.conclude(plan)

    async def welcome(self) -> Plan:
        """Make the plan, and say hello."""
        joined = self.opening.event.at
        tasks: list[Task] = []
        for name, after, _ in PLAN:
            due = joined + after
            self.milestone(name, owner=TEAM, due=due)
            tasks.append(Task(at=due - NUDGE_BEFORE, milestone=name, outreach=False))
            tasks.append(Task(at=due, milestone=name, outreach=True))
        self.stage("welcome", owner=TEAM)
        await self.tell_customer(WELCOME)
        ends = joined + PLAN[-1][1] + OUTREACH_WITHIN
        return Plan(tasks=tuple(sorted(tasks, key=lambda task: task.at)), ends=ends)

    async def next_step(self, plan: Plan) -> Plan:
        """Wait for the next milestone or the next thing to do, whichever comes first."""
        self.stage(f"towards {self.open_milestones[0].name}")
        task = plan.tasks[0] if plan.tasks else None
        names = ", ".join(milestone.name for milestone in self.open_milestones)
        heard = await self.wait_for(
            MILESTONE, until=task.at if task else plan.ends, what=f"milestones {names}"
        )
        if heard:
            name = heard.text("name")
            return plan.without(name) if self.reach_milestone(name, heard.at) else plan
        if task is None:
            return plan
        plan = replace(plan, tasks=plan.tasks[1:])
        return await (self.reach_out(task, plan) if task.outreach else self.nudge(task, plan))

    async def nudge(self, task: Task, plan: Plan) -> Plan:
        """Remind the customer of a milestone that is due tomorrow."""
        reminder = next(action for name, _, action in PLAN if name == task.milestone)
        await self.tell_customer(reminder)
        return plan

    async def reach_out(self, task: Task, plan: Plan) -> Plan:
        """A milestone has slipped: a person of the team speaks with the customer."""
        self.stage(f"outreach for {task.milestone}", owner=TEAM)
        (due,) = (one.due for one in self.milestones if one.name == task.milestone)
        sent = await self.reach(PHONE, step="outreach", action=OUTREACH)
        if sent and sent.until and self.now < sent.until < due + OUTREACH_WITHIN:
            return plan.also(replace(task, at=sent.until))
        taken = await self.hand_off(
            TEAM,
            because=f"reach out about {task.milestone}",
            until=due + OUTREACH_WITHIN,
            taken_by=(MILESTONE,),
            fallback=self.book_callback,
        )
        told = "the team took it over, nothing heard since"
        slipped = "nobody reached out within 24 hours, a callback is booked"
        return plan.explained(task.milestone, told if taken else slipped)

    async def book_callback(self, why: str) -> None:
        """Nobody reached out: the lead knows, and the customer gets a call, once in all."""
        self.escalate(because=why)
        await self.sub_journey("callback", "onboarding", data={"because": "onboarding"})

    async def conclude(self, plan: Plan) -> Ending | None:
        """Completed, or completed with gaps, each with its owner and its reason."""
        if not self.open_milestones:
            return await self.finish("completed", because="all milestones are reached")
        gaps = [f"{one.name}: {LEAD}, {_reason(plan, one)}" for one in self.open_milestones]
        await self.hand_off(LEAD, because=f"open after three weeks: {'; '.join(gaps)}")
        return await self.finish(
            "completed with gaps", because=f"{len(gaps)} milestones are open", gaps=gaps
        )

    async def tell_customer(self, action: str) -> None:
        """Say it on the first channel that takes it. Silence is fine: the outreach follows."""
        await self.reach(CHANNELS, step=action, action=action)


def _reason(plan: Plan, milestone: Milestone) -> str:
    return dict(plan.reasons).get(milestone.name, "not reached in time")
