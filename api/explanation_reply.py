"""What explanations look like outside: their schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine.comparison import Changes
from engine.earliest import Earliest
from engine.grid import Grid
from engine.record import Seal
from engine.replay import Difference
from engine.settings import Change
from engine.silenced import Silence
from engine.types import Drop
from engine.why_not import Rival


class DecisionRecord(BaseModel):
    """All that was recorded with a decision, in words, as a grid, and as it is.

    `seal` says whether the record is what was written; one that can't be read any more says nothing
    but that.
    """

    model_config = ConfigDict(extra="allow")

    decision_id: str
    customer: str
    seal: Seal
    words: list[str]
    grid: Grid | None
    request: dict[str, Any] | None
    snapshot: dict[str, Any] | None
    decision: dict[str, Any] | None


class ScoresShown(BaseModel):
    """The recorded scores against those that the models give again."""

    compared: int
    largest_difference: float | None
    because: list[str]


class ReplayReply(BaseModel):
    """A decision made again: the same, or what differs.

    Under its own bundle `identical` means byte for byte; under another, that nothing changes.
    """

    decision_id: str
    bundle: str
    own: bool
    identical: bool
    sealed: bool
    seal: Seal
    differences: list[Difference]
    scores: ScoresShown | None
    changes: Changes | None
    words: list[str]


class WhyNotReply(BaseModel):
    """Why an action is not offered, what would let it win, and when it becomes possible."""

    customer: str
    at: datetime
    action: str
    channel: str
    status: str
    journeys_only: bool
    by_chance: bool
    stopped_by: list[Drop]
    outranked_by: list[Rival]
    priority: float | None
    smallest: list[Change] | None
    alternatives: list[list[Change]]
    earliest: Earliest
    words: list[str]


class SilencedReply(BaseModel):
    """What may not be said to a customer now, by channel and reason."""

    customer: str
    at: datetime
    reconciled: bool
    silenced: list[Silence]
