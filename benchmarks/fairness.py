"""How long a complaint waits for its first step: alone, and while a campaign waits for the worker.

By hand, on a quiet machine: python -m benchmarks.fairness --starts 10000
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes

from benchmarks.bundles import write_example
from benchmarks.journey_stack import JourneyStack, open_stack
from benchmarks.stack import bundle_of, open_yard
from engine.catalog import Bundle
from engine.types import Event
from workflows import search_attributes, steps
from workflows.connection import connect
from workflows.routing import ONBOARDING, opening, routes
from workflows.starting import COMPLAINT, priority_of

CAMPAIGN = "customer.joined"
AT_ONCE = 32
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 300.0
WARM_UP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Seconds from each complaint to its first message; `waiting`: how many journeys of the
    campaign no worker had looked at when the last of them was through.
    """

    taken: Sequence[float]
    waiting: int = 0

    @property
    def median(self) -> float:
        """The usual one."""
        return statistics.median(self.taken)


@dataclass(slots=True, kw_only=True)
class Campaign:
    """Complaints one after the other, and campaigns that wait for the worker beside them."""

    stack: JourneyStack
    bundle: Bundle
    client: Client
    api: httpx.AsyncClient
    numbers: Iterator[int]

    async def alone(self, complaints: int) -> Beside:
        """Nothing else is going on."""
        for _ in range(WARM_UP):
            await self.complain()
        return Beside(taken=[await self.complain() for _ in range(complaints)])

    async def beside(
        self, starts: int, complaints: int, priority: Priority | None = None
    ) -> Beside:
        """So many journeys have started that nobody has looked at when the worker begins."""
        self.stack.kill_worker()
        begun = await self._start_many(starts, priority)
        self.stack.start_worker()
        for _ in range(WARM_UP):
            await self.complain()
        taken = [await self.complain() for _ in range(complaints)]
        waiting = await self._waiting()
        await self._end(begun)
        return Beside(taken=taken, waiting=waiting)

    async def complain(self) -> float:
        """One complaint: seconds until its first message is out."""
        customer = f"complainant-{next(self.numbers)}"
        event = {
            "specversion": "1.0",
            "id": customer,
            "source": "benchmark",
            "type": "complaint.opened",
            "subject": customer,
            "data": {"case": "1"},
        }
        kind = {"content-type": "application/cloudevents+json"}
        begun = time.perf_counter()
        (await self.api.post("/v1/events", json=event, headers=kind)).raise_for_status()
        while not (await self.api.get(f"/v1/customers/{customer}/inbox")).json()["messages"]:
            if time.perf_counter() - begun > PATIENCE_SECONDS:
                raise TimeoutError(f"no message within {PATIENCE_SECONDS:g} s")
            await asyncio.sleep(POLL_SECONDS)
        return time.perf_counter() - begun

    async def _waiting(self) -> int:
        query = "ExecutionStatus = 'Running' AND Stage = 'started'"
        return (await self.client.count_workflows(query)).count

    async def _start_many(self, starts: int, priority: Priority | None) -> Sequence[str]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one() -> str:
            async with slots:
                return await self._start(f"joiner-{next(self.numbers)}", priority)

        return await asyncio.gather(*(one() for _ in range(starts)))

    async def _start(self, customer: str, priority: Priority | None) -> str:
        """An onboarding, as the event that opens it would start it."""
        place = self.stack.site
        event = Event(
            source="benchmark", id=customer, type=CAMPAIGN, customer=customer, at=place.clock.now()
        )
        (route,) = (one for one in routes(event) if one.kind == ONBOARDING)
        begun = opening(place, event, self.bundle, route)
        attributes = (
            SearchAttributePair(search_attributes.KIND, begun.kind),
            SearchAttributePair(search_attributes.CUSTOMER, customer),
            SearchAttributePair(search_attributes.STAGE, "started"),
        )
        await self.client.start_workflow(
            begun.kind,
            begun,
            id=begun.journey,
            task_queue=place.task_queue,
            priority=priority or priority_of(begun.kind),
            start_signal=steps.EVENT,
            start_signal_args=[begun.event],
            search_attributes=TypedSearchAttributes(list(attributes)),
        )
        return begun.journey

    async def _end(self, journeys: Sequence[str]) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(journey: str) -> None:
            async with slots:
                with suppress(Exception):  # it has ended by itself
                    await self.client.get_workflow_handle(journey).terminate("the campaign is over")

        await asyncio.gather(*map(one, journeys))


async def open_campaign(stack: JourneyStack, bundle: Bundle, api: httpx.AsyncClient) -> Campaign:
    """For a stack with worker and API."""
    client = await connect(stack.site)
    return Campaign(stack=stack, bundle=bundle, client=client, api=api, numbers=count(1))


def told(name: str, found: Beside) -> str:
    """One row of the table."""
    times = f"{1000 * found.median:>10.0f}{1000 * max(found.taken):>10.0f}"
    return f"{name:<34}{times}{found.waiting:>16}"


async def compare(
    stack: JourneyStack, bundle: Bundle, api: httpx.AsyncClient, asked: argparse.Namespace
) -> dict[str, Beside]:
    """Alone, beside a campaign, and beside one as urgent as complaints."""
    campaign = await open_campaign(stack, bundle, api)
    return {
        "alone": await campaign.alone(asked.complaints),
        "beside a campaign": await campaign.beside(asked.starts, asked.complaints),
        "beside one as urgent as they": await campaign.beside(
            asked.urgent, asked.complaints, priority_of(COMPLAINT)
        ),
    }


def main() -> None:
    """Starts a stack of its own, measures, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=1_000)
    parser.add_argument("--urgent", type=int, default=100)
    parser.add_argument("--complaints", type=int, default=5)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="tactful-bench-") as folder,
        open_yard(Path(folder), lambda line: None) as yard,
    ):
        business = write_example(yard.folder / "example")
        stack = open_stack(yard, business, customers=1)
        stack.start_worker()
        stack.start_reconciler()
        url = stack.start_api()

        async def run() -> dict[str, Beside]:
            async with httpx.AsyncClient(
                base_url=url, timeout=PATIENCE_SECONDS, trust_env=False
            ) as api:
                return await compare(stack, bundle_of(business), api, asked)

        found = asyncio.run(run())
    head = f"{'to the first message, ms':<34}{'median':>10}{'worst':>10}{'still waited':>16}"
    sys.stdout.write("\n".join([head, *(told(name, one) for name, one in found.items())]) + "\n")


if __name__ == "__main__":
    main()
