"""How many steps a second a worker takes when it always has something to do, and what they cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat

from benchmarks import cores
from benchmarks.journey_stack import JourneyStack
from benchmarks.walk_parts import Errand, steps_of
from benchmarks.walkers import Walkers


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """So many walks at a time, measured for so many seconds after others to warm up."""

    walks: int
    warm_up: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rushed:
    """Steps per second; `spent` is the processor time of each process for one step, in ms."""

    steps_per_second: float
    spent: Mapping[str, float]


async def rush(
    stack: JourneyStack, walkers: Walkers, kind: str, errand: Errand, pace: Pace
) -> Rushed:
    """One turn: everybody walks at once, and whoever arrives is followed by somebody else."""
    await walkers.start_many(kind, repeat(errand, pace.walks))
    await asyncio.sleep(pace.warm_up)
    laps, spent, began = walkers.laps, _spent(stack), time.perf_counter()
    await asyncio.sleep(pace.seconds)
    took = time.perf_counter() - began
    steps = (walkers.laps - laps) * steps_of(errand.parts)
    after = _spent(stack)
    await walkers.stop()
    return Rushed(
        steps_per_second=steps / took,
        spent={name: 1000 * (after[name] - spent[name]) / max(steps, 1) for name in spent},
    )


def _spent(stack: JourneyStack) -> dict[str, float]:
    found = {name: cores.cpu_seconds(pid) for name, pid in stack.pids.items()}
    return {name: seconds for name, seconds in found.items() if seconds is not None}
