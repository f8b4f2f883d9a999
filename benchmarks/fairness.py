"""How long a complaint takes: alone, and while a campaign waits for the worker.

By hand, on a quiet machine: python -m benchmarks.fairness --starts 1000
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes

from api.ports import free_port
from api.running import at_running_stack
from api.settings import load_settings, site
from api.stack import stack_of
from engine.types import Event
from workflows import search_attributes, steps
from workflows.parts import Parts, open_parts
from workflows.routing import ONBOARDING, opening, routes
from workflows.starting import COMPLAINT, priority_of

CAMPAIGN = "customer.joined"
AT_ONCE = 32
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
PORTS = ("--api-port", "--temporal-port", "--temporal-ui-port", "--redis-port")

_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Seconds from the event to its 202, which is when the hold is in force, and to a message.

    `waiting`: how many journeys no worker had looked at when the complaint came.
    """

    acknowledged: float
    spoken: float
    waiting: int


async def complain(client: httpx.AsyncClient, parts: Parts) -> Taken:
    """One complaint, until its first message is out."""
    waiting = await _waiting(parts)
    customer = f"complainant-{next(_numbers)}"
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
    (await client.post("/v1/events", json=event, headers=kind)).raise_for_status()
    acknowledged = time.perf_counter() - begun
    while not (await client.get(f"/v1/customers/{customer}/inbox")).json()["messages"]:
        if time.perf_counter() - begun > PATIENCE_SECONDS:
            raise TimeoutError(f"no message within {PATIENCE_SECONDS:g} s")
        await asyncio.sleep(POLL_SECONDS)
    return Taken(acknowledged=acknowledged, spoken=time.perf_counter() - begun, waiting=waiting)


async def _waiting(parts: Parts) -> int:
    query = "ExecutionStatus = 'Running' AND Stage = 'started'"
    return (await parts.client.count_workflows(query)).count


async def start_many(parts: Parts, starts: int, priority: Priority | None) -> None:
    """A campaign: so many journeys start, as fast as Temporal takes them."""
    names = [f"campaign-{next(_numbers)}" for _ in range(starts)]
    await parts.ledger.customers.remember_all(names)
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with slots:
            await _start(parts, await parts.ledger.customers.resolve(name), priority)

    await asyncio.gather(*map(one, names))


async def _start(parts: Parts, customer: str, priority: Priority | None) -> None:
    event = Event(
        source="benchmark",
        id=customer,
        type=CAMPAIGN,
        customer=customer,
        at=parts.ledger.clock.now(),
    )
    (route,) = (one for one in routes(event) if one.kind == ONBOARDING)
    begun = opening(parts.site, event, parts.bundle(), route)
    attributes = (
        SearchAttributePair(search_attributes.KIND, begun.kind),
        SearchAttributePair(search_attributes.CUSTOMER, customer),
        SearchAttributePair(search_attributes.STAGE, "started"),
    )
    await parts.client.start_workflow(
        begun.kind,
        begun,
        id=begun.journey,
        task_queue=parts.site.task_queue,
        priority=priority or priority_of(begun.kind),
        start_signal=steps.EVENT,
        start_signal_args=[begun.event],
        search_attributes=TypedSearchAttributes(list(attributes)),
    )


async def measure(data_dir: Path, starts: int, complaints: int) -> Mapping[str, Sequence[Taken]]:
    """Complaints one after the other: alone, beside a campaign, beside one as urgent as they."""
    settings = at_running_stack(load_settings({"data_dir": data_dir}))
    found = dict[str, Sequence[Taken]]()
    async with (
        open_parts(site(settings)) as parts,
        httpx.AsyncClient(base_url=settings.api, timeout=PATIENCE_SECONDS, trust_env=False) as http,
    ):
        await complain(http, parts)  # the first one warms up
        found["alone"] = [await complain(http, parts) for _ in range(complaints)]
        for name, priority in (
            ("beside a campaign", None),
            ("beside one as urgent as they", priority_of(COMPLAINT)),
        ):
            await start_many(parts, starts, priority)
            found[name] = [await complain(http, parts) for _ in range(complaints)]
            await _until_none_waits(parts)
    return found


async def _until_none_waits(parts: Parts) -> None:
    while True:
        if not await _waiting(parts):
            return
        await asyncio.sleep(0.5)


def told(name: str, taken: Sequence[Taken]) -> str:
    """One row of the table."""
    columns = (
        [1000 * one.acknowledged for one in taken],
        [1000 * one.spoken for one in taken],
    )
    times = "  ".join(f"{sorted(each)[len(each) // 2]:6.0f} {max(each):6.0f}" for each in columns)
    waiting = f"{taken[0].waiting} to {taken[-1].waiting} waited"
    return f"{name:<30}  {times}   {waiting}"


def main() -> None:
    """Starts a stack of its own, measures, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=300)
    parser.add_argument("--complaints", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ports = [word for name in PORTS for word in (name, str(free_port()))]
        with stack_of("--data-dir", folder, *ports):
            found = asyncio.run(measure(Path(folder), asked.starts, asked.complaints))
    head = f"{'milliseconds, median and worst':<30}  {'hold in force':>13}  {'first message':>13}"
    rows = [told(name, taken) for name, taken in found.items()]
    sys.stdout.write("\n".join([head, *rows]) + "\n")


if __name__ == "__main__":
    main()
