"""A question as a door puts it, and the engine's request that becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.frozen import maker
from engine.ledger import ids
from engine.types import Placement, Request

_request = maker(Request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question as a door puts it.

    `deadline_ms` is how long the answer may take: reading that takes more than its share is given
    up (an answer without live state), scoring stops in time (level `partial`). `digest` names the
    body that came with `request_id`; `at` overrides the clock; `journey` is the id of the journey
    that asks.
    """

    customer: str
    channel: str
    placements: tuple[Placement, ...] = (Placement(),)
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    purposes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    deadline_ms: int = 1_000
    explain: bool = False
    dry_run: bool = False
    request_id: str | None = None
    digest: str = ""
    at: datetime | None = None
    journey: str = ""


def request_of(ask: Ask, now: datetime, superseded: bool = False) -> Request:
    """The engine's request for a question, with a new id and seed."""
    return _request(
        decision_id=ids.decision_id(now, ask.customer),
        customer=ask.customer,
        channel=ask.channel,
        now=now,
        seed=ids.seed(),
        placements=ask.placements,
        context=ask.context,
        purposes=ask.purposes,
        tags=ask.tags,
        journey=ask.journey,
        explain=ask.explain,
        superseded=superseded,
    )
