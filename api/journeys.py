"""GET /v1/journeys: open and closed journeys, as Temporal's visibility lists them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from api.contract import reply
from api.cursors import read_cursor, write_cursor
from api.errors import InvalidField
from api.parsing import Key
from engine.errors import JourneysUnavailable
from workflows.search_attributes import ATTENTION, CUSTOMER, DUE, KIND, OWNER, STAGE, WAITING_FOR
from workflows.searches import STUCK_DAYS, Search, View, link

LIST_SECONDS = 3.0
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Words = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_., -]{1,64}$")]
"""A kind, and a stage."""
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\"\\]*$")
]
"""An owner; Temporal finds no text that has a double quote or a backslash in it."""
Attention = Literal["paused", "set aside", "failed"]
Days = Annotated[int, Field(ge=0, le=3650)]
A_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands in seals for now: the pages of a list are asked for one after the other."""


class JourneyFilter(BaseModel):
    """Which journeys to list."""

    model_config = ConfigDict(extra="forbid")

    customer: Key | None = None
    kind: Word | None = None
    stage: Words | None = None
    owner: Line | None = None
    attention: Attention | None = None
    view: View | None = None
    days: Days = STUCK_DAYS
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
    attention: str | None
    status: str
    temporal_ui: str


class JourneysReply(BaseModel):
    """A page of journeys; `cursor` is null on the last one. `temporal_ui` lists the same there."""

    journeys: list[JourneyShown]
    cursor: str | None
    temporal_ui: str


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
    attention: str | None = None


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
        attention=attributes.get(ATTENTION),
    )


def search_of(asked: JourneyFilter, reference: str | None) -> Search:
    """The search that a filter asks for. Raises InvalidField for a view of closed journeys."""
    if asked.view is not None and asked.open is False:
        raise InvalidField(f"The view {asked.view} shows open journeys; open can't be false.")
    return Search(
        kind=asked.kind,
        stage=asked.stage,
        customer=reference,
        owner=asked.owner,
        attention=asked.attention,
        open=asked.open,
        view=asked.view,
        days=asked.days,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyRoutes:
    """The route of journeys. `ui` is the address of the Temporal UI with its namespace."""

    visibility: Visibility
    customers: Customers
    ui: str
    now: Callable[[], datetime]

    async def list_journeys(self, asked: Annotated[JourneyFilter, Query()]) -> Response:
        """Journeys by customer, kind, stage and owner, or those of a view.

        Open and closed ones unless `open` says which; a view shows open ones: `late` are those
        whose deadline has passed, `stuck` those that nothing has moved for `days` and no deadline
        will, `attention` those that are paused, have set an event aside, or failed to send.
        """
        reference = await self.customers.resolve(asked.customer) if asked.customer else None
        search = search_of(asked, reference)
        question = search.query(A_MOMENT)
        token = read_cursor(question, asked.cursor)
        query = search.query(self.now())
        runs, following = await self.visibility.page(query, asked.limit, token)
        names = await self.customers.external(list({run.customer for run in runs}))
        told = {
            "journeys": [shown(run, names, self.ui) for run in runs],
            "cursor": write_cursor(question, following),
            "temporal_ui": link(self.ui, query),
        }
        return Response(orjson.dumps(told), media_type="application/json")

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


def shown(run: JourneyRun, names: Mapping[str, str], ui: str) -> dict[str, Any]:
    """A journey as the outside sees it; its customer by the external id where that is known."""
    return {
        "id": run.id,
        "customer": names.get(run.customer, run.customer),
        "kind": run.kind,
        "stage": run.stage,
        "owner": run.owner,
        "waiting_for": run.waiting_for,
        "due": run.due,
        "attention": run.attention,
        "status": run.status,
        "temporal_ui": f"{ui}/workflows/{quote(run.id, safe='')}/{run.run_id}",
    }


def interface_address(temporal_ui: str, namespace: str) -> str:
    """The address of a namespace in the Temporal UI.

    >>> interface_address("http://127.0.0.1:8233/", "default")
    'http://127.0.0.1:8233/namespaces/default'
    """
    return f"{temporal_ui.rstrip('/')}/namespaces/{quote(namespace, safe='')}"
