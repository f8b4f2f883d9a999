"""POST /v1/decisions/{id}/outcomes: what came of a decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from api.contract import body_schema, reply
from api.metrics import Metrics
from api.parsing import Contract, Key, Segment, Time, read_model
from engine.ledger.outcomes import Outcome, Told

OutcomeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class OutcomeRequest(Contract):
    """What a customer did with a treatment: impression, click, accept, reject, later, convert, …"""

    treatment: Key
    outcome: OutcomeName
    id: Key
    at: Time | None = None
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None


class OutcomeReply(BaseModel):
    """Whether the outcome is new or was known already."""

    accepted: int
    duplicates: int
    exhausted: list[str] = []
    """The volumes that had nothing left: the offer had been kept for a while, and was answered too
    late."""


class Outcomes(Protocol):
    """Records outcomes, once per decision, treatment, outcome and id."""

    async def record_outcome(self, outcome: Outcome) -> Told: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRoutes:
    """The route of outcomes."""

    ledger: Outcomes
    now: Callable[[], datetime]
    metrics: Metrics

    async def create(self, decision_id: Segment, request: Request) -> Response:
        """Tell what came of a decision: once per decision, treatment, outcome and id."""
        asked = await read_model(request, OutcomeRequest, "an outcome")
        now = self.now()
        outcome = Outcome(
            decision_id=decision_id,
            treatment=asked.treatment,
            outcome=asked.outcome,
            id=asked.id,
            at=min(asked.at or now, now),  # one from the future would count for ever
            value=asked.value,
        )
        told = await self.ledger.record_outcome(outcome)
        self.metrics.outcomes.labels("accepted" if told.new else "duplicate").inc()
        said: dict[str, object] = {"accepted": int(told.new), "duplicates": int(not told.new)}
        if told.exhausted:
            said["exhausted"] = told.exhausted
        return Response(orjson.dumps(said), 202, media_type="application/json")

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["decisions"])
        router.add_api_route(
            "/v1/decisions/{decision_id}/outcomes",
            self.create,
            methods=["POST"],
            status_code=202,
            response_class=Response,
            responses=reply(OutcomeReply, 202),
            openapi_extra=body_schema(OutcomeRequest),
        )
        return router
