"""How long a complaint takes from its event to its hold, while other journeys run."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httpx

from benchmarks.population import Known
from engine.ledger import Ledger, keys

LOOK_SECONDS = 0.001
KIND = {"content-type": "application/cloudevents+json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """Milliseconds from the event to its hold, and to the answer that says so."""

    held: float
    answered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """So many complaints, so many seconds apart."""

    complaints: int
    apart: float


async def complain(api: httpx.AsyncClient, ledger: Ledger, customer: Known, case: str) -> Silenced:
    """One complaint, until it is in force and answered."""
    began = time.perf_counter()
    answer = asyncio.create_task(_send(api, customer, case))
    name, field = keys.live(customer.customer), f"h:complaint:{case}"
    while not await cast(Awaitable[Any], ledger.redis.hexists(name, field)):
        if answer.done():
            answer.result()
        await asyncio.sleep(LOOK_SECONDS)
    held = time.perf_counter() - began
    answered = await answer - began
    return Silenced(held=1000 * held, answered=1000 * answered)


async def silence(
    api: httpx.AsyncClient, ledger: Ledger, customers: Iterator[Known], tempo: Tempo
) -> Sequence[Silenced]:
    """Complaints of different customers at a steady tempo, however long each takes."""
    begun: list[asyncio.Task[Silenced]] = []
    for number in range(tempo.complaints):
        case = f"b{number}"
        begun.append(asyncio.create_task(complain(api, ledger, next(customers), case)))
        await asyncio.sleep(tempo.apart)
    return await asyncio.gather(*begun)


async def _send(api: httpx.AsyncClient, customer: Known, case: str) -> float:
    event = {
        "specversion": "1.0",
        "id": f"{customer.external_id}-{case}",
        "source": "benchmark",
        "type": "complaint.opened",
        "subject": customer.external_id,
        "data": {"case": case},
    }
    (await api.post("/v1/events", json=event, headers=KIND)).raise_for_status()
    return time.perf_counter()
