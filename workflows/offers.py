"""What a journey asks of the engine and what it sends: questions, proposals, messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engine.types import JourneyState, Level, Offer, Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a step asks of the engine. `step` is its key: asked twice, it is answered once.

    `standing` is where the journey stands now, if decisions do not know that yet.
    """

    step: str
    customer: str
    journey: str
    channel: str
    at: datetime
    purposes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    context: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    limit: int = 1
    standing: JourneyState | None = None


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
    """A decision as a journey sees it: small, since it stays in the history.

    `instead` is the action that an operator wants said, whatever the step would say.
    """

    decision_id: str
    level: Level
    because: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    holds: tuple[HeldBy, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    instead: str = ""

    def proposal(self, action: str | None = None) -> Proposal | None:
        """The best proposal, or the one for this action."""
        action = self.instead or action
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
