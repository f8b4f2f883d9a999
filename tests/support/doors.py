"""The HTTP app over fakes that remember what they were asked, and builders with defaults."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from api.app import Parts, create_door
from api.journeys import JourneyRun
from api.readiness import Check, Readiness
from engine.catalog import Bundle, Channel, Purpose, Scope
from engine.errors import TactfulError, UnknownBundle, UnknownChannel, UnknownDecision
from engine.ledger.clock import Clock
from engine.ledger.outcomes import Outcome, Told
from engine.ledger.references import reference
from engine.ledger.site import Site
from engine.ledger.timeline import Moment
from engine.live import Answer, Ask, request_of
from engine.timings import Timings
from engine.types import (
    Candidate,
    Decision,
    Drop,
    Event,
    Hold,
    Level,
    Offer,
    Request,
    Snapshot,
    Stage,
)
from engine.types import Status as CandidateStatus
from tests.support.builders import KEY
from tests.support.ledgers import NoModels
from workflows.acceptance import Accepted
from workflows.interventions import UnknownJourney
from workflows.life import Progress
from workflows.orders import Intervention

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DECISION_ID = "01KJMK6G00ABCDEFGHJKMNPQRS"


def a_bundle() -> Bundle:
    """A business with two channels and two purposes, and nothing to say."""
    return Bundle(
        hash="sha256:0",
        name="test",
        currency="EUR",
        channels={
            "web": Channel(name="web", in_page=True),
            "email": Channel(name="email", in_page=False),
        },
        purposes={
            name: Purpose(name=name, default_consent={}, levels=frozenset(Level))
            for name in ("sales", "service")
        },
        groups={},
        actions={},
        limits=(),
        context_weights=(),
        holds={},
        max_ages={},
        fallbacks={},
    )


def a_hold(hold_id: str = "complaint:4711") -> Hold:
    """The hold of an open complaint."""
    return Hold(
        id=hold_id,
        purposes=("sales",),
        tags=("commercial",),
        since=NOW,
        because="complaint 4711 is open",
        owner="complaint:c1:4711",
        seq=7,
    )


def an_offer() -> Offer:
    """One sales offer."""
    return Offer(
        action="upgrade-fiber",
        treatment="upgrade-fiber.web.hero",
        purpose="sales",
        tags=("commercial",),
        group="internet",
        rank=1,
        propensity=0.12,
        priority=3.4,
        content={"title": "Faster"},
    )


def a_decision(**changes: Any) -> Decision:
    """A full decision with one offer and one hold."""
    dropped = Drop(stage=Stage.HOLD, rule="complaint:4711", detail="held", until=None)
    candidate = Candidate(
        action="upgrade-tv",
        treatment="upgrade-tv.web",
        status=CandidateStatus.DROPPED,
        drops=(dropped,),
    )
    parts: dict[str, Any] = {
        "decision_id": DECISION_ID,
        "at": NOW,
        "level": Level.FULL,
        "because": (),
        "placements": {"main": (an_offer(),)},
        "holds": (a_hold(),),
        "candidates": (candidate,),
        "funnel": {"hold": {"complaint:4711": 1}},
        "bundle": "sha256:0",
    }
    return Decision(**{**parts, **changes})


JOURNEY = "complaint:c1:4711"


def a_run(journey: str = JOURNEY) -> JourneyRun:
    """A running complaint."""
    return JourneyRun(
        id=journey,
        run_id="r-1",
        status="running",
        kind="complaint",
        customer="c1",
        stage="promised",
        owner="team-a",
        waiting_for="resolution",
        due=LATER,
    )


def a_standing(**changes: Any) -> Progress:
    """Where that complaint stands."""
    parts: dict[str, Any] = {
        "stage": "promised",
        "owner": "team-a",
        "waiting_for": "resolution",
        "due": LATER,
        "words": ("2026-03-01 12:00 UTC: opened",),
    }
    return Progress(**{**parts, **changes})


@dataclass(slots=True)
class FakeDesk:
    """Journeys by their ids; what is wanted of them is kept, unless it fails."""

    standing: dict[str, Progress] = field(default_factory=lambda: {JOURNEY: a_standing()})
    failures: dict[str, TactfulError] = field(default_factory=dict[str, TactfulError])
    orders: list[tuple[str, Intervention, str | None]] = field(
        default_factory=list[tuple[str, Intervention, str | None]]
    )

    async def look(self, journey: str) -> tuple[JourneyRun, Progress]:
        return a_run(journey), self._found(journey)

    async def intervene(self, journey: str, order: Intervention, key: str | None) -> Progress:
        found = self._found(journey)
        self.orders.append((journey, order, key))
        return found

    def _found(self, journey: str) -> Progress:
        if journey in self.failures:
            raise self.failures[journey]
        if journey not in self.standing:
            raise UnknownJourney(f"no journey {journey}")
        return self.standing[journey]


ACCEPTED = Accepted(accepted=1, duplicates=0, journeys=("j",), pending=False)


@dataclass(slots=True)
class FakeMemberships:
    """Who is in which account and household."""

    joined: dict[tuple[str, Scope], str] = field(default_factory=dict[tuple[str, Scope], str])

    async def join(self, customer: str, scope: Scope, external_id: str) -> None:
        self.joined[customer, scope] = external_id

    async def leave(self, customer: str, scope: Scope) -> None:
        self.joined.pop((customer, scope), None)

    async def of(self, customer: str) -> Mapping[Scope, str]:
        return {scope: name for (one, scope), name in self.joined.items() if one == customer}


@dataclass(slots=True)
class FakeStack:
    """Everything behind the doors. `changes` holds all that was asked to be done, in order."""

    decision: Decision = field(default_factory=a_decision)
    timings: Timings = field(default_factory=Timings)
    error: TactfulError | None = None
    accepted: Accepted = ACCEPTED
    record: bytes | None = None
    bundle: Bundle = field(default_factory=a_bundle)
    archived: dict[str, Bundle] = field(default_factory=dict[str, Bundle])
    new_outcome: bool = True
    exhausted: tuple[str, ...] = ()
    snapshot: Snapshot | None = None
    latest: tuple[str, ...] = ()
    held: Sequence[tuple[str, Hold]] = ()
    moments: Sequence[Moment] = ()
    messages: Sequence[Mapping[str, Any]] = ()
    runs: Sequence[JourneyRun] = ()
    following: bytes = b""
    aliases: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    changes: list[Any] = field(default_factory=list[Any])
    queries: list[tuple[str, int, bytes]] = field(default_factory=list[tuple[str, int, bytes]])
    names: dict[str, str] = field(default_factory=dict[str, str])
    memberships: FakeMemberships = field(default_factory=FakeMemberships)
    desk: FakeDesk = field(default_factory=FakeDesk)
    required: dict[str, Check] = field(default_factory=dict[str, Check])
    desired: dict[str, Check] = field(default_factory=dict[str, Check])

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    async def resolve(self, name: str | tuple[str, str]) -> str:
        named = name if isinstance(name, str) else self.aliases.get(name, f"{name[0]}:{name[1]}")
        return reference(KEY, named)

    async def remember(self, external_id: str) -> str:
        customer = await self.resolve(external_id)
        self.names[customer] = external_id
        return customer

    async def external(self, customers: Sequence[str]) -> Mapping[str, str]:
        return {customer: self.names.get(customer, customer) for customer in customers}

    async def decide(self, ask: Ask) -> Answer:
        self._fail()
        self.changes.append(ask)
        return Answer(decision=self.decision, took_ms=0.81234, timings=self.timings)

    async def accept(self, events: Sequence[Event]) -> Accepted:
        self._fail()
        self.changes.extend(events)
        return self.accepted

    async def record_outcome(self, outcome: Outcome) -> Told:
        self._fail()
        self.changes.append(outcome)
        return Told(new=self.new_outcome, exhausted=self.exhausted)

    async def raw_record(self, decision_id: str) -> bytes:
        if self.record is None:
            raise UnknownDecision(f"there is no decision {decision_id!r}")
        return self.record

    def named(self, bundle_hash: str) -> Bundle:
        if bundle_hash not in self.archived:
            raise UnknownBundle(f"no bundle {bundle_hash} was ever in force here")
        return self.archived[bundle_hash]

    async def ask_about(self, ask: Ask) -> tuple[Request, Snapshot]:
        self._fail()
        if ask.channel not in self.bundle.channels:
            raise UnknownChannel(f"{ask.channel!r} is not a channel of this bundle")
        snapshot = self.snapshot or Snapshot(customer=ask.customer, reconciled=True)
        return request_of(ask, NOW), snapshot

    async def view(self, customer: str) -> tuple[Snapshot, Sequence[str]]:
        self._fail()
        return self.snapshot or Snapshot(customer=customer, reconciled=True), self.latest

    async def inbox(self, customer: str) -> Sequence[Mapping[str, Any]]:
        return self.messages

    async def set_consent(self, *change: Any) -> None:
        self.changes.append(("consent", *change))

    async def place_operator_hold(self, *change: Any) -> str:
        self.changes.append(("hold", *change))
        return "operator:1"

    async def end_hold_by_operator(self, *change: Any) -> None:
        self._fail()
        self.changes.append(("end", *change))

    async def open_holds(self) -> Sequence[tuple[str, Hold]]:
        self._fail()
        return self.held

    async def timeline(
        self, customer: str, since: datetime, limit: int
    ) -> tuple[Sequence[Moment], bool]:
        self.changes.append(("timeline", customer, since, limit))
        return self.moments[:limit], len(self.moments) > limit

    async def page(
        self, query: str, limit: int, token: bytes
    ) -> tuple[Sequence[JourneyRun], bytes]:
        self._fail()
        self.queries.append((query, limit, token))
        return self.runs, self.following

    def parts(self) -> Parts:
        """All parts of the app: this."""
        return Parts(
            site=Site(data_dir=Path("nowhere"), key=KEY, clock=Clock()),
            decider=self,
            asked=self,
            scorer=NoModels(),
            named=self.named,
            acceptance=self,
            customers=self,
            knowledge=self,
            silences=self,
            held=self,
            past=self,
            records=self,
            outcomes=self,
            memberships=self.memberships,
            visibility=self,
            desk=self.desk,
            bundle=lambda: self.bundle,
            now=lambda: NOW,
            temporal_ui="http://ui/namespaces/default",
            readiness=Readiness(required=self.required, desired=self.desired),
        )


@asynccontextmanager
async def door(stack: FakeStack) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the app over this stack; what breaks inside is answered as a server would."""
    transport = httpx.ASGITransport(create_door(stack.parts()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tactful") as client:
        yield client


def a_cloud_event(**changes: Any) -> dict[str, Any]:
    """A complaint in structured mode; a change to None leaves the attribute out."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/crm",
        "type": "complaint.opened",
        "subject": "7590-VHVEG",
        "data": {"case": "4711"},
    }
    return {name: value for name, value in {**event, **changes}.items() if value is not None}


LATER = NOW + timedelta(days=3)
