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
from engine.ledger.outcomes import Outcome

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


class Outcomes(Protocol):
    """Records outcomes, once per decision, treatment, outcome and id; False for a duplicate."""

    async def record_outcome(self, outcome: Outcome) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRoutes:
    """The route of outcomes."""

    ledger: Outcomes
    now: Callable[[], datetime]
    metrics: Metrics

    async def create(self, decision_id: Segment, request: Request) -> Response:
        """Tell what came of a decision: once per decision, treatment, outcome and id."""
        told = await read_model(request, OutcomeRequest, "an outcome")
        now = self.now()
        outcome = Outcome(
            decision_id=decision_id,
            treatment=told.treatment,
            outcome=told.outcome,
            id=told.id,
            at=min(told.at or now, now),  # one from the future would count for ever
            value=told.value,
        )
        new = await self.ledger.record_outcome(outcome)
        self.metrics.outcomes.labels("accepted" if new else "duplicate").inc()
        counts = {"accepted": int(new), "duplicates": int(not new)}
        return Response(orjson.dumps(counts), 202, media_type="application/json")

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
