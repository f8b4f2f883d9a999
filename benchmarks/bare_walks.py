"""The same walk on plain Temporal: the same waits and activities, and nothing to look at."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from benchmarks.walk_parts import (
    ACTION,
    ASK,
    BARE,
    CHANNEL,
    DAY,
    HEAR,
    HOLD,
    OFFERS,
    REST,
    TAGS,
    TALK,
    Errand,
)
from engine.types import Hold
from workflows import steps
from workflows.orders import Intervention
from workflows.steps import (
    DecisionView,
    Dispatch,
    Ending,
    Heard,
    HoldRelease,
    News,
    PlacedHold,
    Question,
    Sent,
)

LOCAL_PATIENCE = timedelta(seconds=5)
ATTEMPT_PATIENCE = timedelta(seconds=30)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The input of a bare walk."""

    customer: str
    name: str
    errand: Errand


@workflow.defn(name=BARE)
class BareWalk:
    """As one writes it who knows Temporal and needs nothing else."""

    def __init__(self) -> None:
        self._unread: list[Heard] = []
        self._asking = False
        self._answer: Intervention | None = None
        self._told = 0

    @workflow.signal(name=steps.EVENT)
    def hear(self, heard: Heard) -> None:
        """Somebody replied."""
        self._unread.append(heard)

    @workflow.update(name="answer")
    def answer(self, order: Intervention) -> str:
        """Somebody answers the question."""
        self._answer = order
        return "thanks"

    @answer.validator
    def check(self, order: Intervention) -> None:
        """Only while there is one."""
        if not self._asking or self._answer is not None:
            raise ApplicationError("it asks nothing", non_retryable=True)

    @workflow.run
    async def run(self, path: Path) -> Ending:
        """All laps of the errand."""
        if path.errand.before:
            await workflow.sleep(path.errand.before)
        for lap in range(path.errand.laps):
            await self.walk(path, lap)
        return Ending(ended="walked", because=f"{path.errand.laps} laps are done")

    async def walk(self, path: Path, lap: int) -> None:
        """One lap."""
        parts = path.errand.parts
        if TALK in parts:
            await self.talk(path, lap)
        if HEAR in parts:
            with suppress(TimeoutError):
                await workflow.wait_condition(lambda: bool(self._unread), timeout=DAY)
                self._unread.pop(0)
        if ASK in parts:
            await self.ask()
        if HOLD in parts:
            await self.hold(path)
        if REST in parts:
            await workflow.sleep(path.errand.pause)
        if HOLD in parts:
            await self.release(path)

    async def talk(self, path: Path, lap: int) -> None:
        """A decision in a local activity, the message in another one, with an id of its own."""
        me = workflow.info().workflow_id
        question = Question(
            step=f"{me}.decide.{lap}",
            customer=path.customer,
            journey=me,
            channel=CHANNEL,
            at=workflow.now(),
            tags=TAGS,
            limit=OFFERS,
        )
        view: DecisionView = await do(steps.DECIDE, question, DecisionView)
        proposal = view.proposal(ACTION)
        if proposal is None:
            raise ApplicationError(f"{ACTION} is not offered", non_retryable=True)
        dispatch = Dispatch(
            message_id=f"{me}.talk.{lap}",
            customer=path.customer,
            journey=me,
            step=f"talk.{lap}",
            at=workflow.now(),
            proposal=proposal,
        )
        await workflow.execute_activity(
            steps.SEND,
            dispatch,
            result_type=Sent,
            start_to_close_timeout=ATTEMPT_PATIENCE,
            retry_policy=RETRY,
        )

    async def ask(self) -> None:
        """A question to a person, who answers by an update."""
        self._asking, self._answer = True, None
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._answer is not None, timeout=DAY)
        self._asking = False

    async def hold(self, path: Path) -> None:
        """Silence, which the customer's other journeys hear of."""
        hold = Hold(
            id=f"walk:{path.name}",
            purposes=("sales",),
            tags=("commercial",),
            since=workflow.now(),
            because="it rests",
            owner=workflow.info().workflow_id,
            seq=0,
            until=workflow.now() + DAY,
        )
        await do(steps.PLACE_HOLD, PlacedHold(customer=path.customer, hold=hold))
        await self.tell_others(path, steps.HOLD_PLACED)

    async def release(self, path: Path) -> None:
        """And its end."""
        me = workflow.info().workflow_id
        release = HoldRelease(
            customer=path.customer, hold_id=f"walk:{path.name}", up_to=0, by=me, because="rested"
        )
        await do(steps.RELEASE_HOLD, release, bool)
        await self.tell_others(path, steps.HOLD_RELEASED)

    async def tell_others(self, path: Path, what: str) -> None:
        """Tell all other running journeys of this customer."""
        me = workflow.info().workflow_id
        self._told += 1
        heard = Heard(
            key=f"{me}.{self._told}",
            type=what,
            at=workflow.now(),
            data={"hold": f"walk:{path.name}"},
        )
        await do(steps.TELL, News(customer=path.customer, teller=me, news=heard))


async def do(activity: str, argument: object, result: type | None = None) -> Any:
    """A local activity."""
    return await workflow.execute_local_activity(
        activity,
        argument,
        result_type=result,
        schedule_to_close_timeout=LOCAL_PATIENCE,
        retry_policy=RETRY,
    )
