"""How long to wait for Redis: a bound for each call, a short one while it is known to be away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

_TURNS = 3
"""A busy process reads a reply late, though it was there in time: so many turns to find it."""


async def within(seconds: float, call: Awaitable[Any]) -> Any:
    """The result of a call that may take so long. Raises TimeoutError, and cancels it, then."""
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=seconds)
        for _ in range(_TURNS):
            if task.done():
                break
            await asyncio.sleep(0)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()


class Breaker:
    """After so many failures in a row nobody waits long for what is known to be away.

    A call is still tried, for `probe_seconds`: what answers at once is back.
    """

    def __init__(self, failures: int = 5, probe_seconds: float = 0.005) -> None:
        self._failures = failures
        self._probe_seconds = probe_seconds
        self._in_a_row = 0

    def patience(self, seconds: float) -> float:
        """How long a call may take that may usually take `seconds`."""
        return min(seconds, self._probe_seconds) if self._in_a_row >= self._failures else seconds

    def worked(self) -> None:
        """Closes it."""
        self._in_a_row = 0

    def failed(self) -> None:
        """One more failure in a row."""
        self._in_a_row += 1
