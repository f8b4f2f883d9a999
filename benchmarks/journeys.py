"""`tactful bench journeys`: steps and history beside bare Temporal, and complaints in a crowd.

Both walks are on one worker, in turns, round by round; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx

from benchmarks import cores, journey_report, report, unhurried
from benchmarks.bundles import write_example
from benchmarks.fairness import Beside, open_campaign
from benchmarks.journey_stack import JourneyStack, open_stack
from benchmarks.rush import Pace, Rushed, rush
from benchmarks.silence import Silenced, Tempo, silence
from benchmarks.stack import bundle_of, open_yard
from benchmarks.walk_parts import BARE, KIT, Errand
from benchmarks.walkers import Walkers, open_walkers
from engine.catalog import Bundle
from engine.ledger import open_ledger

CUSTOMERS = 2_000
THINK_SECONDS = 0.5
RUSHING = Errand(laps=5, pause=timedelta(seconds=0.2))
CROWD_LAPS = 1_000
CROWD_SHARE = 0.5
"""Of the steps that the worker takes in a rush, so many are taken while complaints come."""
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured: `crowd` journeys run while complaints come, `starts` is a campaign."""

    rounds: int
    pace: Pace
    crowd: int
    alive: Tempo
    dead: Tempo
    starts: int
    complaints: int


FULL = Effort(
    rounds=3,
    pace=Pace(walks=100, warm_up=4.0, seconds=10.0),
    crowd=1_000,
    alive=Tempo(complaints=100, apart=0.5),
    dead=Tempo(complaints=100, apart=0.1),
    starts=1_000,
    complaints=5,
)
QUICK = Effort(
    rounds=1,
    pace=Pace(walks=50, warm_up=3.0, seconds=5.0),
    crowd=200,
    alive=Tempo(complaints=40, apart=0.25),
    dead=Tempo(complaints=40, apart=0.1),
    starts=200,
    complaints=3,
)

Rounds = Sequence[Mapping[str, Rushed]]


def run(*, quick: bool = False, effort: Effort | None = None) -> dict[str, Any]:
    """Measures, and returns ratios, raw numbers and facts. Progress goes to stderr."""
    effort = effort or (QUICK if quick else FULL)
    facts, started, before = report.machine(), time.monotonic(), cores.share()
    with (
        tempfile.TemporaryDirectory(prefix="tactful-bench-") as folder,
        open_yard(Path(folder), say) as yard,
    ):
        business = write_example(yard.folder / "example")
        stack = open_stack(yard, business, CUSTOMERS)
        stack.start_worker()
        stack.start_reconciler()
        address = stack.start_api()
        found = asyncio.run(_measure(stack, bundle_of(business), address, effort))
    took = round(time.monotonic() - started)
    facts = {**facts, "withheld": before.withheld_until(cores.share())}
    result = {**found, "setting": {**asdict(effort), "took_seconds": took}, "machine": facts}
    return {**result, "verdicts": journey_report.verdicts(result)}


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as tables for people."""
    return journey_report.lines(result)


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{line}\n")


async def _measure(
    stack: JourneyStack, bundle: Bundle, address: str, effort: Effort
) -> dict[str, Any]:
    async with httpx.AsyncClient(
        base_url=address, timeout=PATIENCE_SECONDS, trust_env=False
    ) as api:
        async with open_walkers(stack, bundle, THINK_SECONDS) as walkers:
            say("histories, without hurry")
            events = await unhurried.events_per_step(walkers)
            rounds = [await _round(stack, walkers, effort.pace, n) for n in range(effort.rounds)]
        async with open_walkers(stack, bundle, THINK_SECONDS) as walkers:
            alive, dead, pace = await _crowd(stack, walkers, api, effort, rounds)
        stack.start_worker()
        alone, beside = await _campaign(stack, bundle, api, effort)
    return journey_report.put_together(
        events=events,
        rounds=rounds,
        alone=alone,
        beside=beside,
        alive=alive,
        dead=dead,
        crowd_steps_per_second=pace,
    )


async def _round(
    stack: JourneyStack, walkers: Walkers, pace: Pace, number: int
) -> Mapping[str, Rushed]:
    """Each in its turn, another one first in every round."""
    kinds = (KIT, BARE) if number % 2 == 0 else (BARE, KIT)
    found: dict[str, Rushed] = {}
    for kind in kinds:
        say(f"round {number + 1}: {kind}")
        found[kind] = await rush(stack, walkers, kind, RUSHING, pace)
    return found


async def _campaign(
    stack: JourneyStack, bundle: Bundle, api: httpx.AsyncClient, effort: Effort
) -> tuple[Beside, Beside]:
    campaign = await open_campaign(stack, bundle, api)
    say("complaints, alone")
    alone = await campaign.alone(effort.complaints)
    say(f"complaints beside a campaign of {effort.starts:,} starts")
    return alone, await campaign.beside(effort.starts, effort.complaints)


async def _crowd(
    stack: JourneyStack,
    walkers: Walkers,
    api: httpx.AsyncClient,
    effort: Effort,
    rounds: Rounds,
) -> tuple[Sequence[Silenced], Sequence[Silenced], float]:
    """Complaints while a crowd walks, then with no worker left; and the crowd's steps a second."""
    rate = CROWD_SHARE * min(one[KIT].steps_per_second for one in rounds)
    say(f"{effort.crowd:,} journeys begin")
    await walkers.start_many(KIT, _staggered(effort.crowd, rate))
    await walkers.all_begun()
    say(f"complaints while {effort.crowd:,} journeys run")
    customers = cycle(reversed(stack.customers))
    async with open_ledger(stack.site) as ledger:
        laps, began = walkers.laps, time.perf_counter()
        alive = await silence(api, ledger, customers, effort.alive)
        pace = (walkers.laps - laps) / (time.perf_counter() - began)
        say("complaints while no worker runs")
        stack.kill_worker()
        dead = await silence(api, ledger, customers, effort.dead)
    return alive, dead, pace * RUSHING.steps / RUSHING.laps


def _staggered(crowd: int, rate: float) -> Iterator[Errand]:
    """Errands whose laps begin one after the other, so that together they keep to this rate."""
    pause = crowd * RUSHING.steps / RUSHING.laps / rate
    for number in range(crowd):
        before = timedelta(seconds=pause * number / crowd)
        yield Errand(laps=CROWD_LAPS, pause=timedelta(seconds=pause), before=before)


def main() -> None:
    """`python -m benchmarks.journeys [--quick]`."""
    result = run(quick="--quick" in sys.argv)
    sys.stdout.write("\n".join(lines(result)) + "\n")


if __name__ == "__main__":
    main()
