"""/v1/customers/{id}/timeline: what happened, in order, with the time and the way in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.contract import reply
from api.decision_reply import plain
from api.parsing import Segment
from engine.ledger.timeline import Moment
from engine.types import Scalar
from workflows.routing import heard


class MomentShown(BaseModel):
    """One thing that happened.

    `channel` is the way by which it came about, a page as well as a shop; `after_seconds` how long
    after the thing before it; `state` what became of it. Of an event `data` has what journeys may
    see: what people wrote stays in the journal.
    """

    at: datetime
    after_seconds: float | None
    what: str
    name: str
    channel: str
    state: str
    journey: str
    data: dict[str, Scalar]


class TimelineReply(BaseModel):
    """The latest things that happened, the oldest first; `more`: there were others before."""

    customer: str
    moments: list[MomentShown]
    more: bool


class TimelineAsked(BaseModel):
    """How far back."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[float, Field(gt=0, le=3_650)] = 90.0
    limit: Annotated[int, Field(ge=1, le=1_000)] = 200


class Names(Protocol):
    """Knows customers by their names outside."""

    async def resolve(self, name: str | tuple[str, str]) -> str: ...


class Past(Protocol):
    """What the journal remembers of a customer."""

    async def timeline(
        self, customer: str, since: datetime, limit: int
    ) -> tuple[Sequence[Moment], bool]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRoutes:
    """The one route."""

    names: Names
    past: Past
    now: Callable[[], datetime]

    async def read(self, customer: Segment, asked: Annotated[TimelineAsked, Query()]) -> Response:
        """Events, messages, outcomes, consents and holds of a customer, over all channels."""
        since = self.now() - timedelta(days=asked.days)
        reference = await self.names.resolve(customer)
        moments, more = await self.past.timeline(reference, since, asked.limit)
        told = {"customer": customer, "moments": _told(moments), "more": more}
        return Response(orjson.dumps(told, default=plain), media_type="application/json")

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["customers"])
        router.add_api_route(
            "/v1/customers/{customer}/timeline",
            self.read,
            response_class=Response,
            responses=reply(TimelineReply),
        )
        return router


def _told(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    before = [None, *(moment.at for moment in moments)]
    return [
        {
            "at": moment.at,
            "after_seconds": (moment.at - last).total_seconds() if last else None,
            "what": moment.what,
            "name": moment.name,
            "channel": moment.channel,
            "state": moment.state,
            "journey": moment.journey,
            "data": dict(heard(moment.event).data) if moment.event else {},
        }
        for moment, last in zip(moments, before, strict=False)
    ]
