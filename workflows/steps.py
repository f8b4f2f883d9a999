"""What journeys ask of the stack, by activity. Personal text never crosses Temporal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.types import Hold, JourneyState, Scalar
from workflows.clock import JourneyClock
from workflows.life import (
    Carried,
    Ending,
    Heard,
    Milestone,
    Opening,
    Progress,
)
from workflows.offers import (
    DecisionView,
    Dispatch,
    HeldBy,
    Proposal,
    Question,
    Sent,
    SentStatus,
)

__all__ = [
    "Carried",
    "DecisionView",
    "Desks",
    "DesksWanted",
    "Dispatch",
    "Ending",
    "Heard",
    "HeldBy",
    "HoldRelease",
    "JourneyEntry",
    "JourneyExit",
    "Milestone",
    "News",
    "Opening",
    "PlacedHold",
    "Progress",
    "Proposal",
    "Question",
    "Sent",
    "SentStatus",
    "SubJourney",
]

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
START_JOURNEY = "start_journey"
DESKS = "desks"

HOLD_PLACED = "hold.placed"
HOLD_RELEASED = "hold.released"
ASKED_FOR = "journey.asked_for"
"""What opens a journey that another one starts: `by`, and whatever that one says."""
AWAITED = "journey.awaited"
"""Another journey waits for the end of this one: `by`."""
ENDED = "journey.ended"
"""A journey that this one waits for has ended: `journey`, `ended`, `because`."""


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
class DesksWanted:
    """How busy these teams are, and who looks after an open complaint of this customer."""

    customer: str
    teams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """`busy`: how many journeys each team owns, as far as that is known.

    `complaint`: the owner of the customer's open complaint; empty without one.
    """

    busy: Mapping[str, int] = field(default_factory=dict[str, int])
    complaint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubJourney:
    """A journey that another one starts, or joins if it runs: `name` tells it from its like.

    `by` waits for its end, if `awaited`.
    """

    customer: str
    kind: str
    name: str
    by: str
    key: str
    clock: JourneyClock
    at: datetime
    awaited: bool = False
    data: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
