"""Who starts walks, hears of their messages, and answers them as customers and operators do."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, cycle
from typing import Any, cast

from redis.asyncio import Redis
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from benchmarks.bare_walks import Path
from benchmarks.journey_stack import JourneyStack
from benchmarks.walk_parts import ASK, BARE, CHOICES, HEAR, KIT, REPLIED, Errand
from benchmarks.walk_worker import TOLD
from engine.catalog import Bundle
from engine.ledger import open_ledger
from engine.ledger.site import Site
from workflows import routing, search_attributes, starting, steps
from workflows.clock import JourneyClock
from workflows.connection import connect
from workflows.orders import Act, Intervention
from workflows.steps import Heard

PATIENCE = timedelta(seconds=60)
AGAIN_SECONDS = 0.1
HEAR_AT_ONCE = 100
AT_ONCE = 32
BEGUN_SHARE = 0.95
BEGUN_SECONDS = 300.0

Handle = WorkflowHandle[Any, Any]


@dataclass(slots=True, kw_only=True)
class Walker:
    """One running walk; `laps` counts the messages that came of it."""

    kind: str
    handle: Handle
    errand: Errand
    laps: int = 0


@dataclass(slots=True, kw_only=True)
class Walkers:
    """Starts walks and answers them. Answers take `think` seconds to come."""

    client: Client
    redis: Redis
    site: Site
    bundle: Bundle
    customers: Iterator[str]
    think: float
    walking: dict[str, Walker] = field(default_factory=dict[str, Walker])
    laps: int = 0
    answering: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def start(self, kind: str, errand: Errand, *, answered: bool = True) -> Walker:
        """One more walk, of the next customer."""
        customer, name = next(self.customers), f"n{next(self.numbers)}"
        begin = self._start_kit if kind == KIT else self._start_bare
        handle = await begin(customer, name, errand)
        walker = Walker(kind=kind, handle=handle, errand=errand)
        if answered:
            self.walking[handle.id] = walker
        return walker

    async def start_many(self, kind: str, errands: Iterable[Errand]) -> None:
        """All these, as fast as Temporal takes them."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(errand: Errand) -> None:
            async with slots:
                await self.start(kind, errand)

        await asyncio.gather(*map(one, errands))

    async def all_begun(self) -> None:
        """Until the worker has taken up all that were started, but for a few that are on the move.

        Raises TimeoutError when that takes minutes.
        """
        waiting = (
            f"WorkflowType = '{KIT}' AND ExecutionStatus = 'Running'"
            f" AND {search_attributes.WAITING_FOR.name} IS NOT NULL"
        )
        async with asyncio.timeout(BEGUN_SECONDS):
            while True:
                found = await self.client.count_workflows(waiting)
                if found.count >= BEGUN_SHARE * len(self.walking):
                    return
                await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """No more answers; what still walks is terminated."""
        for task in self.answering:
            task.cancel()
        await asyncio.gather(*self.answering, return_exceptions=True)
        left, self.walking = tuple(self.walking.values()), {}
        slots = asyncio.Semaphore(AT_ONCE)

        async def end(walker: Walker) -> None:
            async with slots:
                with suppress(Exception):  # it has ended by itself
                    await walker.handle.terminate("the turn is over")

        await asyncio.gather(*map(end, left))

    async def reply(self, walker: Walker) -> None:
        """A person replies to the customer."""
        key = f"reply-{next(self.numbers)}"
        heard = Heard(key=key, type=REPLIED, at=self.site.clock.now())
        await walker.handle.signal(steps.EVENT, heard, rpc_timeout=PATIENCE)

    async def decide(self, walker: Walker) -> None:
        """An operator answers the question, once there is one."""
        answer = Intervention(author="bench", because="it goes on", choice=CHOICES[0])
        while True:
            try:
                await walker.handle.execute_update(Act.ANSWER.value, answer, rpc_timeout=PATIENCE)
            except WorkflowUpdateFailedError:
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def listen(self) -> None:
        """For ever: each message that is out is a lap, and is answered."""
        while True:
            first = await cast(Awaitable[Any], self.redis.blpop([TOLD], timeout=1))
            more = await cast(Awaitable[Any], self.redis.lpop(TOLD, HEAR_AT_ONCE))
            for journey in [first[1], *(more or ())] if first else ():
                walker = self.walking.get(journey.decode())
                if walker is not None:
                    self._answer(walker)

    def _answer(self, walker: Walker) -> None:
        self.laps += 1
        walker.laps += 1
        task = asyncio.create_task(self._answers(walker, walker.laps))
        self.answering.add(task)
        task.add_done_callback(self.answering.discard)

    async def _answers(self, walker: Walker, lap: int) -> None:
        """What follows a message; after the last lap somebody else begins."""
        if HEAR in walker.errand.parts:
            await asyncio.sleep(self.think)
            await self.reply(walker)
        if ASK in walker.errand.parts:
            await asyncio.sleep(self.think)
            await self.decide(walker)
        if lap == walker.errand.laps:
            await asyncio.sleep(self.think)
            del self.walking[walker.handle.id]
            await self.start(walker.kind, walker.errand)

    async def _start_bare(self, customer: str, name: str, errand: Errand) -> Handle:
        return await self.client.start_workflow(
            BARE,
            Path(customer=customer, name=name, errand=errand),
            id=f"{BARE}:{customer}:{name}",
            task_queue=self.site.task_queue,
            rpc_timeout=PATIENCE,
        )

    async def _start_kit(self, customer: str, name: str, errand: Errand) -> Handle:
        event = Heard(key=name, type=REPLIED, at=self.site.clock.now(), data=errand.told())
        opening = routing.new_opening(
            kind=KIT,
            customer=customer,
            name=name,
            clock=JourneyClock(anchor=self.site.clock.anchor, lapse=self.site.clock.lapse),
            event=event,
            bundle=self.bundle,
        )
        await starting.start(
            self.client,
            self.site.task_queue,
            opening,
            first=event,
            memo={},
            again=True,
            patience=PATIENCE,
        )
        return self.client.get_workflow_handle(opening.journey)


@asynccontextmanager
async def open_walkers(
    stack: JourneyStack, bundle: Bundle, think: float
) -> AsyncGenerator[Walkers]:
    """Walkers that listen until the end of the block."""
    async with open_ledger(stack.site) as ledger:
        await cast(Awaitable[Any], ledger.redis.delete(TOLD))
        walkers = Walkers(
            client=await connect(stack.site),
            redis=ledger.redis,
            site=stack.site,
            bundle=bundle,
            customers=cycle([known.customer for known in stack.customers]),
            think=think,
        )
        listening = asyncio.create_task(walkers.listen())
        try:
            yield walkers
        finally:
            listening.cancel()
            await walkers.stop()
