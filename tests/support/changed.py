"""Journeys as a careless update would leave them: what runs could not go on with these."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import workflow

from workflows.complaint import DESK, OPENED, REOPENED, RESOLVED
from workflows.journey import Journey
from workflows.steps import Ending, Opening


@workflow.defn(name="complaint")
class ChangedComplaint(Journey):
    """A complaint that no longer says hello before it silences everybody."""

    hears = (OPENED, REOPENED, RESOLVED)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Wait for the solution, and do nothing else."""
        self.stage("open", owner=DESK)
        await self.decide("email")
        await self.wait_for(RESOLVED, what="the complaint's resolution")
        return await self.finish("closed", because="resolved")


@dataclass(frozen=True, slots=True, kw_only=True)
class WiderOpening:
    """An opening that wants to know what no journey was told that runs already."""

    customer: str
    segment: str


@workflow.defn(name="renewal")
class ChangedRenewal:
    """A renewal that can't read how it began."""

    @workflow.run
    async def run(self, opening: WiderOpening) -> None:
        """Wait for ever."""
        await workflow.wait_condition(lambda: opening.segment == "")
