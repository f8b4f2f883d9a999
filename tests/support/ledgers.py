"""Ledgers on real servers, and what is around a decision and a send: features, models, channels."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from engine.catalog import Action, Bundle
from engine.channels.delivery import Delivery, DeliveryStatus, Message, Repeat
from engine.ledger import Ledger, keys, live, open_ledger
from engine.ledger.clock import Clock
from engine.ledger.site import Site
from engine.ledger.wire import Command
from engine.live import Ask, Decider
from engine.types import Decision, FeatureRow, Scalar, Scores
from tests.support.builders import KEY

NOWHERE = "redis://127.0.0.1:1/0"
"""A Redis at which nobody answers."""


def a_site(data_dir: Path, redis_url: str = NOWHERE, clock: Clock | None = None) -> Site:
    """A stack in a folder."""
    data_dir.mkdir(parents=True, exist_ok=True)
    return Site(data_dir=data_dir, key=KEY, clock=clock or Clock(), redis_url=redis_url)


@asynccontextmanager
async def opened(data_dir: Path, redis_url: str) -> AsyncGenerator[Ledger]:
    """The ledger of a stack in a folder."""
    async with open_ledger(a_site(data_dir, redis_url)) as ledger:
        yield ledger


def standing_at(ledger: Ledger, at: datetime) -> Ledger:
    """The ledger with a clock that stands still, for messages and contacts at fixed times."""
    ledger.site = replace(ledger.site, clock=Clock(anchor=at.timestamp(), lapse=1e-15))
    return ledger


async def reconcile(ledger: Ledger, rebuild_id: str = "test") -> None:
    """Marks Redis as holding everything, without looking."""
    run_id = (await live.RUN_ID(ledger.redis, ())).decode()
    await ledger.redis.set(keys.MARKER, f"{run_id}:{rebuild_id}")


def redis_calls(ledger: Ledger) -> Callable[..., Awaitable[Any]]:
    """What runs every single command of a ledger, for tests that come in between."""
    return cast(Callable[..., Awaitable[Any]], ledger.redis.execute_command)


async def redis_says(ledger: Ledger, *command: Any) -> Any:
    """The reply to a Redis command."""
    return await cast(Awaitable[Any], ledger.redis.execute_command(*command))


class NoFeatures:
    """A feature store in which every customer has the same row."""

    def __init__(self, row: FeatureRow | None = None) -> None:
        self.row = row or FeatureRow()

    def command(self, customer: str) -> Command:
        return "HGETALL", f"features:{customer}"

    def decode(self, reply: object) -> FeatureRow:
        return self.row


class NoModels:
    """A scorer without any model: every action keeps its prior."""

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """Nothing."""
        return Scores()

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """Unknown for every pair."""
        because = ("no acceptance model: prior propensities are used",)
        return Scores(acceptance=(None,) * len(pairs), because=because)


def a_decider(ledger: Ledger, bundle: Bundle) -> Decider:
    """The engine on a ledger, without features and models."""
    return Decider(ledger, NoFeatures(), NoModels(), lambda: bundle)


async def decided(ledger: Ledger, bundle: Bundle, ask: Ask) -> Decision:
    """One decision."""
    return (await a_decider(ledger, bundle).decide(ask)).decision


@dataclass(kw_only=True)
class FakeChannel:
    """A channel that remembers when each delivery started and ended.

    `answers` are given in turn, the last one for ever; `seconds` is how long a delivery takes.
    """

    repeat: Repeat = Repeat.IDEMPOTENT
    answers: Sequence[DeliveryStatus] = (DeliveryStatus.DELIVERED,)
    seconds: float = 0.0
    started: list[str] = field(default_factory=list[str])
    ended: list[str] = field(default_factory=list[str])
    before: Callable[[], Awaitable[None]] | None = None
    busy: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, message: Message) -> Delivery:
        answer = self.answers[min(len(self.started), len(self.answers) - 1)]
        self.started.append(message.message_id)
        self.busy.set()
        if self.before is not None:
            await self.before()
        if self.seconds:
            await asyncio.sleep(self.seconds)
        self.ended.append(message.message_id)
        return Delivery(status=answer, detail=answer.value)
