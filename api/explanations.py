"""The proof of decisions: their record in words, their replay, and why something is not offered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Protocol, cast

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.contract import reply
from api.decision_reply import plain
from api.explanation_reply import DecisionRecord, ReplayReply, SilencedReply, WhyNotReply
from api.parsing import Contract, Name, Segment
from api.replaying import CURRENT, Named, Replay, replay, with_scores
from engine.catalog import Bundle
from engine.errors import UnknownAction, UnknownBundle, UnknownChannel
from engine.explain import explained
from engine.grid import grid
from engine.ledger.site import Site
from engine.live import Ask
from engine.propensity import Scorer
from engine.record import read, seal_of
from engine.silenced import silences
from engine.types import Placement, Request, Snapshot
from engine.why_not import why_not

DEADLINE_MILLISECONDS = 1_000


class Records(Protocol):
    """Finds the record of a decision, as it was written. Raises UnknownDecision."""

    async def raw_record(self, decision_id: str) -> bytes: ...


class Asked(Protocol):
    """Gathers what a decision would be made from now, and decides nothing."""

    async def ask_about(self, ask: Ask) -> tuple[Request, Snapshot]: ...


class Customers(Protocol):
    """Knows customers by their names outside and by their reference inside."""

    async def resolve(self, name: str | tuple[str, str]) -> str: ...

    async def external(self, customers: Sequence[str]) -> Mapping[str, str]: ...


class Knowledge(Protocol):
    """What the ledger knows of one customer."""

    async def view(self, customer: str) -> tuple[Snapshot, Sequence[str]]: ...


class AboutQuery(Contract):
    """Which actions the words tell of in any case."""

    about: list[str] = Field(default_factory=list[str])


class ReplayQuery(Contract):
    """Under which bundle: its hash, `current`, or its own without one."""

    bundle: str | None = None


class WhyNotQuery(Contract):
    """Where the action is missed."""

    channel: Name
    placement: Name = "main"


class SilencedQuery(Contract):
    """On which channel; all of them without one."""

    channel: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanations:
    """The routes that explain. Nothing here decides, counts or records anything."""

    site: Site
    records: Records
    decider: Asked
    scorer: Scorer
    customers: Customers
    knowledge: Knowledge
    bundle: Callable[[], Bundle]
    named: Named
    now: Callable[[], datetime]

    async def read(self, decision_id: Segment, query: Annotated[AboutQuery, Query()]) -> Response:
        """The record of a decision: who was offered what and why, in words, as a grid, in data."""
        record = await self.records.raw_record(decision_id)
        data = _data(record)
        customer = await self._customer(data)
        told = {
            "decision_id": decision_id,
            "customer": customer,
            **data,
            "seal": seal_of(record, self.site.seal_key, decision_id),
            **self._explained(record, customer, query.about),
        }
        return _json(told)

    async def _customer(self, data: Mapping[str, Any]) -> str:
        """The customer by name, else by reference; empty where a record does not even say that."""
        try:
            reference = data["request"]["customer"]
        except (LookupError, TypeError):
            reference = None
        if not isinstance(reference, str):
            return ""
        return (await self.customers.external([reference])).get(reference, reference)

    def _explained(self, record: bytes, customer: str, about: Sequence[str]) -> dict[str, Any]:
        try:
            kept = read(record)
        except ValueError as error:
            return {"words": (f"The record can't be read: {error}",), "grid": None}
        try:
            bundle = self.named(kept.decision.bundle)
        except UnknownBundle:
            bundle = None
        words = explained(kept.request, kept.decision, bundle, customer=customer, about=about)
        return {"words": words, "grid": asdict(grid(kept.decision))}

    async def replay(
        self, decision_id: Segment, query: Annotated[ReplayQuery, Query()]
    ) -> Response:
        """A decision made again from its record: the same, or what changes and at which stage."""
        record = await self.records.raw_record(decision_id)
        return _json((await asyncio.to_thread(self._replayed, decision_id, record, query)).told())

    def _replayed(self, decision_id: str, record: bytes, query: ReplayQuery) -> Replay:
        other = None
        if query.bundle is not None:
            other = self.bundle() if query.bundle == CURRENT else self.named(query.bundle)
        found = replay(decision_id, record, self.named, self.site, other)
        return with_scores(found, record, self.named, self.site) if found.own else found

    async def why_not(
        self, customer: Segment, action: Segment, query: Annotated[WhyNotQuery, Query()]
    ) -> Response:
        """What stops an action now, the smallest change that lets it win, the earliest time."""
        bundle = self.bundle()
        _check_action(action, bundle)
        ask = Ask(
            customer=await self.customers.resolve(customer),
            channel=query.channel,
            placements=(Placement(name=query.placement),),
            deadline_ms=DEADLINE_MILLISECONDS,
            dry_run=True,
        )
        request, snapshot = await self.decider.ask_about(ask)
        found = await asyncio.to_thread(why_not, request, snapshot, bundle, self.scorer, action)
        return _json({"customer": customer, "at": request.now, **asdict(found)})

    async def silenced(
        self, customer: Segment, query: Annotated[SilencedQuery, Query()]
    ) -> Response:
        """What may not be said to a customer now, why, and until when."""
        bundle, now = self.bundle(), self.now()
        channels = tuple(bundle.channels)
        if query.channel is not None:
            if query.channel not in channels:
                raise UnknownChannel(
                    f"There is no channel {query.channel!r}; there are {', '.join(channels)}."
                )
            channels = (query.channel,)
        snapshot, _ = await self.knowledge.view(await self.customers.resolve(customer))
        found = silences(snapshot, bundle, channels, now)
        return _json(
            {
                "customer": customer,
                "at": now,
                "reconciled": snapshot.reconciled,
                "silenced": [asdict(one) for one in found],
            }
        )

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter()
        shown = (
            ("/v1/decisions/{decision_id}", self.read, DecisionRecord, "decisions"),
            ("/v1/decisions/{decision_id}/replay", self.replay, ReplayReply, "decisions"),
            ("/v1/customers/{customer}/why-not/{action}", self.why_not, WhyNotReply, "customers"),
            ("/v1/customers/{customer}/silenced", self.silenced, SilencedReply, "customers"),
        )
        for path, answer, model, tag in shown:
            router.add_api_route(
                path, answer, response_class=Response, responses=reply(model), tags=[tag]
            )
        return router


def _check_action(action: str, bundle: Bundle) -> None:
    if action not in bundle.actions:
        near = get_close_matches(action, bundle.actions, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        raise UnknownAction(f"There is no action {action!r} in the bundle{meant}")


def _data(record: bytes) -> dict[str, Any]:
    """What a record holds; nothing where somebody made it unreadable."""
    try:
        found = orjson.loads(record)
    except ValueError:
        found = None
    nothing = {"request": None, "snapshot": None, "decision": None}
    return {**nothing, **cast("dict[str, Any]", found)} if isinstance(found, dict) else nothing


def _json(told: object) -> Response:
    return Response(orjson.dumps(told, default=plain), media_type="application/json")
