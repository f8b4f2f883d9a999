"""Where an inquiry stands: who said what when, and what its service clocks make of that. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from engine.service_clocks import Step
from engine.service_runs import Happening, Mark
from engine.service_terms import EscalationLevel, Promise, Target
from workflows.service_clocks import Clocks, Tick

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
class Talk:
    """A conversation. `asked` is when the customer wrote last, `answered` when a person did.

    `told` is the opening that the customer was told of outside business hours, `apologised` whether
    a slipped promise was owned up to, `asked_how` whether we asked how it was.
    """

    clocks: Clocks
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

    def ticked(self, tick: Tick) -> Talk:
        """With that step of a clock taken."""
        alarm = max(self.alarm, _ALARMS[tick.due.step], key=_FROM_BAD_TO_WORSE.index)
        return replace(self, clocks=self.clocks.taken(tick), alarm=alarm)

    def given_up(self, tick: Tick, now: datetime) -> bool:
        """Whether every level has been asked for a reply, in vain."""
        last = self.clocks.is_last(tick, now) and tick.due.step is not Step.WARN
        return last and tick.promise.target in RESPONSES and not self.booked

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
        first = self.clocks.reading(Target.FIRST_RESPONSE, now)
        return first.deadline if first else None

    def _marked(self, *marks: Mark) -> Talk:
        return replace(self, clocks=self.clocks.heard(*marks))


_ALARMS = {
    Step.WARN: Alarm.SOON,
    Step.BREACH: Alarm.LATE,
    Step.ESCALATE: Alarm.ESCALATED,
}
_FROM_BAD_TO_WORSE = tuple(Alarm)


def is_resolving(said: str) -> bool:
    """Whether an event says that all is solved."""
    return said.lower() == "true"
