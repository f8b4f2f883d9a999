"""Where a journey stands: its inbox, its board and its plan, and how it shows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from temporalio import workflow

from engine.types import JourneyState, Planned
from workflows import calls, steps
from workflows.board import NOT_SHOWN, Board
from workflows.inbox import Inbox
from workflows.life import Carried, Kept, key_of
from workflows.orders import Intervention, Task
from workflows.steps import Heard, Milestone, Opening, Progress


class Standing:
    """The part of every journey that operators see, and that a long journey carries over."""

    hears: ClassVar[tuple[str, ...]] = ()
    """The events that this journey listens to."""

    ladder: ClassVar[tuple[str, ...]] = ()
    """Who owns the journey once it is escalated, and once more, and so on."""

    hours: ClassVar[tuple[str, ...]] = ()
    """The business hours of the bundle that this journey goes by."""

    @workflow.init
    def __init__(self, opening: Opening) -> None:
        carried = opening.carried
        self.opening = opening
        self.clock = opening.clock
        self._inbox = Inbox(
            (*self.hears, steps.HOLD_RELEASED),
            seen=carried.seen if carried else (),
            waiting=carried.waiting if carried else (),
            highest_seq=carried.highest_seq if carried else 0,
        )
        self._inbox.note(opening.event)
        self._steps: dict[str, int] = dict(carried.steps) if carried else {}
        self._milestones: dict[str, Milestone] = (
            {plan.name: plan for plan in carried.milestones} if carried else {}
        )
        self._mark = (dict(self._steps), dict(self._milestones))
        self._kept: Kept = carried.kept if carried else Kept()
        self._board: Board = Board(
            stage=carried.stage if carried else "started",
            owner=carried.owner if carried else "",
            since=carried.since if carried else self.clock.now(),
            words=carried.words if carried else (),
            before=carried.before if carried else "",
        ).attending(self._kept)
        self._handling: Heard | None = None
        self._since_mark: list[Heard] = []
        self._doing = ""
        self._state = carried.state if carried else ""
        self._posted: Board = NOT_SHOWN
        self._recorded: JourneyState | None = None
        self._task: Task | None = None
        self._answer: Intervention | None = None
        self._skip: Intervention | None = None
        self._cancel: Intervention | None = None
        self._retry = False
        self._ended = False
        self._rung = False

    @workflow.signal(name=steps.EVENT)
    def hear(self, heard: Heard) -> None:
        """An event for this journey: taken once, however often it is delivered."""
        if heard.type == steps.AWAITED:
            waiting = dict.fromkeys((*self._kept.awaited_by, heard.text("by")))
            self._kept = replace(self._kept, awaited_by=tuple(waiting))
        self._inbox.take_in(heard)

    @workflow.query
    def progress(self) -> Progress:
        """Where the journey stands."""
        paused = self._kept.paused
        return Progress(
            stage=self._board.stage,
            owner=self._board.owner,
            waiting_for=self._board.waiting_for,
            due=self._board.due,
            words=self._board.words,
            milestones=self.milestones,
            paused=paused.signed if paused else "",
            task=self._task,
            aside=tuple(f"{one.heard.type}: {one.reason}" for one in self._kept.aside),
        )

    @property
    def now(self) -> datetime:
        """The stack's time."""
        return self.clock.now()

    @property
    def owner(self) -> str:
        """Who owns the journey at present."""
        return self._board.owner

    @property
    def highest_seq(self) -> int:
        """The latest journal position that this journey knows of."""
        return self._inbox.highest_seq

    def stage(self, name: str, *, owner: str | None = None) -> None:
        """Enter a stage; the owner stays unless given.

        An owner whom an operator chose stays for as long as the stage.
        """
        if self._kept.reassigned and self._kept.reassigned == name == self._board.stage:
            owner = None
        elif self._kept.reassigned:
            self._kept = replace(self._kept, reassigned="")
        self._board = self._board.staged(name, owner, self.now)

    def assign(self, owner: str, *, because: str) -> None:
        """Give the journey another owner."""
        self._board = self._board.staged(self._board.stage, owner, self.now)
        self.say(f"over to {owner}: {because}")

    def escalate(self, *, because: str, to: str | None = None) -> str:
        """One step up the `ladder`, or straight to somebody; answers who owns it now.

        At the top of the ladder it stays with the last.
        """
        level = self._kept.level + 1
        self._kept = replace(self._kept, level=level)
        rungs = self.ladder or (self._board.owner,)
        owner = to or rungs[min(level, len(rungs)) - 1]
        self._board = self._board.staged(self._board.stage, owner, self.now)
        self.say(f"escalated to {owner}: {because}")
        return owner

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

    # Milestones

    @property
    def milestones(self) -> tuple[Milestone, ...]:
        """The plan, in the order in which it was made."""
        return tuple(self._milestones.values())

    @property
    def open_milestones(self) -> tuple[Milestone, ...]:
        """What is not reached yet, in the order of the plan."""
        return tuple(one for one in self.milestones if one.reached is None)

    def milestone(self, name: str, *, owner: str, due: datetime, metric: str = "") -> None:
        """Plan a milestone; one that is planned already stays as it is."""
        planned = Milestone(name=name, owner=owner, due=due, metric=metric)
        self._milestones.setdefault(name, planned)

    def reach_milestone(self, name: str, at: datetime) -> bool:
        """Mark a milestone as reached; False if it is not in the plan or was reached before."""
        plan = self._milestones.get(name)
        if plan is None or plan.reached:
            return False
        self._milestones[name] = replace(plan, reached=at)
        self.say(f"milestone {name} reached")
        return True

    # Inside

    async def _show(self) -> None:
        """The board in the UI, and the journey's stage in the live state."""
        self._post()
        await self._record()

    def _post(self) -> None:
        self._display()
        changes = self._board.updates(self._posted, self.now)
        if changes:
            workflow.upsert_search_attributes(changes)  # pyright: ignore[reportUnknownMemberType]
        self._posted = self._board

    def _unknown_standing(self) -> JourneyState | None:
        """Where the journey stands, unless decisions know that."""
        state = self._board.state(self.opening.journey, self.opening.kind)
        return None if state == self._recorded else state

    async def _record(self) -> None:
        state = self._unknown_standing()
        if state is None:
            return
        self._recorded = state
        if not await calls.record(steps.JourneyEntry(customer=self.opening.customer, state=state)):
            self._recorded = None

    async def _show_step(self) -> None:
        """What a step that does not wait shows: nothing but what decisions need to know.

        The search attributes tell where it waits next, in one change instead of two.
        """
        self._display()
        await self._record()

    def _display(self) -> None:
        title = self.opening.title  # a run that was continued as new has no summary of its own
        details = self._board.details(title, self.milestones, self._kept, self._task)
        workflow.set_current_details(details)

    def _key(self, step: str) -> str:
        """The key of a step: the same in every attempt, another each time the step is taken."""
        count = self._steps[step] = self._steps.get(step, 0) + 1
        info = workflow.info()
        return key_of(info.workflow_id, info.first_execution_run_id, step, count)

    def _turn(self, step: str) -> str:
        """A step as the outside sees it, such as `welcome.1@cfef2847`: one name for each time it is
        taken, in whichever run of a journey that was opened again.
        """
        return f"{step}.{self._steps[step]}@{workflow.info().first_execution_run_id[:8]}"

    def _carried(self) -> Carried:
        return Carried(
            state=self._state,
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
            kept=self._kept,
        )
