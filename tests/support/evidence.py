"""What is on record of a month: the provider's ledger, the journal, the decisions, Temporal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.ledger.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event as its sender saw it: when it was sent first and acknowledged, in wall time."""

    id: str
    sent: float
    acknowledged: float
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A reply to a customer or an agent; `commercial` are the actions in it that sell."""

    customer: str
    sent: float
    commercial: tuple[str, ...]
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt as the provider noted it, in wall time, and the status that it answered."""

    at: float
    message_id: str
    journey: str
    step: str
    customer: str
    action: str
    commercial: bool
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A worker was killed, in wall time."""

    at: float
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEvent:
    """An accepted event, in the stack's time."""

    seq: int
    id: str
    type: str
    customer: str
    at: datetime
    state: str
    case: str = ""
    journeys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalMessage:
    """What the ledger says became of a message."""

    message_id: str
    journey: str
    step: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHold:
    """A hold as the journal has it; `in_force`: it is in the live state too."""

    customer: str
    id: str
    owner: str
    state: str
    since: datetime
    because: str
    in_force: bool
    ended_at: datetime | None = None
    ended_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision of the log: for a reply or for a step of a journey, in the stack's time."""

    id: str
    customer: str
    at: datetime
    commercial: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a journey as Temporal has it; `failures` are those of its workflow tasks."""

    journey: str
    kind: str
    run_id: str
    status: str
    started: datetime
    closed: datetime | None = None
    attention: str = ""
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it. `looked` is when open journeys were last looked at, in wall time; `restless` are
    those that were never seen to wait for something, and how they stood; `lost_on_purpose` are
    those that somebody terminated; `complaints_of_workers` are lines of their logs.
    """

    clock: Clock
    began: float
    looked: float
    ended: float
    told: tuple[Told, ...] = ()
    answered: tuple[Answered, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    kills: tuple[Kill, ...] = ()
    events: tuple[JournalEvent, ...] = ()
    messages: tuple[JournalMessage, ...] = ()
    holds: tuple[JournalHold, ...] = ()
    decisions: tuple[Decided, ...] = ()
    runs: tuple[Run, ...] = ()
    waiting: Mapping[str, str] = field(default_factory=dict[str, str])
    restless: Mapping[str, str] = field(default_factory=dict[str, str])
    lost_on_purpose: frozenset[str] = frozenset()
    complaints_of_workers: tuple[str, ...] = ()

    def at(self, wall: float) -> datetime:
        """The stack's time at a wall time."""
        return self.clock.at(wall)

    @property
    def days(self) -> float:
        """How many days of the stack have passed."""
        return (self.at(self.ended) - self.at(self.began)).total_seconds() / 86_400


def is_commercial(told: Mapping[str, Any]) -> bool:
    """Whether an offer or a message sells."""
    return told["purpose"] == "sales" or "commercial" in told["tags"]
