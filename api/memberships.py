"""PUT and GET /v1/customers/{id}/memberships: which account and household a customer is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.contract import body_schema, reply
from api.customers import Customers
from api.errors import InvalidField
from api.parsing import Contract, Key, Segment, read_model
from engine.catalog import Scope


class MembershipChange(Contract):
    """The account or household that a customer joins, null for leaving; what is absent stays."""

    account: Key | None = None
    household: Key | None = None


class MembershipReply(BaseModel):
    """The account and the household that a customer is in."""

    customer: str
    account: str | None
    household: str | None


class Memberships(Protocol):
    """Puts customers into accounts and households; limits may count all members together."""

    async def join(self, customer: str, scope: Scope, external_id: str, /) -> object: ...

    async def leave(self, customer: str, scope: Scope, /) -> object: ...

    async def of(self, customer: str, /) -> Mapping[Scope, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipRoutes:
    """The routes of one customer's account and household."""

    customers: Customers
    memberships: Memberships

    async def read(self, customer: Segment) -> Response:
        """The account and the household that a customer is in."""
        return await self._told(customer, await self.customers.resolve(customer))

    async def change(self, customer: Segment, request: Request) -> Response:
        """Put a customer into an account or household, or out of it: contacts go along."""
        asked = await read_model(request, MembershipChange, "a membership")
        if not asked.model_fields_set:
            raise InvalidField("A membership needs an account or a household; null leaves it.")
        reference = await self.customers.remember(customer)
        for scope in (Scope.ACCOUNT, Scope.HOUSEHOLD):
            if scope.value not in asked.model_fields_set:
                continue
            external_id: str | None = getattr(asked, scope.value)
            if external_id is None:
                await self.memberships.leave(reference, scope)
            else:
                await self.memberships.join(reference, scope, external_id)
        return await self._told(customer, reference)

    async def _told(self, customer: str, reference: str) -> Response:
        found = await self.memberships.of(reference)
        told = {
            "customer": customer,
            "account": found.get(Scope.ACCOUNT),
            "household": found.get(Scope.HOUSEHOLD),
        }
        return Response(orjson.dumps(told), media_type="application/json")

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(prefix="/v1/customers/{customer}", tags=["customers"])
        router.add_api_route(
            "/memberships",
            self.read,
            response_class=Response,
            responses=reply(MembershipReply),
        )
        router.add_api_route(
            "/memberships",
            self.change,
            methods=["PUT"],
            response_class=Response,
            responses=reply(MembershipReply),
            openapi_extra=body_schema(MembershipChange),
        )
        return router
