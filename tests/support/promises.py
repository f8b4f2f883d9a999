"""Promises about service times, drawn cases, and a slow second opinion on what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import strategies as st

from engine.business_hours import is_open
from engine.service_clocks import ClockState, Due, ServiceClock, next_due, start, taken
from engine.service_clocks import heard as told
from engine.service_runs import Happening, Mark
from engine.service_terms import EscalationLevel, Promise, Target
from tests.support.hours import STEP, any_hours, moments

HOUR = timedelta(hours=1)
LEVELS = (
    EscalationLevel(name="first", owner="team-lead"),
    EscalationLevel(name="second", owner="head-of-care", after=timedelta(minutes=30)),
)


def a_promise(
    target: Target = Target.FIRST_RESPONSE,
    within: timedelta = HOUR,
    *,
    name: str = "promise",
    channels: Sequence[str] = (),
    priorities: Sequence[str] = (),
    labels: Sequence[str] = (),
    tiers: Sequence[str] = (),
    warn_before: timedelta | None = timedelta(minutes=15),
    escalation: Sequence[EscalationLevel] = LEVELS,
    pauses: bool = True,
    bots_count: bool = False,
) -> Promise:
    """A promise of an hour, with two levels of escalation."""
    return Promise(
        name=name,
        target=target,
        within=within,
        hours="care",
        channels=tuple(channels),
        priorities=tuple(priorities),
        labels=tuple(labels),
        tiers=tuple(tiers),
        warn_before=warn_before,
        escalation=tuple(escalation),
        pauses=pauses,
        bots_count=bots_count,
    )


@st.composite
def promises(draw: st.DrawFn) -> Promise:
    """Any promise, in quarters of an hour."""
    quarters = draw(st.integers(2, 60))
    warning = st.none() | st.integers(1, quarters - 1).map(lambda found: found * STEP)
    return a_promise(
        draw(st.sampled_from(Target)),
        quarters * STEP,
        warn_before=draw(warning),
        escalation=LEVELS[: draw(st.integers(0, 2))],
        pauses=draw(st.booleans()),
        bots_count=draw(st.booleans()),
    )


def clocks() -> st.SearchStrategy[ServiceClock]:
    """Clocks that have just started, near something odd."""
    return st.builds(start, promises(), any_hours(), moments())


@dataclass(frozen=True, slots=True)
class Story:
    """A clock, what will happen to it, and a moment after all of that."""

    clock: ServiceClock
    marks: tuple[Mark, ...]
    end: datetime

    @property
    def told(self) -> ServiceClock:
        """The clock that knows all of it."""
        return told(self.clock, *self.marks)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Anything that can happen within some days, in order of time."""
    clock = draw(clocks())
    marks = draw(
        st.lists(
            st.builds(
                Mark,
                st.integers(0, 250).map(lambda quarter: clock.started + quarter * STEP),
                st.sampled_from(Happening),
                st.sampled_from("ab"),
            ),
            max_size=8,
        )
    )
    ordered = sorted(set(marks), key=lambda mark: (mark.at, list(Happening).index(mark.what)))
    return Story(clock, tuple(ordered), clock.started + draw(st.integers(0, 300)) * STEP)


def steps_taken(story: Story, looks: Sequence[datetime] = ()) -> list[Due]:
    """What a journey with one timer does, that also wakes up at `looks`; `at` is when it does."""
    clock, now, found = story.clock, story.clock.started, list[Due]()
    every = {mark.at for mark in story.marks} | set(looks) | {story.end}
    for moment in sorted(at for at in every if at <= story.end):
        while (due := next_due(clock, now)) and due.at < moment:
            now = max(now, due.at)
            assert next_due(clock, now) == due, "it is looked at again when the timer fires"
            found.append(replace(due, at=now))
            clock = taken(clock, due)
        now = moment
        clock = told(clock, *(mark for mark in story.marks if mark.at == moment))
        while (due := next_due(clock, now)) and due.at <= now:
            found.append(replace(due, at=now))
            clock = taken(clock, due)
    return found


@dataclass(slots=True)
class Watched:
    """A case that somebody watches from the start of its clock, quarter by quarter of an hour.

    `used` counts while the promise is open, `aside` what would count had it not been resolved.
    """

    clock: ServiceClock
    open: bool = False
    waiting: bool = False
    responded: bool = False
    used: timedelta = timedelta()
    aside: timedelta = timedelta()
    deadline: datetime | None = None
    ended: datetime | None = None

    def __post_init__(self) -> None:
        self.open = self.clock.promise.target is not Target.NEXT_RESPONSE

    def see(self, mark: Mark) -> None:
        """Something happens."""
        target, speaks = self.clock.promise.target, mark.what in _CUSTOMER_SPEAKS
        self.waiting &= not (speaks or mark.what is Happening.RESOLVED)
        self.waiting |= self.clock.promise.pauses and mark.what is Happening.WAITING
        if mark.what in _fulfils(self.clock.promise):
            self.ended = mark.at if self.open else self.ended
            self.open, self.responded = False, True
        elif target is Target.NEXT_RESPONSE and speaks and self.responded and not self.open:
            self.open, self.used, self.deadline, self.ended = True, timedelta(), None, None
        elif target is Target.TOTAL_RESOLUTION and mark.what is Happening.REOPENED:
            self.open, self.ended = True, None
            self.used, self.aside = self.used + self.aside, timedelta()

    def wait(self, at: datetime) -> None:
        """A quarter of an hour goes by, from `at` on."""
        if self.waiting or not is_open(self.clock.hours, at):
            return
        if self.open:
            self.used += STEP
        elif self.clock.promise.target is Target.TOTAL_RESOLUTION:
            self.aside += STEP
        if self.used + self.aside >= self.clock.promise.within:
            self.deadline = self.deadline or at + STEP

    def state(self) -> ClockState:
        """What it is now."""
        promise = self.clock.promise
        if not self.open and self.ended is None:
            return ClockState.IDLE
        if self.ended is not None:
            late = self.deadline is not None and self.ended > self.deadline
            return ClockState.MISSED if late else ClockState.MET
        if self.deadline is not None:
            return ClockState.BREACHED
        if self.waiting:
            return ClockState.PAUSED
        warned = promise.warn_before and self.used >= promise.within - promise.warn_before
        return ClockState.DUE_SOON if warned else ClockState.RUNNING


_CUSTOMER_SPEAKS = (Happening.CUSTOMER_ANSWERED, Happening.REOPENED)


def _fulfils(promise: Promise) -> set[Happening]:
    found = {Happening.RESOLVED}
    if promise.target in (Target.FIRST_RESPONSE, Target.NEXT_RESPONSE):
        found.add(Happening.HUMAN_REPLIED)
        if promise.bots_count:
            found.add(Happening.BOT_REPLIED)
    return found


def watched(story: Story) -> Watched:
    """The story seen by looking all the time."""
    case, at = Watched(story.clock), story.clock.started
    while True:
        for mark in story.marks:
            if mark.at == at:
                case.see(mark)
        if at >= story.end:
            return case
        case.wait(at)
        at += STEP
