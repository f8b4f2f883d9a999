"""What a question is decided from, in one round trip: live state, features, counts of volumes."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from dataclasses import replace
from typing import Any, TypeVar

from redis.exceptions import RedisError

from engine import contact, visits, volumes
from engine.ask import Ask
from engine.catalog import Bundle
from engine.errors import LiveStateUnavailable
from engine.ledger import earlier, live
from engine.ledger.circles import scopes
from engine.ledger.ledger import Ledger
from engine.ledger.patience import Breaker
from engine.ledger.ports import FeatureReader
from engine.ledger.state import LiveState
from engine.ledger.wire import Command
from engine.types import FeatureRow, Request, Snapshot

Found = TypeVar("Found")


class Sources:
    """The sources of all questions about one bundle: what it wants is worked out once.

    The breaker learns how each call to Redis went; `seconds` is how long one may take while Redis
    answers.
    """

    def __init__(
        self, ledger: Ledger, reader: FeatureReader, bundle: Bundle, breaker: Breaker
    ) -> None:
        self.ledger = ledger
        self.bundle = bundle
        self.breaker = breaker
        self.horizon_milliseconds = round(contact.horizon(bundle).total_seconds() * 1000)
        self.scopes = scopes(bundle)
        self.sessions = visits.remembered(bundle)
        self._reader = reader

    async def read(
        self, ask: Ask, since: int, seconds: float, held: tuple[str, str, int] | None = None
    ) -> tuple[LiveState, FeatureRow]:
        """State and features, and what volumes need to be counted again, in one round trip.

        `held`: the request id, the claim to compute its answer, and the claim's milliseconds.
        """
        more, due = [self._reader.command(ask.customer)], self._due(ask)
        if due:
            more += self.ledger.volumes.commands(due)
        wire, seconds = self.ledger.wire, self.breaker.patience(seconds)
        if held is None:
            reading = live.read(wire, ask.customer, since, *more, seconds=seconds)
        else:
            reading = live.claim(wire, ask.customer, since, held, *more, seconds=seconds)
        state, row, *counts = await self.watched(reading)
        if due:
            self.ledger.volumes.learn(due, counts)
        try:
            return state, self._features(row)
        except (RedisError, ValueError) as error:
            return await self._without_features(ask, state, error), FeatureRow()

    async def with_circles(self, state: LiveState, since: int, seconds: float) -> LiveState:
        """The state with the contacts of account and household, where the bundle counts those."""
        seconds = self.breaker.patience(seconds)
        reading = live.with_circles(self.ledger.wire, state, self.scopes, since, seconds)
        return await self.watched(reading)

    async def counted(self, buckets: Collection[str], seconds: float) -> dict[str, int]:
        """How much of these volumes is used."""
        seconds = self.breaker.patience(seconds)
        return await self.watched(self.ledger.volumes.counted(buckets, seconds))

    async def call(self, command: Command, seconds: float) -> list[Any]:
        """The reply to one command."""
        seconds = self.breaker.patience(seconds)
        return await self.watched(self.ledger.wire.call(command, seconds=seconds))

    async def watched(self, call: Awaitable[Found]) -> Found:
        """What a call gives; the breaker learns whether it worked."""
        try:
            found = await call
        except LiveStateUnavailable:
            self.breaker.failed()
            raise
        self.breaker.worked()
        return found

    def snapshot(self, request: Request, state: LiveState, row: FeatureRow) -> Snapshot:
        """All that was read, as a decision looks at it."""
        if not self.bundle.volumes:
            return state.snapshot(request.customer, row)
        standing = volumes.standing_buckets(self.bundle, request.now)
        reserved = state.reserved and volumes.current(state.reserved, self.bundle, request.now)
        known = self.ledger.volumes.known(standing)
        return state.snapshot(request.customer, row, known, reserved)

    def _due(self, ask: Ask) -> list[str]:
        if not self.bundle.volumes:
            return []
        now = ask.at or self.ledger.clock.now()
        return self.ledger.volumes.due(volumes.standing_buckets(self.bundle, now))

    def _features(self, row: object) -> FeatureRow:
        if isinstance(row, RedisError):
            raise row
        return self._reader.decode(row)

    async def _without_features(self, ask: Ask, state: LiveState, error: Exception) -> LiveState:
        """The state with what was offered last: all that can be said without features."""
        unread = f"the features could not be read: {error}"
        placements = frozenset(one.name for one in ask.placements)
        remembered, said = await earlier.remembered(
            self.ledger, state, self.bundle, ask.channel, placements
        )
        return replace(state, remembered=remembered, because=(unread, *said))
