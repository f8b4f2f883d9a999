"""The stack's time inside a workflow: deterministic, and as fast as every clock of the stack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio import workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyClock:
    """The stack's clock as a journey's input carries it.

    `anchor` is in seconds since 1970, `lapse` the speed.

    >>> JourneyClock(anchor=1000.0, lapse=60.0).at(1010.0).timestamp()
    1600.0
    >>> JourneyClock(lapse=86400.0).wall(timedelta(days=2))
    datetime.timedelta(seconds=2)
    """

    anchor: float = 0.0
    lapse: float = 1.0

    def at(self, workflow_time: float) -> datetime:
        """The stack's time at a workflow time in seconds since 1970."""
        return datetime.fromtimestamp(self.anchor + (workflow_time - self.anchor) * self.lapse, UTC)

    def now(self) -> datetime:
        """The stack's time at this step of the workflow, and the same at its replay."""
        return self.at(workflow.time())

    def wall(self, wait: timedelta) -> timedelta:
        """How long a wait of the stack takes on the wall, which is what Temporal's timers count."""
        return wait / self.lapse
