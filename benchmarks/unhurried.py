"""How many events of history walks take when nothing is in a hurry, part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from benchmarks.walk_parts import ALL, ASK, BARE, HEAR, HOLD, KIT, REST, TALK, Errand, steps_of
from benchmarks.walkers import Handle, Walkers

LAPS = 5
PAUSE = timedelta(seconds=0.5)
LOOK_SECONDS = 0.4
STEADY = 2
"""A walk waits when its history has not grown for so many looks."""

WALKS: Mapping[str, tuple[str, ...]] = {
    "all": ALL,
    "decide and send": (TALK,),
    "wait_for": (HEAR,),
    "ask": (ASK,),
    "hold and release": (HOLD,),
    "sleep": (REST,),
}

Counts = Mapping[str, Mapping[str, float]]


async def events_per_step(walkers: Walkers) -> Counts:
    """By what is walked and by kind: the events of whole histories, for each step."""
    found = await asyncio.gather(
        *(_events(walkers, kind, parts) for parts in WALKS.values() for kind in (KIT, BARE))
    )
    numbers = iter(found)
    return {name: {kind: next(numbers) for kind in (KIT, BARE)} for name in WALKS}


def ratios(counts: Counts) -> dict[str, float]:
    """How many times the events of the bare walk ours takes."""
    return {name: found[KIT] / found[BARE] for name, found in counts.items()}


async def _events(walkers: Walkers, kind: str, parts: tuple[str, ...]) -> float:
    errand = Errand(laps=LAPS, parts=parts, pause=PAUSE)
    walker = await walkers.start(kind, errand, answered=False)
    for _ in range(LAPS):
        if HEAR in parts:
            await _settled(walker.handle)
            await walkers.reply(walker)
        if ASK in parts:
            await _settled(walker.handle)
            await walkers.decide(walker)
    await walker.handle.result()
    return await _length(walker.handle) / (LAPS * steps_of(parts))


async def _settled(handle: Handle) -> None:
    before, steady = -1, 0
    while steady < STEADY:
        await asyncio.sleep(LOOK_SECONDS)
        length = await _length(handle)
        steady = steady + 1 if length == before else 0
        before = length


async def _length(handle: Handle) -> int:
    return (await handle.describe()).history_length
