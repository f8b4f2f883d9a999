"""POST /v1/events: what happened, accepted once its effect is in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.cloud_events import BATCHED, STRUCTURED, CloudEvent, read_events, subjects
from api.contract import REFERENCE, reply
from api.event_types import KNOWN, check_content
from api.metrics import Metrics
from api.parsing import media_type
from engine.catalog import Bundle
from engine.types import Event
from workflows.acceptance import Accepted

OTHER = "other"
"""The label of all unknown types: callers must not be able to make metrics grow."""


class EventSent(BaseModel):
    """CloudEvents 1.0. `subject` names the customer; extension attributes are welcome."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime | None = None
    datacontenttype: str | None = None
    data: dict[str, Any] = {}


class EventsReply(BaseModel):
    """What became of the events. With `routing` pending, holds are in force and journeys follow."""

    accepted: int
    duplicates: int
    journeys: list[str]
    routing: str


class Customers(Protocol):
    """Gives customers their reference, and keeps the name they came with, to show it again."""

    async def remember(self, external_id: str) -> str: ...


class Accepts(Protocol):
    """Takes checked events so that none is lost. Raises Unavailable; repeating is safe."""

    async def accept(self, events: Sequence[Event]) -> Accepted: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRoutes:
    """The route of events."""

    acceptance: Accepts
    customers: Customers
    bundle: Callable[[], Bundle]
    now: Callable[[], datetime]
    metrics: Metrics

    async def create(self, request: Request) -> Response:
        """Accept one CloudEvent, structured or binary, or a batch, which is checked whole first."""
        sent = read_events(media_type(request), request.headers, await request.body())
        for one in sent:
            check_content(one.type, one.content, self.bundle(), one.where)
        accepted = await self.acceptance.accept(await self.named_inside(sent))
        self.count(sent, accepted)
        told = {
            "accepted": accepted.accepted,
            "duplicates": accepted.duplicates,
            "journeys": accepted.journeys,
            "routing": "pending" if accepted.pending else "done",
        }
        return Response(orjson.dumps(told), 202, media_type="application/json")

    async def named_inside(self, sent: Sequence[CloudEvent]) -> list[Event]:
        """The events with their customers' references, and the stack's time."""
        names = subjects(sent)
        found = await asyncio.gather(*(self.customers.remember(name) for name in names))
        references = dict(zip(names, found, strict=True))
        now = self.now()
        return [
            Event(
                source=one.source,
                id=one.id,
                type=one.type,
                customer=references[one.subject],
                at=now,
                data=one.content,
            )
            for one in sent
        ]

    def count(self, sent: Sequence[CloudEvent], accepted: Accepted) -> None:
        """Count them by type; only a batch that mixes new and known ones is counted as such."""
        result = (
            "accepted" if not accepted.duplicates else "mixed" if accepted.accepted else "duplicate"
        )
        for one in sent:
            self.metrics.events.labels(one.type if one.type in KNOWN else OTHER, result).inc()

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["events"])
        router.add_api_route(
            "/v1/events",
            self.create,
            methods=["POST"],
            status_code=202,
            response_class=Response,
            responses=reply(EventsReply, 202),
            openapi_extra=_body(),
        )
        return router


def _body() -> dict[str, Any]:
    one = {"$ref": REFERENCE.format(model=EventSent.__name__)}
    content = {
        STRUCTURED: {"schema": one},
        BATCHED: {"schema": {"type": "array", "items": one}},
        "application/json": {"schema": {"type": "object", "description": "Binary mode: the data."}},
    }
    return {"requestBody": {"required": True, "content": content}}
