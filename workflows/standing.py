"""Where a journey stands: its inbox, its board and its plan, and how it shows them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

from temporalio import workflow

from engine.types import Planned
from workflows import calls, steps
from workflows.board import NOT_SHOWN, Board
from workflows.inbox import Inbox
from workflows.steps import Carried, Heard, Milestone, Opening, Progress


class Standing:
    """The part of every journey that operators see, and that a long journey carries over."""

    hears: ClassVar[tuple[str, ...]] = ()

    @workflow.init
    def __init__(self, opening: Opening) -> None:
        carried = opening.carried
        self.opening = opening
        self.clock = opening.clock
        self._inbox = Inbox(
            self.hears,
            seen=carried.seen if carried else (),
            waiting=carried.waiting if carried else (),
            highest_seq=carried.highest_seq if carried else 0,
        )
        self._inbox.note(opening.event)
        self._steps = dict(carried.steps) if carried else {}
        self._milestones = {plan.name: plan for plan in carried.milestones} if carried else {}
        self._board = Board(
            stage=carried.stage if carried else "started",
            owner=carried.owner if carried else "",
            since=carried.since if carried else self.clock.now(),
            words=carried.words if carried else (),
            before=carried.before if carried else "",
        )
        self._shown = NOT_SHOWN

    @workflow.signal(name=steps.EVENT)
    def hear(self, heard: Heard) -> None:
        """An event for this journey: taken once, however often it is delivered."""
        self._inbox.take_in(heard)

    @workflow.query
    def progress(self) -> Progress:
        """Where the journey stands."""
        return Progress(
            stage=self._board.stage,
            owner=self._board.owner,
            waiting_for=self._board.waiting_for,
            due=self._board.due,
            words=self._board.words,
            milestones=self.milestones,
        )

    @property
    def now(self) -> datetime:
        """The stack's time."""
        return self.clock.now()

    @property
    def highest_seq(self) -> int:
        """The latest journal position that this journey knows of."""
        return self._inbox.highest_seq

    def stage(self, name: str, *, owner: str | None = None) -> None:
        """Enter a stage; the owner stays unless given."""
        self._board = self._board.staged(name, owner, self.now)

    def say(self, words: str) -> None:
        """Tell operators what happened."""
        self._board = self._board.saying(words, self.now)

    def plan(self, at: datetime, *, channel: str, purpose: str, value: float) -> None:
        """Say which message comes next, and what it is worth: as much as an expected priority.

        Contact limits that keep places for better messages keep one for it.
        """
        planned = Planned(at=at, channel=channel, purpose=purpose, value=value)
        self._board = replace(self._board, planned=planned)

    def plan_nothing(self) -> None:
        """No message is to come that others must leave a place for."""
        self._board = replace(self._board, planned=None)

    async def hand_off(self, owner: str, *, because: str) -> None:
        """Give the journey to another owner, visibly."""
        self._board = self._board.staged(self._board.stage, owner, self.now)
        self.say(f"over to {owner}: {because}")
        await self._show()

    # Milestones

    @property
    def milestones(self) -> tuple[Milestone, ...]:
        """The plan, in the order in which it was made."""
        return tuple(self._milestones.values())

    def milestone(self, name: str, *, owner: str, due: datetime) -> None:
        """Plan a milestone; one that is planned already stays as it is."""
        self._milestones.setdefault(name, Milestone(name=name, owner=owner, due=due))

    def reach_milestone(self, name: str, at: datetime) -> bool:
        """Mark a milestone as reached; False if it is not in the plan or was reached before."""
        plan = self._milestones.get(name)
        if plan is None or plan.reached:
            return False
        self._milestones[name] = replace(plan, reached=at)
        self.say(f"milestone {name} reached")
        return True

    # Inside

    async def _show(self, *, recorded: bool = True) -> None:
        board, shown = self._board, self._shown
        self._display()
        changes = board.updates(shown)
        if changes:
            workflow.upsert_search_attributes(changes)  # pyright: ignore[reportUnknownMemberType]
        self._shown = board
        state = board.state(self.opening.journey, self.opening.kind)
        if recorded and state != shown.state(self.opening.journey, self.opening.kind):
            entry = steps.JourneyEntry(customer=self.opening.customer, state=state)
            if not await calls.record(entry):
                self._shown = NOT_SHOWN

    def _display(self) -> None:
        title = self.opening.title  # a run that was continued as new has no summary of its own
        workflow.set_current_details(self._board.details(title, self.milestones))

    async def _pause(self, types: Sequence[str], until: datetime | None, what: str) -> None:
        self._board = self._board.awaiting(what, until)
        await self._show()
        left = None if until is None else max(self.clock.wall(until - self.now), timedelta())
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._inbox.has(types), timeout=left, timeout_summary=what
            )
        self._board = self._board.awaiting("", None)

    def _carried(self, state: str) -> Carried:
        return Carried(
            state=state,
            seen=self._inbox.seen,
            waiting=self._inbox.waiting,
            highest_seq=self._inbox.highest_seq,
            steps=self._steps,
            milestones=self.milestones,
            stage=self._board.stage,
            owner=self._board.owner,
            since=self._board.since,
            words=self._board.words,
            before=self._board.before,
        )
