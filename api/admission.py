"""How many requests are answered at the same time; who comes on top is told when to come again."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Busy, problem_of, respond
from api.settings import MOST_IN_FLIGHT

MOST_BATCHES = 8
ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz", "/metrics"})


@dataclass(slots=True)
class InFlight:
    """How many requests of a kind are being answered now, at most `most`; how many were refused.

    What is admitted waits behind fewer than `most` others, so its latency is bounded whatever the
    load is. Refusing costs a small part of answering.
    """

    most: int = MOST_IN_FLIGHT
    count: int = 0
    refused: int = 0

    def enter(self) -> None:
        """One more, until `leave`. Raises Busy."""
        if self.count >= self.most:
            self.refused += 1
            raise Busy(
                f"{self.count} requests are being answered, which is as many as this process takes."
            )
        self.count += 1

    def leave(self) -> None:
        """One is answered."""
        self.count -= 1


class Admission:
    """Admits requests to the app, but for those that ask how the process is: they always enter."""

    def __init__(self, app: ASGIApp, in_flight: InFlight) -> None:
        self.app = app
        self.in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            return await self.app(scope, receive, send)
        try:
            self.in_flight.enter()
        except Busy as error:
            return await respond(problem_of(error))(scope, receive, send)
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight.leave()
