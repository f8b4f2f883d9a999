"""What an author of journeys imports: Journey, whose methods are the steps of a journey."""

from __future__ import annotations

from temporalio import workflow

from engine.service_clocks import Step
from engine.service_runs import Happening, Mark
from engine.service_terms import EscalationLevel, Promise, Target
from workflows.holding import SKIP, WAIT, OnHold, Reroute, Skip, WaitOut
from workflows.lasting import Lasting
from workflows.life import Ending, Heard, Milestone, Opening
from workflows.offers import DecisionView, Proposal, Sent, SentStatus
from workflows.orders import Answer
from workflows.people import DECLINED, TAKEN
from workflows.service_clocks import Clocks, Tick
from workflows.speaking import FEEDBACK
from workflows.steps import HOLD_PLACED, HOLD_RELEASED

__all__ = [
    "DECLINED",
    "FEEDBACK",
    "HOLD_PLACED",
    "HOLD_RELEASED",
    "SKIP",
    "TAKEN",
    "WAIT",
    "Answer",
    "Clocks",
    "DecisionView",
    "Ending",
    "EscalationLevel",
    "Happening",
    "Heard",
    "Journey",
    "Mark",
    "Milestone",
    "OnHold",
    "Opening",
    "Promise",
    "Proposal",
    "Reroute",
    "Sent",
    "SentStatus",
    "Skip",
    "Step",
    "Target",
    "Tick",
    "WaitOut",
    "workflow",
]


class Journey(Lasting):
    """The base of every journey: each step shows itself, happens once, and survives a crash.

    A subclass is a Temporal workflow (`@workflow.defn(name="kind")`, `@workflow.run async def
    run(self, opening)`), names the events it listens to in `hears`, whom it is escalated to in
    `ladder` and the business hours it goes by in `hours`, calls `checkpoint` once in each loop, and
    ends with `await self.finish(...)`. All times are the stack's. Steps are taken one after the
    other, never at the same time.

    Steps that take part in the world are awaited: `wait_for`, `sleep`, `wait_for_business_hours`
    (workflows/waiting.py); `decide`, `send`, `reach`, `survey` (speaking.py); `hold`, `release`,
    `clear_of_hold`, `tell_others` (holding.py); `ask`, `hand_off`, `desks` (people.py);
    `sub_journey`, `checkpoint`, `finish` (lasting.py). What only says how things stand is not:
    `stage`, `assign`, `escalate`, `say`, `milestone`, `reach_milestone`, `plan`, `plan_nothing`
    (standing.py). `business_deadline`, `business_hours` and `service_clocks` (waiting.py) only work
    something out.
    """
