"""GET /v1/journeys: open and closed journeys, as Temporal's visibility lists them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from api.contract import reply
from api.errors import InvalidField
from api.parsing import Key
from engine.errors import JourneysUnavailable
from workflows.search_attributes import CUSTOMER, DUE, KIND, OWNER, STAGE, WAITING_FOR

LIST_SECONDS = 3.0
SEAL_BYTES = 8
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Words = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_., -]{1,64}$")]
"""A kind, and a stage; the patterns also keep quotes out of the visibility query."""


class JourneyFilter(BaseModel):
    """Which journeys to list."""

    model_config = ConfigDict(extra="forbid")

    customer: Key | None = None
    kind: Word | None = None
    stage: Words | None = None
    open: bool | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, StringConstraints(max_length=4096)] | None = None


class JourneyShown(BaseModel):
    """One journey; `status` is running, completed, terminated, and so on."""

    id: str
    customer: str
    kind: str
    stage: str | None
    owner: str | None
    waiting_for: str | None
    due: datetime | None
    status: str
    temporal_ui: str


class JourneysReply(BaseModel):
    """A page of journeys; `cursor` is null on the last one."""

    journeys: list[JourneyShown]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyRun:
    """One run as visibility tells it; `customer` is the reference."""

    id: str
    run_id: str
    status: str
    kind: str
    customer: str
    stage: str | None = None
    owner: str | None = None
    waiting_for: str | None = None
    due: datetime | None = None


class Visibility(Protocol):
    """Lists runs a page at a time. Raises JourneysUnavailable."""

    async def page(
        self, query: str, limit: int, token: bytes
    ) -> tuple[Sequence[JourneyRun], bytes]: ...


class Customers(Protocol):
    """Knows customers by their names outside and by their reference inside."""

    async def resolve(self, name: str | tuple[str, str]) -> str: ...

    async def external(self, customers: Sequence[str]) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class TemporalVisibility:
    """Visibility of a Temporal namespace."""

    client: Client

    async def page(
        self, query: str, limit: int, token: bytes
    ) -> tuple[Sequence[JourneyRun], bytes]:
        """The runs of one page, and the token of the next: empty when there is none."""
        listing = self.client.list_workflows(
            query,
            page_size=limit,
            next_page_token=token or None,
            rpc_timeout=timedelta(seconds=LIST_SECONDS),
        )
        try:
            async with asyncio.timeout(LIST_SECONDS):  # the client's own tries may take longer
                await listing.fetch_next_page()
        except TimeoutError:
            raise JourneysUnavailable(f"Temporal gave no list within {LIST_SECONDS:g} s.") from None
        except RPCError as error:
            raise JourneysUnavailable(f"Temporal did not list journeys: {error.message}") from error
        except RuntimeError as error:  # how a lazy client says that it can't connect
            raise JourneysUnavailable("Temporal can't be reached.") from error
        runs = [run_of(execution) for execution in listing.current_page or ()]
        return runs, listing.next_page_token or b""


def run_of(execution: WorkflowExecution) -> JourneyRun:
    """A run with its search attributes by name."""
    attributes = execution.typed_search_attributes
    return JourneyRun(
        id=execution.id,
        run_id=execution.run_id,
        status=execution.status.name.lower() if execution.status else "unknown",
        kind=attributes.get(KIND) or "",
        customer=attributes.get(CUSTOMER) or "",
        stage=attributes.get(STAGE),
        owner=attributes.get(OWNER),
        waiting_for=attributes.get(WAITING_FOR),
        due=attributes.get(DUE),
    )


def visibility_query(asked: JourneyFilter, reference: str | None) -> str:
    """The list filter of Temporal for these journeys.

    >>> visibility_query(JourneyFilter(kind="complaint", open=True), None)
    "JourneyKind = 'complaint' AND ExecutionStatus = 'Running'"
    >>> visibility_query(JourneyFilter(), None)
    'JourneyKind IS NOT NULL'
    """
    wanted = ((KIND.name, asked.kind), (STAGE.name, asked.stage), (CUSTOMER.name, reference))
    terms = [f"{name} = '{value}'" for name, value in wanted if value is not None]
    if asked.kind is None:
        terms.insert(0, f"{KIND.name} IS NOT NULL")
    if asked.open is not None:
        terms.append(f"ExecutionStatus {'=' if asked.open else '!='} 'Running'")
    return " AND ".join(terms)


def write_cursor(question: str, token: bytes) -> str | None:
    """The cursor of the page that a token leads to, sealed to its question; None for no token."""
    return base64.urlsafe_b64encode(_seal(question, token) + token).decode() if token else None


def read_cursor(question: str, cursor: str | None) -> bytes:
    """The page token of a cursor; Temporal fails on strange ones. Raises InvalidField.

    >>> read_cursor("open", write_cursor("open", b"next"))
    b'next'
    """
    if cursor is None:
        return b""
    try:
        sealed = base64.b64decode(cursor.encode("ascii"), b"-_", validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    token = sealed[SEAL_BYTES:]
    if not token or sealed[:SEAL_BYTES] != _seal(question, token):
        raise InvalidField("cursor is not one that this list gave for the same question.")
    return token


def _seal(question: str, token: bytes) -> bytes:
    return hashlib.sha256(question.encode() + b"\0" + token).digest()[:SEAL_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyRoutes:
    """The route of journeys. `ui` is the address of the Temporal UI with its namespace."""

    visibility: Visibility
    customers: Customers
    ui: str

    async def list_journeys(self, asked: Annotated[JourneyFilter, Query()]) -> Response:
        """Journeys by customer, kind and stage, open and closed ones unless `open` says which."""
        reference = await self.customers.resolve(asked.customer) if asked.customer else None
        question = visibility_query(asked, reference)
        token = read_cursor(question, asked.cursor)
        runs, following = await self.visibility.page(question, asked.limit, token)
        names = await self.customers.external(list({run.customer for run in runs}))
        told = {
            "journeys": [self.shown(run, names) for run in runs],
            "cursor": write_cursor(question, following),
        }
        return Response(orjson.dumps(told), media_type="application/json")

    def shown(self, run: JourneyRun, names: Mapping[str, str]) -> dict[str, Any]:
        """A journey as the outside sees it; its customer by the external id where that is known."""
        return {
            "id": run.id,
            "customer": names.get(run.customer, run.customer),
            "kind": run.kind,
            "stage": run.stage,
            "owner": run.owner,
            "waiting_for": run.waiting_for,
            "due": run.due,
            "status": run.status,
            "temporal_ui": f"{self.ui}/workflows/{quote(run.id, safe='')}/{run.run_id}",
        }

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["journeys"])
        router.add_api_route(
            "/v1/journeys",
            self.list_journeys,
            response_class=Response,
            responses=reply(JourneysReply),
        )
        return router


def interface_address(temporal_ui: str, namespace: str) -> str:
    """The address of a namespace in the Temporal UI.

    >>> interface_address("http://127.0.0.1:8233/", "default")
    'http://127.0.0.1:8233/namespaces/default'
    """
    return f"{temporal_ui.rstrip('/')}/namespaces/{quote(namespace, safe='')}"
