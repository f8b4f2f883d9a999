"""POST /v1/decisions: what it does; api/front.py is how it is reached."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import APIRouter, Request, Response

from api.contract import body_schema, reply
from api.decision_reply import DecisionReply, render
from api.metrics import Metrics
from api.parsing import refuse_unless_json
from api.questions import DecisionRequest, Questions, known_as
from engine.catalog import Bundle
from engine.errors import UnknownChannel
from engine.live import Answer, Ask


class Decider(Protocol):
    """Gathers, decides, commits."""

    async def decide(self, ask: Ask) -> Answer: ...


class Customers(Protocol):
    """Knows customers by their names outside and by their reference inside."""

    async def resolve(self, name: str | tuple[str, str]) -> str: ...

    async def external(self, customers: Sequence[str]) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The routes of decisions."""

    decider: Decider
    customers: Customers
    bundle: Callable[[], Bundle]
    metrics: Metrics
    questions: Questions = field(default_factory=Questions)

    async def answer(self, raw: bytes, arrived: float) -> bytes:
        """One decision, JSON to JSON; its deadline counts from `arrived`, of time.perf_counter().

        Raises MalformedJson, InvalidInput, UnknownChannel, RequestIdReused, Unavailable.
        """
        customer, question = self.questions.read(raw)
        channels = self.bundle().channels
        if question.channel not in channels:
            raise UnknownChannel(
                f"There is no channel {question.channel!r}; there are {', '.join(channels)}."
            )
        reference = await self.customers.resolve(known_as(customer))
        waited_ms = int((time.perf_counter() - arrived) * 1000)
        answer = await self.decider.decide(question.of(reference, waited_ms))
        told = render(customer, answer.decision, answer.took_ms, explain=question.explain)
        self.metrics.decisions.add(
            answer.decision.level,
            question.channel,
            time.perf_counter() - arrived,
            answer.timings,
        )
        return told

    async def create(self, request: Request) -> Response:
        """Decide what to say to one customer in one place, now."""
        arrived = time.perf_counter()
        refuse_unless_json(request.headers.get("content-type", ""))
        told = await self.answer(await request.body(), arrived)
        return Response(told, media_type="application/json")

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["decisions"])
        router.add_api_route(
            "/v1/decisions",
            self.create,
            methods=["POST"],
            response_class=Response,
            responses=reply(DecisionReply),
            openapi_extra=body_schema(DecisionRequest),
        )
        return router
