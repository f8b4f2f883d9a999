"""The floor: a FastAPI route that speaks the decision contract and decides nothing."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A part of a request: unknown fields are refused, as the contract says."""

    model_config = ConfigDict(extra="forbid")


class PlacementAsked(Strict):
    """A place for offers."""

    name: str = "main"
    limit: int = 1


class DecisionAsked(Strict):
    """The request of POST /v1/decisions."""

    customer: str
    channel: str
    placements: list[PlacementAsked] = Field(default_factory=lambda: [PlacementAsked()])
    context: dict[str, Any] = Field(default_factory=dict[str, Any])
    deadline_ms: int = 50
    explain: bool = False
    dry_run: bool = False
    request_id: str | None = None


class OfferMade(BaseModel):
    """An offer in a reply."""

    action: str
    treatment: str
    purpose: str
    tags: list[str]
    group: str
    rank: int
    propensity: float
    priority: float
    content: dict[str, str]


class DecisionMade(BaseModel):
    """The reply of POST /v1/decisions."""

    decision_id: str
    customer: str
    at: str
    level: str
    because: list[str]
    placements: dict[str, list[OfferMade]]
    holds: list[dict[str, Any]]
    bundle: str
    took_ms: float


def offer(number: int, rank: int, propensity: float) -> OfferMade:
    """An offer of the usual size."""
    return OfferMade(
        action=f"action-{number}",
        treatment=f"action-{number}.web",
        purpose="sales",
        tags=["commercial"],
        group="internet",
        rank=rank,
        propensity=propensity,
        priority=propensity,
        content={"headline": "A short headline", "body": "One sentence of text, as on a page."},
    )


def reply(asked: DecisionAsked, offers: list[OfferMade]) -> DecisionMade:
    """The first offers for every placement, in the shape of the contract."""
    return DecisionMade(
        decision_id="0" * 26,
        customer=asked.customer,
        at="2026-01-01T00:00:00+00:00",
        level="full",
        because=[],
        placements={place.name: offers[: place.limit] for place in asked.placements},
        holds=[],
        bundle="sha256:0",
        took_ms=0.0,
    )


app = FastAPI()
OFFERS = [offer(number, number + 1, 0.1) for number in range(3)]


@app.post("/v1/decisions")
async def decide(asked: DecisionAsked) -> DecisionMade:
    """Always the same offers."""
    return reply(asked, OFFERS)
