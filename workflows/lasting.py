"""A journey's long life and its end: checkpoints, sub-journeys, events set aside, operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_json
from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.workflow import ContinueAsNewVersioningBehavior

from engine.types import Scalar
from workflows import calls, steps
from workflows.board import NOT_SHOWN
from workflows.life import SetAside, journey_id, key_of
from workflows.orders import Intervention
from workflows.people import People
from workflows.steps import Ending, Heard, Opening

State = TypeVar("State")
Run = Callable[..., Awaitable[Ending | None]]

REASON_MAXIMUM = 200
CALLBACK = "callback"


class Cancelled(BaseException):
    """An operator ends the journey: no author's code should catch it."""

    def __init__(self, order: Intervention) -> None:
        super().__init__(order.signed)
        self.order = order


class Lasting(People):
    """What lets a journey run for years, and end in good order."""

    async def sub_journey(
        self,
        kind: str,
        name: str,
        *,
        data: Mapping[str, Scalar] | None = None,
        awaited: bool = False,
        within: timedelta | None = None,
    ) -> Ending | None:
        """Start another journey of this customer, or join the one of this kind and name that is.

        `awaited`: waits for its end; None without, or if it has not ended `within`. `data` is what
        the event says that opens it, and never personal.
        """
        await self._obey()
        await self._show_step()
        journey = journey_id(kind, self.opening.customer, name)
        wanted = steps.SubJourney(
            customer=self.opening.customer,
            kind=kind,
            name=name,
            by=self.opening.journey,
            key=key_of(self.opening.journey, journey),
            clock=self.clock,
            at=self.now,
            awaited=awaited,
            data=dict(data or {}),
        )
        over: Ending | None = await calls.insist(steps.START_JOURNEY, wanted, Ending)
        if not awaited or over is not None:
            return over if awaited else None
        heard = await self.wait_for(
            f"{steps.ENDED}:{journey}", what=f"the end of {journey}", within=within
        )
        return Ending(ended=heard.text("ended"), because=heard.text("because")) if heard else None

    def resumed(self, kind: type[State]) -> State | None:
        """The state of the last checkpoint, if there was one: in this run or the one before."""
        return TypeAdapter(kind).validate_json(self._state) if self._state else None

    async def checkpoint(self, state: object) -> None:
        """Remember this state, and continue as new with it once the history is long.

        So it does once another build of the worker takes new journeys, and moves on to that one.
        Call it once in each loop: an event that can't be handled throws the journey back to here.
        """
        self._state = to_json(state).decode()
        self._set_mark()
        if self._has_grown_long() or workflow.info().is_target_worker_deployment_version_changed():
            await workflow.wait_condition(workflow.all_handlers_finished)
            if self._cancel is not None:
                await self._obey()
            workflow.continue_as_new(
                replace(self.opening, carried=self._carried()),
                initial_versioning_behavior=ContinueAsNewVersioningBehavior.AUTO_UPGRADE,
            )

    async def finish(
        self, ended: str, *, because: str, gaps: Sequence[str] = (), unless: Sequence[str] = ()
    ) -> Ending | None:
        """End the journey; None if an event in `unless` came in meanwhile: then it must go on."""
        await self._obey()
        self.stage(ended)
        self.say(because)
        self._post()
        ending = Ending(ended=ended, because=because, gaps=tuple(gaps))
        return ending if await self._leave(ending, unless) else None

    @classmethod
    def kind(cls) -> str:
        """The kind of this journey: the name it has in Temporal; empty for a class in between."""
        defined = getattr(cls, "__temporal_workflow_definition", None)
        return str(defined.name) if defined else ""

    # Inside

    async def _book_callback(self, because: str) -> None:
        name = f"{self.opening.kind}-{self._key(CALLBACK)[:8]}"
        await self.sub_journey(CALLBACK, name, data={"because": because})
        self.say(f"a callback is booked: {because}")

    def _has_grown_long(self) -> bool:
        info = workflow.info()
        longest = self.opening.history_events_maximum
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > longest

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        run = cls.__dict__.get("run")
        if run is not None:
            cls.run = _guarded(run)  # pyright: ignore[reportAttributeAccessIssue]

    async def _obey(self) -> None:
        while True:
            self._rung = False
            if self._cancel is not None:
                await self._give_up(self._cancel)
            if self._retry and not self._kept.paused:
                self._retry = False
                self._hear_again()
                await self._send_again()
            if not self._kept.paused:
                return
            left = await self._renew_holds()
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._cancel is not None or not self._kept.paused,
                    timeout=self.clock.wall(left) if left else None,
                    timeout_summary="the renewal of its hold",
                )

    async def _give_up(self, order: Intervention) -> None:
        """Release what the journey holds, then end it; unless it has just been opened again."""
        if await self.release(because=f"cancelled by {order.signed}"):
            raise Cancelled(order)
        self._cancel = None
        self.say("not cancelled: its hold was placed again meanwhile")

    async def end_cancelled(self, order: Intervention) -> Ending:
        """The end that an operator wanted; what opens the journey again begins it anew."""
        self._inbox.forget()
        self._board = self._board.staged("cancelled", None, self.now).awaiting("", None)
        self._task = None
        self._post()
        ending = Ending(ended="cancelled", because=order.signed)
        if await self._leave(ending, self.opening.openers):
            return ending
        again = self._inbox.first(self.opening.openers)
        assert again is not None
        workflow.continue_as_new(replace(self.opening, event=again, carried=None))

    async def _leave(self, ending: Ending, unless: Sequence[str]) -> bool:
        """Leave the live state, and tell who waits; False if an event in `unless` came in."""
        left = steps.JourneyExit(customer=self.opening.customer, journey=self.opening.journey)
        await calls.at_once(steps.DROP_JOURNEY, left)
        if not self._inbox.has(unless):
            await self._tell_who_waits(ending)
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._posted, self._recorded = NOT_SHOWN, None
        self._ended = not self._inbox.has(unless)
        return self._ended

    async def _tell_who_waits(self, ending: Ending) -> None:
        me = self.opening.journey
        news = Heard(
            key=key_of(workflow.info().first_execution_run_id, steps.ENDED),
            type=f"{steps.ENDED}:{me}",
            at=self.now,
            data={"journey": me, "ended": ending.ended, "because": ending.because},
        )
        for journey in self._kept.awaited_by:
            with suppress(FailureError):  # it no longer runs
                await workflow.get_external_workflow_handle(journey).signal(steps.EVENT, news)

    # Events that can't be handled

    def _set_mark(self) -> None:
        self._mark = (dict(self._steps), dict(self._milestones))
        self._handling = None
        self._since_mark.clear()

    def set_aside(self, error: Exception) -> bool:
        """Put the event that is being handled aside, and go back to the last checkpoint.

        False if none is being handled: then the code itself is wrong.
        """
        poison = self._handling
        if poison is None:
            return False
        reason = f"{type(error).__name__}: {error}"[:REASON_MAXIMUM]
        workflow.logger.exception("%s is set aside", poison.type)
        aside = (*self._kept.aside, SetAside(heard=poison, reason=reason))
        self._kept = replace(self._kept, aside=aside)
        self._inbox.put_back(one for one in self._since_mark if one is not poison)
        steps_then, milestones_then = self._mark
        self._steps, self._milestones = dict(steps_then), dict(milestones_then)
        self._task = self._answer = self._skip = None
        self._handling = None
        self._since_mark.clear()
        self._board = self._board.awaiting("", None).attending(self._kept)
        self.say(f"{poison.type} is set aside: {reason}")
        return True

    def _hear_again(self) -> None:
        self._inbox.put_back(one.heard for one in self._kept.aside)
        self._kept = replace(self._kept, aside=())
        self._board = self._board.attending(self._kept)


def _guarded(run: Run) -> Run:
    """The author's run, thrown back to its last checkpoint by events that it can't handle."""

    @wraps(run)
    async def guarded(journey: Lasting, opening: Opening) -> Ending | None:
        while True:
            try:
                return await run(journey, opening)
            except Cancelled as cancelled:
                return await journey.end_cancelled(cancelled.order)
            except Exception as error:
                if is_cancelled_exception(error) or not journey.set_aside(error):
                    raise

    return guarded
