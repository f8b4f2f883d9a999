"""What an author of journeys imports: Journey, whose methods are the steps of a journey."""

from __future__ import annotations

from temporalio import workflow

from workflows.holding import SKIP, WAIT, OnHold, Reroute, Skip, WaitOut
from workflows.lasting import Lasting
from workflows.life import Ending, Heard, Milestone, Opening
from workflows.offers import DecisionView, Proposal, Sent, SentStatus
from workflows.orders import Answer
from workflows.people import DECLINED, TAKEN
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
    "DecisionView",
    "Ending",
    "Heard",
    "Journey",
    "Milestone",
    "OnHold",
    "Opening",
    "Proposal",
    "Reroute",
    "Sent",
    "SentStatus",
    "Skip",
    "WaitOut",
    "workflow",
]


class Journey(Lasting):
    """The base of every journey: each step shows itself, happens once, and survives a crash.

    A subclass is a Temporal workflow (`@workflow.defn(name="kind")`, `@workflow.run async def
    run(self, opening)`), names the events it listens to in `hears` and whom it is escalated to in
    `ladder`, calls `checkpoint` once in each loop, and ends with `await self.finish(...)`. All
    times are the stack's. Steps are taken one after the other, never at the same time.

    Steps that take part in the world are awaited:
    `wait_for`, `sleep`, `clear_of_hold` (workflows/waiting.py, holding.py);
    `decide`, `send`, `reach`, `survey` (speaking.py); `hold`, `release`, `tell_others`
    (holding.py); `ask`, `hand_off` (people.py); `sub_journey`, `checkpoint`, `finish` (lasting.py).
    What only says how things stand is not: `stage`, `assign`, `escalate`, `say`, `milestone`,
    `reach_milestone`, `plan`, `plan_nothing` (standing.py).
    """
