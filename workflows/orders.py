"""What operators may do to a running journey: each act has an author and a reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Act(StrEnum):
    """The interventions. Each is a Temporal update of every journey, by this name."""

    PAUSE = "pause"
    RESUME = "resume"
    SKIP = "skip"
    RETRY = "retry"
    REASSIGN = "reassign"
    EXTEND = "extend"
    ESCALATE = "escalate"
    CANCEL = "cancel"
    ANSWER = "answer"
    OVERRIDE = "override"
    NOTE = "note"


MEANINGS = {
    Act.PAUSE: "Stop before the next step; it still hears events, and its holds stay.",
    Act.RESUME: "Go on; what became due meanwhile happens now.",
    Act.SKIP: "End the current wait as if its time were over, or stop trying the current step.",
    Act.RETRY: "Send the last refused or failed message again, and hear what was set aside again.",
    Act.REASSIGN: "Another owner for the current stage: to.",
    Act.EXTEND: "Another deadline for the current wait: until.",
    Act.ESCALATE: "The next owner of the ladder, or to.",
    Act.CANCEL: "End it in good order: holds are released, and nobody waits for it.",
    Act.ANSWER: "Answer the question it asks: choice.",
    Act.OVERRIDE: "Say this action next, if the engine offers it: choice. Without: as it would.",
    Act.NOTE: "Add a remark.",
}
"""What each does, for people."""

TAKES = {
    Act.REASSIGN: "to",
    Act.ESCALATE: "to",
    Act.EXTEND: "until",
    Act.ANSWER: "choice",
    Act.OVERRIDE: "choice",
}
"""Which of `to`, `until` and `choice` an act has use for; all others have use for none."""

NEEDS = frozenset({Act.REASSIGN, Act.EXTEND, Act.ANSWER})
"""The acts that make no sense without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """What somebody wants done, and why.

    `to` is the owner after `reassign` or `escalate`, `until` the deadline after `extend`, `choice`
    the answer to a question, or the action that is said after `override`. `act` may be left out
    where an update is sent by its name. What has the same `key` happens once, however long the
    journey lives.
    """

    author: str
    because: str
    act: Act | None = None
    to: str = ""
    until: datetime | None = None
    choice: str = ""
    key: str = ""

    def named(self, act: Act) -> Intervention:
        """The same, as what it was sent as."""
        return replace(self, act=act)

    @property
    def signed(self) -> str:
        """Who, and why."""
        return f"{self.author} ({self.because})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A question that a person is asked; `default` counts if nobody answers in time."""

    question: str
    owner: str
    choices: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered; `in_time` is False for the default. `by` names who said it."""

    choice: str
    by: str = ""
    because: str = ""
    in_time: bool = True
