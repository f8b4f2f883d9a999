"""What an author of journeys imports: Journey, whose methods are the steps of a journey."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter
from temporalio import workflow

from engine.types import Hold, Scalar
from workflows import calls, steps
from workflows.board import NOT_SHOWN
from workflows.standing import Standing
from workflows.steps import DecisionView, Ending, Heard, HeldBy, Proposal, Sent, SentStatus

State = TypeVar("State")

SEND_PATIENCE = timedelta(hours=2)
HOLD_CHECK = timedelta(days=1)
QUIET_MAXIMUM = timedelta(days=4)
"""Longer than any quiet hours, a long weekend counted in: after it, what waits is not sent."""
ASK_AGAIN_AFTER = timedelta(seconds=30)
"""On the wall: when the engine can't be reached, the journey waits, visibly, and asks again."""

CANDIDATES = 20
"""How many offers are looked through for one that is asked for by name."""


class Journey(Standing):
    """The base of every journey: each step shows itself, happens once, and survives a crash.

    A subclass is a Temporal workflow (`@workflow.defn`, `@workflow.run async def run(self,
    opening)`), names the events it listens to in `hears`, and ends with `await self.finish(...)`.
    All times are the stack's.
    """

    # Waiting

    async def wait_for(
        self,
        *types: str,
        what: str,
        within: timedelta | None = None,
        until: datetime | None = None,
    ) -> Heard | None:
        """The next event of these types, an earlier unread one first; None once time is over.

        `what` is awaited in the words of the business: operators read "waits for" before it.
        """
        if within is not None:
            until = self.now + within
        heard = self._inbox.first(types)
        if heard or (until is not None and until <= self.now):
            return heard
        await self._pause(types, until, what)
        return self._inbox.first(types)

    async def sleep(self, wait: timedelta, *, what: str = "time to pass") -> None:
        """Let time pass."""
        await self.wait_for(within=wait, what=what)

    async def clear_of_hold(
        self,
        *,
        purposes: Sequence[str],
        tags: Sequence[str],
        until: datetime,
        unless: Sequence[str] = (),
    ) -> bool:
        """Wait, visibly, while a hold covers what is to be said.

        False if one still does at `until`, or when an event of the types in `unless` is there.
        """
        while holds := await self._holds_over(purposes, tags):
            if self.now >= until or self._inbox.has(unless):
                return False
            names = ", ".join(hold.id for hold in holds)
            again = min(until, self.now + HOLD_CHECK)
            await self._pause((steps.HOLD_RELEASED, *unless), again, f"the end of hold {names}")
            self._inbox.first((steps.HOLD_RELEASED,))
        return True

    # Deciding and sending

    async def decide(
        self,
        channel: str,
        *,
        purposes: Sequence[str] = (),
        tags: Sequence[str] = (),
        context: Mapping[str, Scalar] | None = None,
        limit: int = 1,
    ) -> DecisionView:
        """Ask the engine what to say on a channel. Nothing to say is a valid answer."""
        await self._show()
        question = steps.Question(
            step=self._key(f"decide.{channel}"),
            customer=self.opening.customer,
            journey=self.opening.journey,
            channel=channel,
            at=self.now,
            purposes=tuple(purposes),
            tags=tuple(tags),
            context=dict(context or {}),
            limit=limit,
        )
        view = await self._ask(question)
        self._board = self._board.decided(channel, view)
        return view

    async def send(
        self, proposal: Proposal, *, step: str, patience: timedelta = SEND_PATIENCE
    ) -> Sent:
        """Send what the engine proposed; `patience` limits the retries. A refusal is an answer.

        Within quiet hours the journey waits, visibly, until they are over.
        """
        await self._show()
        message_id = self._key(step)
        dispatch = steps.Dispatch(
            message_id=message_id,
            customer=self.opening.customer,
            journey=self.opening.journey,
            step=self._turn(step),
            at=self.now,
            proposal=proposal,
        )
        sent = await calls.deliver(dispatch, self.clock.wall(patience))
        latest = self.now + QUIET_MAXIMUM
        while sent.status is SentStatus.WAITS and sent.until and sent.until <= latest:
            self._board = self._board.sent(proposal, sent)
            await self._pause((), sent.until, f"the end of {sent.reason}")
            again = replace(dispatch, at=self.now)
            sent = await calls.deliver(again, self.clock.wall(patience))
        self._board = self._board.sent(proposal, sent)
        return sent

    async def reach(
        self,
        channels: Sequence[str],
        *,
        step: str,
        action: str | None = None,
        purposes: Sequence[str] = (),
        tags: Sequence[str] = (),
        context: Mapping[str, Scalar] | None = None,
    ) -> Sent | None:
        """Decide and send on the first channel that takes it; None if none has anything to say.

        With `action` only that one is sent, wherever the engine ranks it.
        """
        sent = None
        for channel in channels:
            limit = 1 if action is None else CANDIDATES
            view = await self.decide(
                channel, purposes=purposes, tags=tags, context=context, limit=limit
            )
            proposal = view.proposal(action)
            if proposal is not None:
                sent = await self.send(proposal, step=step)
            if sent is not None and sent.out:
                return sent
        return sent

    # Holds

    async def hold(self, hold: Hold) -> None:
        """Put a hold in force, or keep it so. The memo tells how to restore it."""
        workflow.upsert_memo({"hold": hold})
        placed = steps.PlacedHold(customer=self.opening.customer, hold=hold)
        await calls.insist(steps.PLACE_HOLD, placed)

    async def release(self, hold_id: str, *, because: str) -> bool:
        """Release a hold; False if an event that this journey has not heard yet placed it again."""
        released = steps.HoldRelease(
            customer=self.opening.customer,
            hold_id=hold_id,
            up_to=self.highest_seq,
            by=self.opening.journey,
            because=because,
        )
        done: bool = await calls.insist(steps.RELEASE_HOLD, released, bool)
        if done:
            workflow.upsert_memo({"hold": None})
        return done

    async def tell_others(self, what: str, about: str) -> None:
        """Tell all other running journeys of this customer."""
        news = Heard(key=self._key(f"{what}.{about}"), type=what, at=self.now, data={"hold": about})
        told = steps.News(customer=self.opening.customer, teller=self.opening.journey, news=news)
        await calls.insist(steps.TELL, told)

    # A long life, and its end

    def resumed(self, kind: type[State]) -> State | None:
        """The state that the run before this one carried over, if there was one."""
        carried = self.opening.carried
        return TypeAdapter(kind).validate_json(carried.state) if carried else None

    async def checkpoint(self, state: object) -> None:
        """Continue as new with this state once the history is long. Call it once in each loop."""
        info = workflow.info()
        longest = self.opening.history_events_maximum
        if info.is_continue_as_new_suggested() or info.get_current_history_length() > longest:
            await workflow.wait_condition(workflow.all_handlers_finished)
            carried = self._carried(TypeAdapter[Any](type(state)).dump_json(state).decode())
            workflow.continue_as_new(replace(self.opening, carried=carried))

    async def finish(
        self, ended: str, *, because: str, gaps: Sequence[str] = (), unless: Sequence[str] = ()
    ) -> Ending | None:
        """End the journey; None if an event in `unless` came in meanwhile: then it must go on."""
        self.stage(ended)
        self.say(because)
        await self._show(recorded=False)
        left = steps.JourneyExit(customer=self.opening.customer, journey=self.opening.journey)
        await calls.insist(steps.DROP_JOURNEY, left)
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._shown = NOT_SHOWN
        if self._inbox.has(unless):
            return None
        return Ending(ended=ended, because=because, gaps=tuple(gaps))

    # Inside

    def _key(self, step: str) -> str:
        """The key of a step: the same in every attempt, another each time the step is taken."""
        count = self._steps[step] = self._steps.get(step, 0) + 1
        info = workflow.info()
        name = f"{info.workflow_id}\n{info.first_execution_run_id}\n{step}\n{count}"
        return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()

    def _turn(self, step: str) -> str:
        """A step as the outside sees it, such as `welcome.1@cfef2847`: one name for each time it is
        taken, in whichever run of a journey that was opened again.
        """
        return f"{step}.{self._steps[step]}@{workflow.info().first_execution_run_id[:8]}"

    async def _ask(self, question: steps.Question) -> DecisionView:
        while (view := await calls.ask(question)) is None:
            self.say("the engine can't be reached, asking again")
            self._display()
            await workflow.sleep(ASK_AGAIN_AFTER, summary="until the engine is asked again")
        return view

    async def _holds_over(self, purposes: Sequence[str], tags: Sequence[str]) -> list[HeldBy]:
        found = await calls.insist(steps.HOLDS, self.opening.customer, tuple[HeldBy, ...])
        return [
            hold
            for hold in found
            if set(purposes) & set(hold.purposes) or set(tags) & set(hold.tags)
        ]
