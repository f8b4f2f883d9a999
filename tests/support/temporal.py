"""A Temporal that only lists and describes: what rebuild and reconciler ask of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from engine.types import Hold
from tests.support.builders import NOW, a_customer
from workflows import search_attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeExecution:
    """One workflow in the listing; its memo may carry a hold."""

    id: str
    customer: str = field(default_factory=a_customer)
    kind: str = "complaint"
    stage: str = "open"
    hold: Hold | None = None
    workflow_type: str = "complaint"
    start_time: datetime = NOW

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        """Customer, kind and stage."""
        return TypedSearchAttributes(
            [
                SearchAttributePair(search_attributes.CUSTOMER, self.customer),
                SearchAttributePair(search_attributes.KIND, self.kind),
                SearchAttributePair(search_attributes.STAGE, self.stage),
            ]
        )

    async def memo(self) -> dict[str, object]:
        """The names in the memo."""
        return {"hold": self.hold} if self.hold else {}

    async def memo_value(self, name: str, type_hint: type[Hold]) -> Hold | None:
        """One value of the memo."""
        return self.hold


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeDescription:
    """What a workflow says of itself."""

    status: WorkflowExecutionStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeHandle:
    """A workflow that can be described."""

    temporal: FakeTemporal
    id: str

    async def describe(self, rpc_timeout: timedelta) -> FakeDescription:
        """Its status, or NOT_FOUND."""
        self.temporal.answer()
        if self.temporal.on_describe is not None:
            await self.temporal.on_describe(self.id)
        if self.id not in self.temporal.statuses:
            raise RPCError("no such workflow", RPCStatusCode.NOT_FOUND, b"")
        return FakeDescription(status=self.temporal.statuses[self.id])


@dataclass(kw_only=True)
class FakeTemporal:
    """Listings in turn, the last one for ever; statuses by workflow id; `on_list` happens first."""

    listings: list[list[FakeExecution]] = field(default_factory=lambda: [[]])
    statuses: dict[str, WorkflowExecutionStatus] = field(
        default_factory=dict[str, WorkflowExecutionStatus]
    )
    away: bool = False
    on_list: Callable[[], Awaitable[None]] | None = None
    on_describe: Callable[[str], Awaitable[None]] | None = None
    listed: int = 0

    @property
    def client(self) -> Client:
        """Itself, as the code under test sees it."""
        return cast(Client, self)

    def answer(self) -> None:
        """Raises while Temporal is away."""
        if self.away:
            raise RPCError("nobody listens", RPCStatusCode.UNAVAILABLE, b"")

    async def list_workflows(self, query: str) -> AsyncGenerator[FakeExecution]:
        """The next listing."""
        self.answer()
        self.listed += 1
        if self.on_list is not None:
            await self.on_list()
        for execution in self.listings[min(self.listed, len(self.listings)) - 1]:
            yield execution

    def get_workflow_handle(self, workflow: str) -> FakeHandle:
        """A handle."""
        return FakeHandle(temporal=self, id=workflow)
