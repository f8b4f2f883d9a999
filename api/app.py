"""The HTTP door: which routes there are, what they are wired to, and the server that runs them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import uvloop
from fastapi import APIRouter, FastAPI, Response
from starlette.types import ASGIApp

from api import contract, errors, server
from api.admission import Admission
from api.batches import Batches
from api.checks import readiness
from api.customer_view import CustomerView
from api.customers import (
    ConsentChange,
    ConsentReply,
    CustomerRoutes,
    HoldReply,
    HoldRequest,
    InboxReply,
    Knowledge,
    Silences,
)
from api.decision_reply import DecisionReply
from api.decisions import Decider, Decisions
from api.events import Accepts, EventRoutes, EventSent, EventsReply
from api.explanation_reply import DecisionRecord, ReplayReply, SilencedReply, WhyNotReply
from api.explanations import Asked, Explanations, Records
from api.front import DecisionsFirst
from api.holds import Held, HoldRoutes, HoldsReply
from api.interventions import (
    Desk,
    InterventionRequest,
    InterventionRoutes,
    JourneyReply,
    StandingReply,
    TemporalDesk,
)
from api.journeys import (
    JourneyRoutes,
    JourneysReply,
    TemporalVisibility,
    Visibility,
    interface_address,
)
from api.knowledge import LedgerKnowledge
from api.memberships import MembershipChange, MembershipReply, MembershipRoutes, Memberships
from api.memory import settle
from api.metrics import Metrics, limited
from api.outcomes import OutcomeReply, OutcomeRequest, OutcomeRoutes, Outcomes
from api.questions import DecisionRequest
from api.readiness import Readiness
from api.replaying import Named, bundles_of
from api.security import BodyLimit, RawPath
from api.server import listen
from api.settings import Settings, site
from api.status import StatusPage, StatusReply, StatusRoutes
from api.sweeps import SweepLine, SweepRequest, SweepRoutes
from api.timeline import Past, TimelineReply, TimelineRoutes
from api.warming import warm_up
from api.watched import ModelWatched
from engine.catalog import Bundle
from engine.ledger.site import Site
from engine.propensity import Scorer
from workflows.parts import Parts as StackParts
from workflows.parts import open_parts

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
SHOWN = (
    ConsentChange,
    ConsentReply,
    CustomerView,
    DecisionRecord,
    DecisionReply,
    DecisionRequest,
    EventSent,
    EventsReply,
    HoldReply,
    HoldRequest,
    HoldsReply,
    InboxReply,
    InterventionRequest,
    JourneyReply,
    JourneysReply,
    MembershipChange,
    MembershipReply,
    OutcomeReply,
    OutcomeRequest,
    ReplayReply,
    SilencedReply,
    StandingReply,
    StatusPage,
    StatusReply,
    SweepLine,
    SweepRequest,
    TimelineReply,
    WhyNotReply,
)


class Customers(Protocol):
    """Customers by their names outside and by their reference inside."""

    async def resolve(self, name: str | tuple[str, str]) -> str: ...

    async def remember(self, external_id: str) -> str: ...

    async def external(self, customers: Sequence[str]) -> Mapping[str, str]: ...


class Routes(Protocol):
    """Some routes of one door."""

    def router(self) -> APIRouter: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes are wired to. `temporal_ui` is the Temporal UI's address of the namespace."""

    site: Site
    decider: Decider
    asked: Asked
    scorer: Scorer
    named: Named
    acceptance: Accepts
    customers: Customers
    knowledge: Knowledge
    silences: Silences
    held: Held
    past: Past
    records: Records
    outcomes: Outcomes
    memberships: Memberships
    visibility: Visibility
    desk: Desk
    bundle: Callable[[], Bundle]
    now: Callable[[], datetime]
    temporal_ui: str
    readiness: Readiness
    metrics: Metrics = field(default_factory=Metrics)


def create_door(parts: Parts) -> ASGIApp:
    """All routes over parts that are open; whoever opened them closes them."""
    decisions = decisions_of(parts)
    app = create_app(parts, decisions)
    return DecisionsFirst(app, decisions.answer, parts.metrics.deciding)


def create_app(parts: Parts, decisions: Decisions) -> FastAPI:
    """The app behind the one route that is answered in front of it."""
    app = FastAPI(
        title="Tactful",
        version=product_version(),
        description="What to say to each customer, and when to say nothing.",
        redirect_slashes=False,
    )
    errors.install(app)
    for routes in (decisions, *routes_of(parts, decisions)):
        app.include_router(routes.router())
    add_metrics(app, parts.metrics)
    app.add_middleware(BodyLimit)
    app.add_middleware(RawPath)
    app.add_middleware(Admission, in_flight=parts.metrics.others)
    contract.describe(app, SHOWN)
    return app


def routes_of(parts: Parts, decisions: Decisions) -> tuple[Routes, ...]:
    """All other routes, each wired to the parts that it needs."""
    customers, bundle, now, metrics = parts.customers, parts.bundle, parts.now, parts.metrics
    return (
        Batches(decisions.answer, metrics.batches),
        Explanations(
            site=parts.site,
            records=parts.records,
            decider=parts.asked,
            scorer=parts.scorer,
            customers=customers,
            knowledge=parts.knowledge,
            bundle=bundle,
            named=parts.named,
            now=now,
        ),
        OutcomeRoutes(ledger=parts.outcomes, now=now, metrics=metrics),
        EventRoutes(
            acceptance=parts.acceptance,
            customers=customers,
            bundle=bundle,
            now=now,
            metrics=metrics,
        ),
        CustomerRoutes(
            customers=customers,
            knowledge=parts.knowledge,
            silences=parts.silences,
            bundle=bundle,
            now=now,
        ),
        MembershipRoutes(customers=customers, memberships=parts.memberships),
        HoldRoutes(held=parts.held, names=customers, now=now),
        TimelineRoutes(names=customers, past=parts.past, now=now),
        StatusRoutes(visibility=parts.visibility, desk=parts.desk, customers=customers, now=now),
        JourneyRoutes(
            visibility=parts.visibility, customers=customers, ui=parts.temporal_ui, now=now
        ),
        InterventionRoutes(desk=parts.desk, customers=customers, ui=parts.temporal_ui),
        SweepRoutes(desk=parts.desk, visibility=parts.visibility, customers=customers, now=now),
        parts.readiness,
    )


def decisions_of(parts: Parts) -> Decisions:
    """The routes of decisions."""
    return Decisions(
        decider=parts.decider,
        customers=parts.customers,
        bundle=parts.bundle,
        metrics=parts.metrics,
    )


def wired(stack: StackParts, metrics: Metrics | None = None) -> Parts:
    """The routes' parts from a real stack that is open."""
    ledger, where = stack.ledger, stack.site
    metrics = metrics or Metrics()
    metrics.registry.register(ModelWatched(where))
    return Parts(
        site=where,
        decider=stack.decider,
        asked=stack.decider,
        scorer=stack.scorer,
        named=bundles_of(where),
        acceptance=stack.acceptance,
        customers=ledger.customers,
        knowledge=LedgerKnowledge(ledger),
        silences=ledger,
        held=ledger,
        past=ledger,
        records=ledger,
        outcomes=ledger,
        memberships=ledger.memberships,
        visibility=TemporalVisibility(stack.client),
        desk=TemporalDesk(stack.client),
        bundle=stack.bundle,
        now=ledger.clock.now,
        temporal_ui=interface_address(where.temporal_ui, where.temporal_namespace),
        readiness=readiness(stack),
        metrics=metrics,
    )


def serve(settings: Settings, ready: Callable[[], None] = lambda: None) -> None:
    """Run the API of this stack until SIGTERM or SIGINT; `ready` is called once it listens.

    Raises StackError when the port is taken, JournalUnavailable when the journal can't be opened.
    """
    with (
        listen(settings.api_host, settings.api_port) as listening,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(serve_on(listening, settings, ready))


async def serve_on(listening: socket.socket, settings: Settings, ready: Callable[[], None]) -> None:
    """Open the parts, serve them, close them."""
    async with open_parts(site(settings)) as stack:
        await warm_up(stack, decisions_of(wired(stack)).answer)
        door = create_door(wired(stack, limited(settings.max_in_flight)))
        settle()
        await server.run(door, listening, ready)


def add_metrics(app: FastAPI, metrics: Metrics) -> None:
    """GET /metrics, for Prometheus."""

    async def read_metrics() -> Response:
        """Counters and histograms in Prometheus' text format."""
        return Response(metrics.exposition(), media_type=PROMETHEUS)

    app.add_api_route("/metrics", read_metrics, tags=["operation"])


def product_version() -> str:
    """The version of the installed distribution; 0 where it runs from a bare source tree."""
    try:
        return version("tactful")
    except PackageNotFoundError:
        return "0"
