"""/v1/holds: what is held over all customers; what of it nobody looks after, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.contract import reply
from api.customer_view import HoldOwned, hold_shown
from api.decision_reply import plain
from engine.holds import in_force
from engine.types import Hold, HoldState

REMEDY = (
    "Its journey was lost, so nobody looks after it. If the case is open, report it once more "
    "(complaint.reopened): its journey begins again and takes the hold over. If it is over, end "
    "the hold: tactful holds end, or DELETE /v1/customers/{id}/holds/{hold}. "
    "Left alone it ends at its maximum."
)


class HeldCustomer(HoldOwned):
    """A hold, whom it silences, and what an operator has to do about it, if anything."""

    customer: str
    todo: str | None


class HoldsReply(BaseModel):
    """Holds in force, the oldest first; `total` counts those that `limit` left out, too."""

    holds: list[HeldCustomer]
    total: int


class HoldFilter(BaseModel):
    """Which holds."""

    model_config = ConfigDict(extra="forbid")

    state: HoldState | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Held(Protocol):
    """What the journal says is held."""

    async def open_holds(self) -> Sequence[tuple[str, Hold]]: ...


class Names(Protocol):
    """Knows customers by their names outside."""

    async def external(self, customers: Sequence[str]) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRoutes:
    """The one route."""

    held: Held
    names: Names
    now: Callable[[], datetime]

    async def list_holds(self, asked: Annotated[HoldFilter, Query()]) -> Response:
        """Holds in force; `state=orphaned`: those that nobody looks after any more."""
        now = self.now()
        found = [
            (customer, hold)
            for customer, hold in await self.held.open_holds()
            if asked.state in (None, hold.state) and in_force((hold,), now)
        ]
        shown = found[: asked.limit]
        names = await self.names.external(sorted({customer for customer, _ in shown}))
        told = [{"customer": names.get(one, one), **_told(hold)} for one, hold in shown]
        body = orjson.dumps({"holds": told, "total": len(found)}, default=plain)
        return Response(body, media_type="application/json")

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["customers"])
        router.add_api_route(
            "/v1/holds", self.list_holds, response_class=Response, responses=reply(HoldsReply)
        )
        return router


def _told(hold: Hold) -> dict[str, Any]:
    lost = hold.state is HoldState.ORPHANED
    return {**hold_shown(hold), "todo": REMEDY if lost else None}
