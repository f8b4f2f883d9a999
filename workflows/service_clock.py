"""A service clock inside a journey: one timer, moved by whatever happens in the case."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from temporalio import workflow

from engine.service_clocks import Due, Reading, ServiceClock, heard, next_due, reading, taken
from engine.service_runs import Mark
from workflows.clock import JourneyClock


class KeptClock:
    """Keeps one promise of a case. `clock` is what a long journey carries over."""

    def __init__(self, clock: ServiceClock, time: JourneyClock) -> None:
        self.clock = clock
        self._time = time
        self._changed = False

    def hear(self, *marks: Mark) -> None:
        """Something happened in the case, in whatever order it is told: the timer moves."""
        self.clock = heard(self.clock, *marks)
        self._changed = True

    def reading(self) -> Reading:
        """State and deadline now: what search attributes show."""
        return reading(self.clock, self._time.now())

    async def next_step(self, unless: Callable[[], bool]) -> Due | None:
        """Wait for the next warning, breach or level; None as soon as `unless` holds.

        It is looked at again when the timer fires: what is no longer due is not a step.
        """
        while not unless():
            self._changed, now = False, self._time.now()
            due = next_due(self.clock, now)
            if due is not None and due.at <= now:
                self.clock = taken(self.clock, due)
                return due
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._changed or unless(),
                    timeout=self._time.wall(due.at - now) if due else None,
                    timeout_summary=f"{due.step}: {self.clock.promise.name}" if due else None,
                )
        return None
