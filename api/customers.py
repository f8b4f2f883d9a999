"""/v1/customers/{id}: all that is known, the inbox, consents, and holds of operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api.contract import body_schema, reply
from api.customer_view import CustomerView, is_unknown, view_of
from api.decision_reply import plain
from api.errors import InvalidField
from api.event_types import known_consent
from api.parsing import Contract, Name, Segment, Sentence, Time, read_model
from engine.catalog import Bundle
from engine.errors import UnknownCustomer, UnknownPurpose
from engine.types import Snapshot


class ConsentChange(Contract):
    """What a customer allows or refuses, and where that was said."""

    purpose: Name
    channel: Name
    granted: bool
    source: Sentence


class ConsentReply(BaseModel):
    """The consent as it is in force now."""

    customer: str
    purpose: str
    channel: str
    granted: bool
    at: datetime


class HoldRequest(Contract):
    """What an operator silences, why, and until when; without an end it lasts until it is ended."""

    purposes: Annotated[list[Name], Field(max_length=50)] = Field(default_factory=list[str])
    tags: Annotated[list[Name], Field(max_length=50)] = Field(default_factory=list[str])
    because: Sentence
    author: Name
    until: Time | None = None


class HoldReply(BaseModel):
    """The id of a hold."""

    id: str


class HoldEnd(Contract):
    """Who ends a hold, and why."""

    author: Name
    because: Sentence


class InboxReply(BaseModel):
    """The messages that were kept for in-app display, newest first."""

    messages: list[dict[str, Any]]


class Customers(Protocol):
    """Knows customers by their names outside and by their reference inside."""

    async def resolve(self, name: str | tuple[str, str]) -> str: ...

    async def remember(self, external_id: str) -> str: ...


class Knowledge(Protocol):
    """What the ledger knows of one customer."""

    async def view(self, customer: str) -> tuple[Snapshot, Sequence[str]]: ...

    async def inbox(self, customer: str) -> Sequence[Mapping[str, Any]]: ...


class Silences(Protocol):
    """What the ledger lets operators change for one customer."""

    async def set_consent(
        self, customer: str, purpose: str, channel: str, granted: bool, source: str, at: datetime, /
    ) -> object: ...

    async def place_operator_hold(
        self,
        customer: str,
        purposes: Sequence[str],
        tags: Sequence[str],
        because: str,
        author: str,
        until: datetime | None,
        /,
    ) -> str: ...

    async def end_hold_by_operator(
        self, customer: str, hold_id: str, author: str, because: str, /
    ) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRoutes:
    """The routes below one customer. A customer that was never heard of may be silenced, too."""

    customers: Customers
    knowledge: Knowledge
    silences: Silences
    bundle: Callable[[], Bundle]
    now: Callable[[], datetime]

    async def read(self, customer: Segment) -> Response:
        """All that is known of a customer now."""
        snapshot, decisions = await self.knowledge.view(await self.customers.resolve(customer))
        if is_unknown(snapshot, decisions):
            raise UnknownCustomer(f"Nothing is known of a customer {customer!r}.")
        ages = self.bundle().max_ages
        return _json(view_of(customer, snapshot, decisions, self.now(), ages))

    async def read_inbox(self, customer: Segment) -> Response:
        """The messages kept for display in an app."""
        messages = await self.knowledge.inbox(await self.customers.resolve(customer))
        return _json({"messages": messages})

    async def put_consent(self, customer: Segment, request: Request) -> Response:
        """Record what the customer allows or refuses; it acts at once, in running journeys too."""
        asked = await read_model(request, ConsentChange, "a consent")
        known_consent(asked.purpose, asked.channel, self.bundle())
        at = self.now()
        reference = await self.customers.remember(customer)
        await self.silences.set_consent(
            reference, asked.purpose, asked.channel, asked.granted, asked.source, at
        )
        told = asked.model_dump(exclude={"source"})
        return _json({"customer": customer, **told, "at": at})

    async def create_hold(self, customer: Segment, request: Request) -> Response:
        """Silence purposes or tags for a customer, as an operator."""
        asked = await read_model(request, HoldRequest, "a hold")
        self.check_hold(asked)
        hold_id = await self.silences.place_operator_hold(
            await self.customers.remember(customer),
            tuple(asked.purposes),
            tuple(asked.tags),
            asked.because,
            asked.author,
            asked.until,
        )
        return _json({"id": hold_id}, 201)

    def check_hold(self, asked: HoldRequest) -> None:
        """Refuse a hold that would hold nothing. Raises InvalidField, UnknownPurpose."""
        known = self.bundle().purposes
        unknown = [purpose for purpose in asked.purposes if purpose not in known]
        if unknown:
            raise UnknownPurpose(
                f"There is no purpose {unknown[0]!r}; there are {', '.join(known)}."
            )
        if not asked.purposes and not asked.tags:
            raise InvalidField(
                'A hold needs at least one purpose or tag, such as purposes: ["sales"].'
            )
        if asked.until is not None and asked.until <= self.now():
            raise InvalidField(
                f"until has passed already: the stack's time is {self.now().isoformat()}."
            )

    async def end_hold(
        self, customer: Segment, hold: Segment, end: Annotated[HoldEnd, Query()]
    ) -> Response:
        """End an operator's hold, or one whose journey was lost."""
        reference = await self.customers.resolve(customer)
        await self.silences.end_hold_by_operator(reference, hold, end.author, end.because)
        return _json({"id": hold})

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(prefix="/v1/customers/{customer}", tags=["customers"])
        add = router.add_api_route
        add("", self.read, response_class=Response, responses=reply(CustomerView))
        add("/inbox", self.read_inbox, response_class=Response, responses=reply(InboxReply))
        add(
            "/consents",
            self.put_consent,
            methods=["PUT"],
            response_class=Response,
            responses=reply(ConsentReply),
            openapi_extra=body_schema(ConsentChange),
        )
        add(
            "/holds",
            self.create_hold,
            methods=["POST"],
            status_code=201,
            response_class=Response,
            responses=reply(HoldReply, 201),
            openapi_extra=body_schema(HoldRequest),
        )
        add(
            "/holds/{hold}",
            self.end_hold,
            methods=["DELETE"],
            response_class=Response,
            responses=reply(HoldReply),
        )
        return router


def _json(told: object, status: int = 200) -> Response:
    return Response(orjson.dumps(told, default=plain), status, media_type="application/json")
