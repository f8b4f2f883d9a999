"""Where an inquiry stands: who said what when, and what its service clocks make of that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from engine.service_clocks import Due, ServiceClock, Step, heard, next_due, reading, taken
from engine.service_runs import Happening, Mark
from engine.service_terms import EscalationLevel, Promise, Target

RESPONSES = (Target.FIRST_RESPONSE, Target.NEXT_RESPONSE)

USUAL = Promise(
    name="first-response",
    target=Target.FIRST_RESPONSE,
    within=timedelta(minutes=60),
    hours="care",
    warn_before=timedelta(minutes=15),
    escalation=(EscalationLevel(name="lead", owner="care-lead"),),
)
"""For a bundle that promises nothing: nobody is left waiting all the same."""


class Alarm(StrEnum):
    """How bad it is that the customer still waits."""

    NONE = "open"
    SOON = "due soon"
    LATE = "late"
    ESCALATED = "escalated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The next step of one of the clocks: `place` says of which."""

    place: int
    due: Due


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A conversation. `asked` is when the customer wrote last, `answered` when a person did.

    `told` is the opening that the customer was told of outside business hours, `apologised` whether
    a slipped promise was owned up to, `asked_how` whether we asked how it was.
    """

    clocks: tuple[ServiceClock, ...]
    asked: datetime
    answered: datetime | None = None
    resolved: datetime | None = None
    told: datetime | None = None
    alarm: Alarm = Alarm.NONE
    apologised: bool = False
    booked: bool = False
    asked_how: bool = False

    @property
    def owed(self) -> bool:
        """Whether the customer waits for a person."""
        return self.answered is None or self.answered < self.asked

    @property
    def spoken(self) -> datetime:
        """When the latest word was said."""
        return max(self.asked, self.answered or self.asked)

    def next_tick(self, now: datetime) -> Tick | None:
        """What the clocks ask for next, now or later."""
        found = [
            Tick(place=place, due=due)
            for place, clock in enumerate(self.clocks)
            if (due := next_due(clock, now)) is not None
        ]
        return min(found, key=lambda tick: (tick.due.at, tick.place), default=None)

    def ticked(self, tick: Tick) -> Talk:
        """With that step taken."""
        clocks = list(self.clocks)
        clocks[tick.place] = taken(clocks[tick.place], tick.due)
        alarm = max(self.alarm, _ALARMS[tick.due.step], key=_FROM_BAD_TO_WORSE.index)
        return replace(self, clocks=tuple(clocks), alarm=alarm)

    def given_up(self, tick: Tick, now: datetime) -> bool:
        """Whether every level has been asked for a reply, in vain."""
        clock = self.clocks[tick.place]
        last = next_due(clock, now) is None and tick.due.step is not Step.WARN
        return last and clock.promise.target in RESPONSES and not self.booked

    def wrote(self, at: datetime, key: str) -> Talk:
        """The customer wrote: at first, once more, or after all seemed to be solved."""
        what = Happening.CUSTOMER_ANSWERED if self.resolved is None else Happening.REOPENED
        marked = self._marked(Mark(at, what, key))
        return replace(marked, asked=max(self.asked, at), resolved=None)

    def replied(self, at: datetime, key: str) -> Talk:
        """A person replied: now it is the customer's turn."""
        marks = (Mark(at, Happening.HUMAN_REPLIED, key), Mark(at, Happening.WAITING, key))
        answered = max(self.answered or at, at)
        done = replace(self._marked(*marks), answered=answered)
        return done if done.owed else replace(done, alarm=Alarm.NONE)

    def replied_by_bot(self, at: datetime, key: str) -> Talk:
        """A bot replied, which no promise of a human reply is kept by."""
        return self._marked(Mark(at, Happening.BOT_REPLIED, key))

    def solved(self, at: datetime) -> Talk:
        """Nothing is owed any more."""
        return replace(self._marked(Mark(at, Happening.RESOLVED)), resolved=at)

    def deadline(self, now: datetime) -> datetime | None:
        """By when the first reply was promised."""
        return reading(self.clocks[0], now).deadline

    def _marked(self, *marks: Mark) -> Talk:
        return replace(self, clocks=tuple(heard(clock, *marks) for clock in self.clocks))


_ALARMS = {
    Step.WARN: Alarm.SOON,
    Step.BREACH: Alarm.LATE,
    Step.ESCALATE: Alarm.ESCALATED,
}
_FROM_BAD_TO_WORSE = tuple(Alarm)


def is_resolving(said: str) -> bool:
    """Whether an event says that all is solved."""
    return said.lower() == "true"


def first_of(promises: Sequence[Promise]) -> tuple[Promise, ...]:
    """The promises, that of a first reply at their head."""
    if not any(one.target is Target.FIRST_RESPONSE for one in promises):
        return (USUAL, *promises)
    return tuple(sorted(promises, key=lambda one: one.target is not Target.FIRST_RESPONSE))
