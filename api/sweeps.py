"""POST /v1/journeys:intervene: the same intervention in many journeys, a line for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from api.contract import body_schema, reply
from api.errors import InvalidField
from api.interventions import Desk, InterventionRequest, key_for, order_of
from api.journeys import Attention, Customers, Days, Line, Visibility, Word, Words
from api.parsing import CustomerName, read_model
from api.questions import known_as
from engine.errors import JourneysUnavailable, TactfulError
from workflows.orders import Act, Intervention
from workflows.searches import STUCK_DAYS, Search, View

NDJSON = "application/x-ndjson"
AT_ONCE = 16
"""How many journeys of one call are spoken to at the same time."""
PAGE = 1_000
WHICH = ("customer", "kind", "stage", "owner", "attention", "view")


class SweepRequest(InterventionRequest):
    """What is wanted of which journeys, all of them running.

    Without anything that narrows it, `all` has to be true. `dry_run` only counts.
    """

    act: Annotated[Act, Field(strict=False)]
    customer: CustomerName | None = None
    kind: Word | None = None
    stage: Words | None = None
    owner: Line | None = None
    attention: Attention | None = None
    view: Annotated[View, Field(strict=False)] | None = None
    days: Days = STUCK_DAYS
    all: bool = False
    dry_run: bool = False


class SweepCounts(BaseModel):
    """How many journeys there were, and in how many it was done or not."""

    journeys: int
    done: int
    refused: int


class SweepLine(BaseModel):
    """One journey: in which stage it is then, or why it was not done. The last line has counts."""

    id: str | None = None
    done: bool | None = None
    stage: str | None = None
    code: str | None = None
    because: str | None = None
    counts: SweepCounts | None = None


class Sweep:
    """One intervention in many journeys, some at the same time."""

    def __init__(self, desk: Desk, order: Intervention, key: str | None) -> None:
        self._desk = desk
        self._order = order
        self._key = key
        self._done = self._refused = self._unanswered = 0

    async def lines(self, journeys: Sequence[str]) -> AsyncGenerator[bytes]:
        """A line for each journey as it is done, then the counts."""
        rest = iter(journeys)
        waiting = set(self._begun(rest, AT_ONCE))
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                waiting |= set(self._begun(rest, len(done)))
                for task in done:
                    yield orjson.dumps(task.result()) + b"\n"
        finally:  # whoever asked may be gone
            for task in waiting:
                task.cancel()
        counts = {"journeys": len(journeys), "done": self._done, "refused": self._refused}
        yield orjson.dumps({"counts": counts}) + b"\n"

    def _begun(self, rest: Iterator[str], most: int) -> Iterator[asyncio.Task[dict[str, Any]]]:
        return (asyncio.create_task(self._line(journey)) for journey in islice(rest, most))

    async def _line(self, journey: str) -> dict[str, Any]:
        try:
            stage = await self._stage_of(journey)
        except TactfulError as error:
            self._refused += 1
            return {"id": journey, "done": False, "code": error.code, "because": str(error)}
        self._done += 1
        return {"id": journey, "done": True, "stage": stage}

    async def _stage_of(self, journey: str) -> str:
        """The stage after the intervention. Where nobody answers, not all are waited for."""
        if self._unanswered >= AT_ONCE:
            raise JourneysUnavailable(f"not tried: {self._unanswered} before it did not answer")
        try:
            progress = await self._desk.intervene(journey, self._order, self._key)
        except JourneysUnavailable:
            self._unanswered += 1
            raise
        except TactfulError:
            self._unanswered = 0
            raise
        self._unanswered = 0
        return progress.stage


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRoutes:
    """The route of interventions in many journeys."""

    desk: Desk
    visibility: Visibility
    customers: Customers
    now: Callable[[], datetime]

    async def intervene(self, request: Request) -> Response:
        """Intervene in all running journeys that a search finds; a line for each, then counts.

        Repeating it is safe with a `request_id`: each journey does it once. A journey that refuses,
        or that nobody runs, says so on its own line and stops no other.
        """
        asked = await read_model(request, SweepRequest, "an intervention in many journeys")
        refuse_unless_narrowed(asked)
        order = order_of(asked.act, asked)
        journeys = await self._found(await self._search(asked))
        if asked.dry_run:
            counts = {"journeys": len(journeys), "done": 0, "refused": 0}
            return Response(orjson.dumps({"counts": counts}) + b"\n", media_type=NDJSON)
        sweep = Sweep(self.desk, order, key_for(asked, order))
        return StreamingResponse(sweep.lines(journeys), media_type=NDJSON)

    async def _search(self, asked: SweepRequest) -> Search:
        customer = asked.customer
        reference = await self.customers.resolve(known_as(customer)) if customer else None
        return Search(
            kind=asked.kind,
            stage=asked.stage,
            customer=reference,
            owner=asked.owner,
            attention=asked.attention,
            open=True,
            view=asked.view,
            days=asked.days,
        )

    async def _found(self, search: Search) -> list[str]:
        """The ids, all before the first is touched: what is done to one may change the search."""
        query, token = search.query(self.now()), b""
        found: dict[str, None] = {}
        while True:
            runs, token = await self.visibility.page(query, PAGE, token)
            found |= dict.fromkeys((run.id for run in runs), None)
            if not token:
                return list(found)

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["journeys"])
        router.add_api_route(
            "/v1/journeys:intervene",
            self.intervene,
            methods=["POST"],
            response_class=Response,
            responses=reply(SweepLine, kind=NDJSON),
            openapi_extra=body_schema(SweepRequest),
        )
        return router


def refuse_unless_narrowed(asked: SweepRequest) -> None:
    """Raises InvalidField for what might be meant for some, or for all."""
    narrowed = [name for name in WHICH if getattr(asked, name) is not None]
    if asked.all and narrowed:
        raise InvalidField(f"all says that nothing narrows it, but {narrowed[0]} does.")
    if not asked.all and not narrowed:
        raise InvalidField(f"Say which journeys by {', '.join(WHICH)}; or all: true for every one.")
