"""The life of a journey: what opens it, what it hears and carries along, how it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.business_hours import BusinessHours
from engine.catalog import HoldTerms
from engine.service_terms import Promise
from engine.types import Hold, Scalar
from workflows.clock import JourneyClock
from workflows.offers import Proposal, SentStatus
from workflows.orders import Intervention, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event as a journey hears it.

    `key` is made from source and id; `seq` is its journal position, 0 if it has none.
    """

    key: str
    type: str
    at: datetime
    seq: int = 0
    data: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])

    def text(self, name: str) -> str:
        """A value of the event's data as text, empty when it is not there."""
        value = self.data.get(name)
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """Something that should be reached by `due`; `owner` acts when it slips.

    `metric` says by what it is seen to be reached.
    """

    name: str
    owner: str
    due: datetime
    reached: datetime | None = None
    metric: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """An event whose handling failed, and why. A retry hears it again."""

    heard: Heard
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A wait whose deadline an operator moved from `planned` to `until`."""

    what: str
    planned: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A message that was refused or failed, as its step wanted it sent."""

    step: str
    proposal: Proposal
    patience: timedelta
    status: SentStatus = SentStatus.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What operators and faults have left behind, for as long as the journey lives.

    `reassigned` names the stage whose owner an operator chose, `level` is how often it was
    escalated, `awaited_by` names the journeys that wait for the end of this one, `heeded` are the
    keys of the latest interventions, `instead` says which action is to be said next.
    """

    paused: Intervention | None = None
    reassigned: str = ""
    level: int = 0
    extensions: tuple[Extension, ...] = ()
    failed: Failed | None = None
    aside: tuple[SetAside, ...] = ()
    holds: tuple[Hold, ...] = ()
    awaited_by: tuple[str, ...] = ()
    heeded: tuple[str, ...] = ()
    instead: Intervention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a long journey takes along when it continues as new; `state` is its own, as JSON."""

    state: str
    seen: tuple[str, ...]
    waiting: tuple[Heard, ...]
    highest_seq: int
    steps: Mapping[str, int]
    milestones: tuple[Milestone, ...]
    stage: str
    owner: str
    since: datetime
    words: tuple[str, ...]
    before: str = ""
    kept: Kept = Kept()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The input of every journey, and all it needs: a new bundle never changes a running journey.

    `journey` is the workflow id, `event` what opened it, `name` what tells it from others of its
    kind, `terms` those of the holds it places. `openers` are the events that would open it again.
    `business_hours`, by name, know the holidays of this year and the next; `promises` are the
    service times that hold for its case.
    """

    customer: str
    kind: str
    journey: str
    clock: JourneyClock
    event: Heard
    terms: HoldTerms | None = None
    history_events_maximum: int = 8_000
    carried: Carried | None = None
    name: str = ""
    openers: tuple[str, ...] = ()
    business_hours: Mapping[str, BusinessHours] = field(default_factory=dict[str, BusinessHours])
    promises: tuple[Promise, ...] = ()

    @property
    def title(self) -> str:
        """What people call this journey: `Complaint 4711`."""
        named = self.name or self.event.text("case") or self.event.text("due")[:10]
        return f"{self.kind.capitalize().replace('-', ' ')} {named}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a journey ended, and why; `gaps` names what is open, each with owner and reason."""

    ended: str
    because: str
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a journey stands, as its query answers it.

    `paused` names who paused it and why, `task` is the question that it asks a person, `aside` says
    which events were set aside and why.
    """

    stage: str
    owner: str
    waiting_for: str
    due: datetime | None
    words: tuple[str, ...]
    milestones: tuple[Milestone, ...] = ()
    paused: str = ""
    task: Task | None = None
    aside: tuple[str, ...] = ()


def journey_id(kind: str, customer: str, name: str = "") -> str:
    """The workflow id of a journey.

    >>> journey_id("complaint", "c1", "4711")
    'complaint:c1:4711'
    """
    return ":".join(part for part in (kind, customer, name) if part)


def key_of(*parts: object) -> str:
    """A short key that stands for these, such as the source and id of an event."""
    name = "\n".join(str(part) for part in parts)
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
