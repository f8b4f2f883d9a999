"""What API, worker and reconciler share: ledger, models, bundle, engine, the way to Temporal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client

from engine.catalog import Bundle
from engine.errors import JourneysUnavailable, LiveStateUnavailable
from engine.ledger import Ledger, open_ledger
from engine.ledger.bundles import BundleInForce
from engine.ledger.evidence import EvidenceCounts
from engine.ledger.site import Site
from engine.live import Decider
from engine.types import Event, Hold, JourneyState, Scalar
from feature_store.online import OnlineReader, Row, write_rows
from feature_store.push import pushed
from feature_store.schema import FEATURES, PUSHED
from models.score import ModelScorer
from workflows import routing
from workflows.acceptance import Acceptance, Features, Starts
from workflows.connection import connect

_log = logging.getLogger(__name__)

REFRESH_SECONDS = 0.5
"""An emergency stop that is written into a bundle is in force within a second."""
_BREAK_SECONDS = 1.0
"""For so long after a failure Temporal is left alone: callers need not wait, the relay tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One process's share of a stack."""

    site: Site
    ledger: Ledger
    scorer: ModelScorer
    bundle: BundleInForce
    decider: Decider
    client: Client
    acceptance: Acceptance


@asynccontextmanager
async def open_parts(
    site: Site, patience: timedelta = routing.DOOR_PATIENCE
) -> AsyncGenerator[Parts]:
    """Opens the parts and keeps bundle and models up to date until they are closed.

    `patience`: how long an event that is handed over waits for each call to Temporal.
    """
    async with open_ledger(site) as ledger:
        evidence = EvidenceCounts(ledger.redis)
        scorer = ModelScorer(site, evidence)
        bundle = BundleInForce(
            site.bundle,
            site.data_dir / "bundles",
            lambda: scorer.models,
            features=set(FEATURES),
            pushed={view.name for view in PUSHED},
        )
        client = await connect(site, lazy=True)
        journeys = TemporalJourneys(client, site, bundle, patience)
        acceptance = Acceptance(ledger, journeys, OnlinePush(ledger))
        decider = Decider(ledger, OnlineReader(), scorer, bundle)
        refreshing = asyncio.create_task(_refresh(scorer, bundle, evidence))
        try:
            yield Parts(
                site=site,
                ledger=ledger,
                scorer=scorer,
                bundle=bundle,
                decider=decider,
                client=client,
                acceptance=acceptance,
            )
        finally:
            refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await refreshing


async def _refresh(scorer: ModelScorer, bundle: BundleInForce, evidence: EvidenceCounts) -> None:
    while True:
        with suppress(LiveStateUnavailable):  # decisions go by what was known
            await evidence.refresh(bundle().exploration)
        await asyncio.sleep(REFRESH_SECONDS)
        try:
            await asyncio.to_thread(scorer.refresh)
            await asyncio.to_thread(bundle.refresh)
        except Exception:  # what is in use stays in use, and the next turn tries again
            _log.exception("models and bundle can't be brought up to date")


class TemporalJourneys:
    """The journeys of acceptance, on Temporal, with a breaker."""

    def __init__(
        self, client: Client, site: Site, bundle: Callable[[], Bundle], patience: timedelta
    ) -> None:
        self._client = client
        self._site = site
        self._bundle = bundle
        self._patience = patience
        self._closed_until = 0.0

    def concerns(self, event: Event) -> bool:
        """Whether any journey may want this event."""
        return routing.concerns(event)

    def hold_for(self, event: Event) -> Hold | None:
        """The hold that an event puts in force."""
        return routing.hold_for(event, self._bundle())

    def opened_by(
        self, event: Event, running: Sequence[JourneyState], starts: Starts
    ) -> tuple[JourneyState, ...]:
        """The journeys that an event opens, as they stand before a worker has looked at them."""
        known = {journey.id for journey in running}
        return tuple(
            routing.first_state(event, route)
            for route in routing.allowed(event, self._bundle(), running, starts)
            if route.starts and route.journey_id not in known
        )

    async def hand_over(
        self, event: Event, running: Sequence[JourneyState], starts: Starts
    ) -> tuple[str, ...]:
        """Delivers an event to its journeys.

        Raises JourneysUnavailable, and does so at once while Temporal is known to be away.
        """
        if time.monotonic() < self._closed_until:
            raise JourneysUnavailable(
                f"Temporal at {self._site.temporal_address} was away a moment ago"
            )
        try:
            return await routing.hand_over(
                self._client, self._site, event, self._bundle(), running, starts, self._patience
            )
        except JourneysUnavailable:
            self._closed_until = time.monotonic() + _BREAK_SECONDS
            raise


class OnlinePush:
    """The pushed views of acceptance, in the online store."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def features(self, event: Event, history: Sequence[Event]) -> Features:
        """The values of the pushed views after this event."""
        return pushed(event, history)

    async def write(
        self, customer: str, features: Mapping[str, Mapping[str, Scalar]], event: Event
    ) -> None:
        """Writes them online."""
        rows = [
            Row(customer=customer, view=view, values=values, at=event.at)
            for view, values in features.items()
        ]
        await write_rows(self._ledger.redis, rows)
