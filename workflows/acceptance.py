"""The acceptance of events: journal, effect in force, features, journeys; then it can't be lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from engine.errors import JourneysUnavailable, Unavailable
from engine.ledger import Ledger, arrivals, facts
from engine.ledger.arrivals import Arrival, Progress
from engine.ledger.clock import milliseconds
from engine.ledger.consents import Consent, keep_consents, recorded_by
from engine.types import Event, Hold, JourneyState, Scalar
from feature_store.push import HISTORY, changed_view

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 15.0
_TURN_SECONDS = 0.2
_FIRST = ("complaint.opened", "complaint.reopened")
"""What journeys hear before all else that waits: a campaign must not delay a complaint."""

Features = Mapping[str, Mapping[str, Scalar]]
Starts = Mapping[str, Sequence[datetime]]
"""When journeys of each kind began for a customer."""


class Journeys(Protocol):
    """What acceptance needs of the journeys: the hold that an event implies, and its delivery."""

    def concerns(self, event: Event) -> bool:
        """Whether any journey may want this event."""
        ...

    def hold_for(self, event: Event) -> Hold | None:
        """The hold that an event puts in force."""
        ...

    def opened_by(
        self, event: Event, running: Sequence[JourneyState], starts: Starts
    ) -> tuple[JourneyState, ...]:
        """The journeys that an event opens, as they stand before a worker has looked at them."""
        ...

    async def hand_over(
        self, event: Event, running: Sequence[JourneyState], starts: Starts
    ) -> tuple[str, ...]:
        """Delivers an event to its journeys. Raises JourneysUnavailable."""
        ...


class Push(Protocol):
    """Turns an event and the customer's history into feature rows, and writes them."""

    def features(self, event: Event, history: Sequence[Event]) -> Features:
        """The values of the pushed views after this event."""
        ...

    async def write(self, customer: str, features: Features, event: Event) -> None:
        """Writes them online."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """How many were new or known, which journeys they reached, whether some wait for Temporal."""

    accepted: int
    duplicates: int
    journeys: tuple[str, ...]
    pending: bool


class Acceptance:
    """Accepts events for the API; carries on for the reconciler what an attempt left behind."""

    def __init__(self, ledger: Ledger, journeys: Journeys, push: Push) -> None:
        self._ledger = ledger
        self._journeys = journeys
        self._push = push

    async def accept(self, events: Sequence[Event]) -> Accepted:
        """Accepts events in order. Raises Unavailable when one can't be: repeating all is safe."""
        taken = await self._ledger.journal.write(
            lambda connection: [self._take(connection, event) for event in events]
        )
        reached: list[str] = []
        pending = False
        for arrival in taken:
            done = await (self._carry_through(arrival) if arrival.mine else self._wait_for(arrival))
            reached.extend(done.journeys)
            pending = pending or done.progress is not Progress.ROUTED
        new = sum(arrival.new for arrival in taken)
        return Accepted(
            accepted=new,
            duplicates=len(taken) - new,
            journeys=tuple(dict.fromkeys(reached)),
            pending=pending,
        )

    async def carry_on(self, limit: int = 200) -> int:
        """Takes events that an attempt left behind as far as they get; how many are through."""
        left = await self._ledger.journal.read(
            lambda connection: arrivals.unfinished(connection, limit, _FIRST)
        )
        through = 0
        for event in left:
            taken = await self._ledger.journal.write(
                lambda connection, event=event: self._take(connection, event)
            )
            if not taken.mine:
                continue
            try:
                done = await self._carry_through(taken, patience=0.0)
            except Unavailable:
                continue
            except Exception:  # one event that can't be handled must not stop those behind it
                _log.exception("event %s of %s can't be carried on", event.id, event.source)
                continue
            through += done.progress is Progress.ROUTED
        return through

    def _take(self, connection: Connection, event: Event) -> Arrival:
        """The event, with the hold or consent it implies: a rebuild knows them all or none."""
        arrival = arrivals.take(connection, event)
        if arrival.new:
            hold = self._journeys.hold_for(arrival.event)
            if hold is not None:
                facts.keep_hold(connection, event.customer, hold)
            if event.type == "consent.changed":
                keep_consents(connection, [_consent(arrival.event)])
        return arrival

    async def _carry_through(self, arrival: Arrival, patience: float = _TURN_SECONDS) -> Arrival:
        event = arrival.event
        try:
            if arrival.progress is Progress.JOURNALLED:
                await self._put_in_force(event)
            return await self._route(arrival, patience)
        except Unavailable:
            await self._ledger.journal.write(
                lambda connection: arrivals.give_up(connection, event.seq)
            )
            raise

    async def _put_in_force(self, event: Event) -> None:
        hold = self._journeys.hold_for(event)
        if hold is not None:
            covered = await self._ledger.enforce_hold(event.customer, hold)
            await self._ledger.let_land(event.customer, hold, covered)
        if event.type == "consent.changed":
            await self._enforce_consent(event)
        if changed_view(event.type) is not None:
            await self._push_features(event)

    async def _push_features(self, event: Event) -> None:
        since = milliseconds(event.at - HISTORY)
        history = await self._ledger.journal.read(
            lambda connection: arrivals.history(connection, event.customer, since, event.seq)
        )
        features = self._push.features(event, history)
        await self._push.write(event.customer, features, event)

    async def _enforce_consent(self, event: Event) -> None:
        recorded = await self._ledger.journal.read(
            lambda connection: recorded_by(connection, event.customer, _source(event))
        )
        await self._ledger.enforce_consents(recorded)

    async def _route(self, arrival: Arrival, patience: float) -> Arrival:
        event = arrival.event
        if not self._journeys.concerns(event):
            await self._note(event, Progress.ROUTED)
            return replace(arrival, progress=Progress.ROUTED)
        if await self._waits_behind(event, patience):
            await self._note(event, Progress.IN_FORCE)
            return replace(arrival, progress=Progress.IN_FORCE)
        try:
            running = await self._ledger.journeys(event.customer)
            starts = await self._ledger.journal.read(
                lambda connection: arrivals.starts(connection, event)
            )
            for journey in self._journeys.opened_by(event, running, starts):
                await self._ledger.put_journey(event.customer, journey)
            journeys = await self._journeys.hand_over(event, running, starts)
        except JourneysUnavailable:
            await self._note(event, Progress.IN_FORCE)
            return replace(arrival, progress=Progress.IN_FORCE)
        await self._note(event, Progress.ROUTED, journeys)
        return replace(arrival, progress=Progress.ROUTED, journeys=journeys)

    async def _waits_behind(self, event: Event, patience: float) -> bool:
        """Whether an earlier event of this customer is still on its way, after a moment for it."""
        end = time.monotonic() + patience
        while await self._ledger.journal.read(
            lambda connection: arrivals.waits_behind(connection, event)
        ):
            if time.monotonic() >= end:
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    def _note(
        self, event: Event, progress: Progress, journeys: Sequence[str] = ()
    ) -> Awaitable[None]:
        return self._ledger.journal.write(
            lambda connection: arrivals.advance(connection, event.seq, progress, journeys)
        )

    async def _wait_for(self, arrival: Arrival) -> Arrival:
        """A duplicate is through when the first is; an attempt that died is taken over."""
        end = time.monotonic() + _PATIENCE_SECONDS
        event = arrival.event
        while arrival.progress is not Progress.ROUTED:
            if time.monotonic() > end:
                raise Unavailable(
                    "another call is accepting this event and does not finish; repeat it later"
                )
            await asyncio.sleep(_POLL_SECONDS)
            arrival = await self._ledger.journal.write(
                lambda connection: self._take(connection, event)
            )
            if arrival.mine:
                return await self._carry_through(arrival)
        return arrival


def _source(event: Event) -> str:
    return f"event {event.source} {event.id}"


def _consent(event: Event) -> Consent:
    return Consent(
        customer=event.customer,
        purpose=event.data["purpose"],
        channel=event.data["channel"],
        granted=bool(event.data["granted"]),
        source=_source(event),
        at=event.at,
    )
