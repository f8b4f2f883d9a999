"""300 customers live through 30 days on the real servers while workers are killed all the time."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.ledger.clock import open_clock
from tests.support import gathering
from tests.support.audit import findings, tallies
from tests.support.crew import Crew, crew, deploy
from tests.support.evidence import Delivery, Evidence, Kill
from tests.support.living import FlakyProvider, Life
from tests.support.month import DAYS, Step, month
from tests.support.outside import Outside, Receiver, load, outside, receiver, until

CUSTOMERS = 300
LAPSE = 2_880
"""A day in 30 seconds: what workers that are killed all the time can keep up with."""

PROVIDER_SECONDS = 0.1
OLD_BUILD, NEW_BUILD = "march", "april"
DEPLOYED_ON_DAY = 10.0
ACCIDENT_ON_DAY, TERMINATED = 16.0, 4
AFTERMATH_DAYS = 1.5
"""So much longer workers are killed: who joined first has the call after the first month."""
REST_SECONDS = 300.0


@pytest.mark.long
def test_300_customers_live_through_30_days_while_workers_are_killed_every_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TACTFUL_WORKER_BUILD", OLD_BUILD)
    monkeypatch.setenv("TACTFUL_TRAINING_HOURS", "0")  # two cores are short without it
    with receiver() as provider, outside(tmp_path, lapse=LAPSE, webhook=provider.url) as stack:
        provider.status, provider.delay_seconds = FlakyProvider(), PROVIDER_SECONDS
        customers, clock = load(tmp_path, CUSTOMERS), open_clock(tmp_path)
        life = Life(stack, clock)
        steps = month(customers, clock.now().date())
        with crew(stack, provider.url, OLD_BUILD) as workers:
            lost = lived_through(life, steps, workers, stack)
            standing = asyncio.run(come_to_rest(stack))
        with stack.stopped("worker"):  # nobody works any more: all records are of one moment
            evidence = asyncio.run(gathered(stack, life, provider, workers.kills, standing, lost))

    with capsys.disabled():
        sys.stdout.write(told(evidence, life))
    assert life.refused == []
    assert findings(evidence) == []


def lived_through(
    life: Life, steps: Sequence[Step], workers: Crew, stack: Outside
) -> frozenset[str]:
    """The month, a new build of the workers in its middle, an accident, and calm in the end; the
    journeys that the accident ended.
    """
    over = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        sending = pool.submit(life.live, steps)
        people = pool.submit(life.answer_journeys, over)
        try:
            life.wait_until(DEPLOYED_ON_DAY)
            workers.change(2, NEW_BUILD)
            deploy(stack.data_dir, NEW_BUILD)
            life.wait_until(ACCIDENT_ON_DAY)
            lost = asyncio.run(terminated(stack))
            workers.change(1, NEW_BUILD)
            sending.result()
            life.wait_until(DAYS + AFTERMATH_DAYS)
        finally:
            workers.calm.set()
            over.set()
        people.result()
    return lost


async def terminated(stack: Outside) -> frozenset[str]:
    """Somebody terminates some complaints in Temporal, as nobody should."""
    listed = until(
        lambda: stack.http.get("/v1/journeys?kind=complaint&open=true&limit=1000"),
        lambda reply: reply.status_code == 200,
        what="a list of the open complaints",
    )
    open_ones = listed.json()["journeys"]
    of_work = [one for one in open_ones if one["stage"] in ("open", "escalated")]
    lost = [one["id"] for one in sorted(of_work, key=lambda one: one["customer"])][:TERMINATED]
    async with gathering.opened(stack.data_dir) as (_, client):
        for journey in lost:
            await client.get_workflow_handle(journey).terminate("by accident")
    return frozenset(lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the open journeys stand, and when that was seen."""

    at: float
    waiting: dict[str, str]
    restless: dict[str, str]


async def come_to_rest(stack: Outside) -> Standing:
    """Give each open journey time to be seen waiting."""
    async with gathering.opened(stack.data_dir) as (ledger, client):
        now = ledger.clock.now
        waiting, restless = await gathering.watch_come_to_rest(client, now, REST_SECONDS)
        at = time.time()
        stuck = await gathering.stuck_tasks(client, waiting)
    return Standing(at=at, waiting=waiting, restless={**restless, **stuck})


async def gathered(
    stack: Outside,
    life: Life,
    provider: Receiver,
    kills: Sequence[Kill],
    standing: Standing,
    lost: frozenset[str],
) -> Evidence:
    """All that is on record."""
    async with gathering.opened(stack.data_dir) as (ledger, client):
        names = await ledger.journal.read(gathering.names)
        shown = await ledger.journal.read(gathering.kept_for_display(ledger.clock))
        return Evidence(
            clock=ledger.clock,
            began=life.began,
            looked=standing.at,
            ended=time.time(),
            told=tuple(life.told),
            answered=tuple(replace(one, customer=names[one.customer]) for one in life.answered),
            deliveries=(*deliveries(provider, names), *shown),
            kills=tuple(kills),
            events=await ledger.journal.read(gathering.events),
            messages=await ledger.journal.read(gathering.messages),
            holds=await gathering.holds(ledger),
            decisions=gathering.decisions(stack.data_dir / "archive"),
            runs=await gathering.runs_of(client),
            waiting=standing.waiting,
            restless=standing.restless,
            lost_on_purpose=lost,
            complaints_of_workers=tuple(gathering.trouble(stack.data_dir / "logs")),
        )


def deliveries(provider: Receiver, names: dict[str, str]) -> tuple[Delivery, ...]:
    """The ledger of the provider."""
    return tuple(
        gathering.delivery(one.body, one.at, names[one.body["customer"]], one.answered)
        for one in provider.received
    )


def told(evidence: Evidence, life: Life) -> str:
    """What the month was like."""
    kinds = Counter(run.kind for run in evidence.runs)
    statuses = Counter(run.status for run in evidence.runs)
    whose = Counter(kill.who for kill in evidence.kills)
    lines = (
        f"{evidence.days:.1f} days in {evidence.ended - evidence.began:.0f} s",
        f"{len(evidence.events)} events; journeys: {counted(kinds)}; runs: {counted(statuses)}",
        f"{len(evidence.kills)} kills: {counted(whose)}; {life.people} answers of people",
        counted(tallies(evidence)),
        f"{len(evidence.waiting)} wait; {len(evidence.decisions)} decisions in the log",
    )
    return "\n".join(("", *lines, ""))


def counted(counts: dict[str, int]) -> str:
    """Counts in words."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
