"""One watched process: started again after it dies, later each time that it dies soon."""

from __future__ import annotations

import time
from collections.abc import Callable

from api.ports import is_free
from api.processes import Child
from engine.errors import StackError

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 10.0
STABLE_SECONDS = 30.0

Say = Callable[[str], None]


class Watched:
    """A child, and what is known of its restarts."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._delay_seconds = FIRST_DELAY_SECONDS
        self._started_at = time.monotonic()
        self._start_at: float | None = None
        self._is_back = True

    @property
    def name(self) -> str:
        return self.child.part.name

    def look_after(self, say: Say) -> bool:
        """Restart it when it died and its time has come; True when it was started."""
        now = time.monotonic()
        if self.child.running:
            self._welcome(say, now)
        elif self._start_at is None:
            self._plan_restart(say, now)
        elif now >= self._start_at and all(is_free(port) for port in self.child.part.ports):
            return self._restart(say, now)
        return False

    def _welcome(self, say: Say, now: float) -> None:
        if not self._is_back and self.child.ready():
            self._is_back = True
            say(f"{self.name} is back")
        if now - self._started_at > STABLE_SECONDS:
            self._delay_seconds = FIRST_DELAY_SECONDS

    def _plan_restart(self, say: Say, now: float) -> None:
        self.child.sweep()
        self._start_at, self._is_back = now + self._delay_seconds, False
        when = f"starting it again in {self._delay_seconds:g} s"
        say(f"{self.name} stopped ({self.child.how_it_ended()}); {when}")
        self._delay_seconds = min(self._delay_seconds * 2, LONGEST_DELAY_SECONDS)

    def _restart(self, say: Say, now: float) -> bool:
        self._start_at, self._started_at = None, now
        try:
            self.child.start()
        except StackError as error:
            say(str(error))
            return False
        return True
