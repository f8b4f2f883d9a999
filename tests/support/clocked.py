"""A workflow that does nothing but keep a service clock."""

from __future__ import annotations

from temporalio import workflow

from engine.service_clocks import Due, ServiceClock
from engine.service_runs import Happening, Mark
from workflows.clock import JourneyClock
from workflows.service_clock import KeptClock


@workflow.defn(name="clocked")
class Clocked:
    """Ends when the case is resolved, with the steps that were taken."""

    @workflow.init
    def __init__(self, clock: ServiceClock) -> None:
        self.kept = KeptClock(clock, JourneyClock())
        self.resolved = False

    @workflow.run
    async def run(self, clock: ServiceClock) -> list[Due]:
        """Every step at its time."""
        steps: list[Due] = []
        while due := await self.kept.next_step(unless=lambda: self.resolved):
            steps.append(due)
        return steps

    @workflow.signal
    def happened(self, mark: Mark) -> None:
        """Something happens in the case."""
        self.kept.hear(mark)
        self.resolved = mark.what is Happening.RESOLVED

    @workflow.query
    def state(self) -> str:
        """The clock in a word."""
        return self.kept.reading().state
