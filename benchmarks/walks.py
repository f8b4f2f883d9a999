"""A journey of the authoring kit that takes all its steps, lap after lap."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.walk_parts import (
    ACTION,
    ASK,
    CHANNEL,
    CHOICES,
    DAY,
    HEAR,
    HOLD,
    KIT,
    REPLIED,
    REST,
    TAGS,
    TALK,
    Errand,
    errand_of,
)
from workflows.journey import Ending, Journey, Opening, workflow

DESK = "benchmark desk"
LEAD = "benchmark lead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """How many laps are done."""

    done: int = 0


@workflow.defn(name=KIT)
class Walk(Journey):
    """As a designer would write it: stages, milestones, and the steps of the errand."""

    hears = (REPLIED,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """All laps of the errand that the event says."""
        errand = errand_of(opening.event.data)
        lap = self.resumed(Lap) or Lap()
        if errand.before and not lap.done:
            await self.sleep(errand.before, what="the first lap")
        while lap.done < errand.laps:
            await self.walk(errand, lap.done)
            lap = Lap(done=lap.done + 1)
            await self.checkpoint(lap)
        return await self.finish("walked", because=f"{lap.done} laps are done")

    async def walk(self, errand: Errand, lap: int) -> None:
        """One lap: three stages, as far as it has parts for them."""
        milestone = f"lap {lap}"
        self.milestone(milestone, owner=LEAD, due=self.now + DAY, metric="the end of a lap")
        if TALK in errand.parts:
            self.stage("talking", owner=DESK)
            await self.reach((CHANNEL,), step="talk", action=ACTION, tags=TAGS)
        if HEAR in errand.parts:
            await self.wait_for(REPLIED, within=DAY, what="an answer")
        if ASK in errand.parts:
            self.stage("deciding", owner=DESK)
            await self.ask("go on?", owner=LEAD, choices=CHOICES, default="no", within=DAY)
        if HOLD in errand.parts:
            await self.hold(f"walk:{self.opening.name}", because="it rests", maximum=DAY)
        if REST in errand.parts:
            self.stage("resting", owner=DESK)
            await self.sleep(errand.pause, what="the end of the rest")
        if HOLD in errand.parts:
            await self.release(because="rested")
        self.reach_milestone(milestone, self.now)
