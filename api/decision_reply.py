"""What a decision looks like outside: the bytes of the reply, and its schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel

from api.parsing import Alias
from engine.types import Candidate, Decision, Hold, Offer


class HoldShown(BaseModel):
    """A hold that is in force, or was when a decision was made."""

    id: str
    purposes: list[str]
    tags: list[str]
    since: datetime
    until: datetime | None
    state: str
    because: str


class DecisionReply(BaseModel):
    """A decision. Nothing offered is a valid answer."""

    decision_id: str
    customer: str | Alias
    at: datetime
    level: str
    because: list[str]
    placements: dict[str, list[Offer]]
    holds: list[HoldShown]
    bundle: str
    took_ms: float
    candidates: list[Candidate] | None = None


def hold_shown(hold: Hold) -> dict[str, Any]:
    """A hold as the outside sees it; who owns it stays inside."""
    return {
        "id": hold.id,
        "purposes": hold.purposes,
        "tags": hold.tags,
        "since": hold.since,
        "until": hold.until,
        "state": hold.state,
        "because": hold.because,
    }


def render(customer: str | Alias, decision: Decision, took_ms: float, *, explain: bool) -> bytes:
    """The reply, with the customer named as the caller did."""
    told: dict[str, Any] = {
        "decision_id": decision.decision_id,
        "customer": customer
        if isinstance(customer, str)
        else {"type": customer.type, "id": customer.id},
        "at": decision.at,
        "level": decision.level,
        "because": decision.because,
        "placements": {
            name: [_offer_shown(offer) for offer in offers]
            for name, offers in decision.placements.items()
        },
        "holds": [hold_shown(hold) for hold in decision.holds],
        "bundle": decision.bundle,
        "took_ms": round(took_ms, 3),
    }
    if explain:
        told["candidates"] = decision.candidates
    return orjson.dumps(told, default=plain)


def _offer_shown(offer: Offer) -> dict[str, Any]:
    """An offer as it is; spelled out, since a slotted object takes three times as long to write."""
    return {
        "action": offer.action,
        "treatment": offer.treatment,
        "purpose": offer.purpose,
        "tags": offer.tags,
        "group": offer.group,
        "rank": offer.rank,
        "propensity": offer.propensity,
        "priority": offer.priority,
        "content": offer.content,
        "part_of": offer.part_of,
        "selection": offer.selection,
    }


def plain(value: object) -> object:
    """What orjson does not know by itself: any other kind of mapping."""
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise TypeError(f"{type(value).__name__} is not JSON")
