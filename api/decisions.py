"""POST /v1/decisions, and its batch."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, Field, StringConstraints

from api.contract import body_schema, reply
from api.decision_reply import DecisionReply, render
from api.errors import BROKEN_INSIDE, UnsupportedMediaType, problem, problem_of
from api.metrics import Metrics
from api.parsing import (
    Alias,
    Contract,
    CustomerName,
    Json,
    Name,
    check,
    is_json,
    media_type,
    read_json,
    read_model,
)
from engine.catalog import Bundle
from engine.errors import TactfulError, UnknownChannel
from engine.live import Answer, Ask
from engine.types import Placement

NDJSON = "application/x-ndjson"
NDJSON_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
AT_ONCE = 32
"""How many decisions of one batch are made at the same time."""

log = logging.getLogger("tactful.api")
WHAT = "a decision request"


class Decider(Protocol):
    """Gathers, decides, commits."""

    async def decide(self, ask: Ask) -> Answer: ...


class Customers(Protocol):
    """Knows customers by their names outside and by their reference inside."""

    async def resolve(self, name: str | tuple[str, str]) -> str: ...

    async def external(self, customers: Sequence[str]) -> Mapping[str, str]: ...


class PlacementAsked(Contract):
    """A place that takes up to `limit` offers."""

    name: Name = "main"
    limit: Annotated[int, Field(ge=1, le=50)] = 1


def _differently_named(placements: list[PlacementAsked]) -> list[PlacementAsked]:
    if len({placement.name for placement in placements}) < len(placements):
        raise ValueError("should have placements of different names")
    return placements


class DecisionRequest(Contract):
    """Who is asked about, where, and what is going on there."""

    customer: CustomerName
    channel: Name
    placements: Annotated[
        list[PlacementAsked],
        Field(min_length=1, max_length=20),
        AfterValidator(_differently_named),
    ] = Field(default_factory=lambda: [PlacementAsked()])
    context: Annotated[dict[Name, Json], Field(max_length=64)] = Field(
        default_factory=dict[str, Any]
    )
    deadline_ms: Annotated[int, Field(ge=1, le=10_000)] = 500
    explain: bool = False
    dry_run: bool = False
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None


def digest(asked: DecisionRequest) -> str:
    """What is compared when a `request_id` comes again: everything else in the request."""
    if asked.request_id is None:
        return ""
    rest = asked.model_dump(exclude={"request_id"})
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def known_as(customer: str | Alias) -> str | tuple[str, str]:
    """The name of a customer as the ledger takes it."""
    return customer if isinstance(customer, str) else (customer.type, customer.id)


def ask(asked: DecisionRequest, customer: str) -> Ask:
    """The question to the engine; `customer` is the reference."""
    return Ask(
        customer=customer,
        channel=asked.channel,
        placements=tuple(Placement(name=one.name, limit=one.limit) for one in asked.placements),
        context=asked.context,
        deadline_ms=asked.deadline_ms,
        explain=asked.explain,
        dry_run=asked.dry_run,
        request_id=asked.request_id,
        digest=digest(asked),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The routes of decisions."""

    decider: Decider
    customers: Customers
    bundle: Callable[[], Bundle]
    metrics: Metrics

    async def answer(self, asked: DecisionRequest) -> bytes:
        """One decision, as JSON. Raises UnknownChannel, RequestIdReused, Unavailable."""
        channels = self.bundle().channels
        if asked.channel not in channels:
            raise UnknownChannel(
                f"There is no channel {asked.channel!r}; there are {', '.join(channels)}."
            )
        customer = await self.customers.resolve(known_as(asked.customer))
        answer = await self.decider.decide(ask(asked, customer))
        self.metrics.decided(answer.decision.level, asked.channel, answer.took_ms)
        return render(asked.customer, answer.decision, answer.took_ms, explain=asked.explain)

    async def create(self, request: Request) -> Response:
        """Decide what to say to one customer in one place, now."""
        asked = await read_model(request, DecisionRequest, WHAT)
        return Response(await self.answer(asked), media_type="application/json")

    async def create_batch(self, request: Request) -> Response:
        """One decision a line, in order; what is refused is a problem on its own line."""
        kind = media_type(request)
        if kind not in NDJSON_TYPES and not is_json(kind):
            raise UnsupportedMediaType(f"Content-Type must be {NDJSON}; it is {kind or 'missing'}.")
        lines = (await request.body()).splitlines()
        return StreamingResponse(self.answers(lines), media_type=NDJSON)

    async def answers(self, lines: list[bytes]) -> AsyncIterator[bytes]:
        """The answer to each line that is not blank, in order, AT_ONCE in flight."""
        waiting: deque[asyncio.Task[bytes]] = deque()
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    waiting.append(asyncio.create_task(self.answer_line(number, line)))
                if len(waiting) >= AT_ONCE:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()

    async def answer_line(self, number: int, line: bytes) -> bytes:
        """One line of the answer: a decision, or a problem with the number of its line."""
        try:
            told = await self.answer(check(DecisionRequest, read_json(line), WHAT))
        except TactfulError as error:
            told = orjson.dumps({**problem_of(error), "line": number})
        except Exception:
            log.exception("line %d of a batch failed", number)
            broken = problem(500, "Internal error", TactfulError.code, BROKEN_INSIDE)
            told = orjson.dumps({**broken, "line": number})
        return told + b"\n"

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["decisions"])
        body = body_schema(DecisionRequest)
        router.add_api_route(
            "/v1/decisions",
            self.create,
            methods=["POST"],
            response_class=Response,
            responses=reply(DecisionReply),
            openapi_extra=body,
        )
        router.add_api_route(
            "/v1/decisions:batch",
            self.create_batch,
            methods=["POST"],
            response_class=Response,
            responses=reply(DecisionReply, kind=NDJSON),
            openapi_extra=body_schema(DecisionRequest, NDJSON),
        )
        return router
