"""What crosses Temporal: what a journey hears, asks, sends and tells. Never personal text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engine.catalog import HoldTerms
from engine.types import Hold, JourneyState, Level, Offer, Scalar
from workflows.clock import JourneyClock

EVENT = "event"
"""The one signal of every journey."""

DECIDE = "decide"
SEND = "send"
HOLDS = "holds"
PLACE_HOLD = "place_hold"
RELEASE_HOLD = "release_hold"
PUT_JOURNEY = "put_journey"
DROP_JOURNEY = "drop_journey"
TELL = "tell"

HOLD_PLACED = "hold.placed"
HOLD_RELEASED = "hold.released"


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
    """Something that should be reached by `due`; `owner` acts when it slips."""

    name: str
    owner: str
    due: datetime
    reached: datetime | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The input of every journey, and all it needs: a new bundle never changes a running journey.

    `journey` is the workflow id, `event` what opened it, `terms` those of the holds it places.
    """

    customer: str
    kind: str
    journey: str
    clock: JourneyClock
    event: Heard
    terms: HoldTerms | None = None
    history_events_maximum: int = 8_000
    carried: Carried | None = None

    @property
    def title(self) -> str:
        """What people call this journey: `Complaint 4711`."""
        named = self.event.text("case") or self.event.text("due")[:10]
        return f"{self.kind.capitalize()} {named}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a journey ended, and why; `gaps` names what is open, each with owner and reason."""

    ended: str
    because: str
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a step asks of the engine. `step` is its key: asked twice, it is answered once."""

    step: str
    customer: str
    journey: str
    channel: str
    at: datetime
    purposes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    context: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    limit: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One offer of a decision, ready to be sent on the channel it was made for."""

    offer: Offer
    channel: str
    decision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """A hold in force, as a journey needs it."""

    id: str
    purposes: tuple[str, ...]
    tags: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """A decision as a journey sees it: small, since it stays in the history."""

    decision_id: str
    level: Level
    because: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    holds: tuple[HeldBy, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict[str, float])

    def proposal(self, action: str | None = None) -> Proposal | None:
        """The best proposal, or the one for this action."""
        for proposal in self.proposals:
            if action is None or proposal.offer.action == action:
                return proposal
        return None


class SentStatus(StrEnum):
    """`refused`: a hold, consent or limit said no. `waits`: quiet hours, send it again when they
    are over. `unknown`: it may have arrived or not.
    """

    DELIVERED = "delivered"
    WAITS = "waits"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A message that a step wants sent. `message_id` is the same in every attempt."""

    message_id: str
    customer: str
    journey: str
    step: str
    at: datetime
    proposal: Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a message. A refusal says why, and until when where that is known."""

    status: SentStatus
    message_id: str
    reason: str = ""
    until: datetime | None = None

    @property
    def out(self) -> bool:
        """Whether the customer has it, or may have it, so that it must not be said again."""
        return self.status in (SentStatus.DELIVERED, SentStatus.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedHold:
    """A hold to place, or to place again: the same twice is the same once."""

    customer: str
    hold: Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRelease:
    """A hold to release, unless an event later than `up_to` has placed it again."""

    customer: str
    hold_id: str
    up_to: int
    by: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyEntry:
    """Where a journey stands, for the live state that decisions read."""

    customer: str
    state: JourneyState


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyExit:
    """A journey that has ended."""

    customer: str
    journey: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one journey tells all other running journeys of the customer."""

    customer: str
    teller: str
    news: Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a journey stands, as its query answers it."""

    stage: str
    owner: str
    waiting_for: str
    due: datetime | None
    words: tuple[str, ...]
    milestones: tuple[Milestone, ...] = ()
