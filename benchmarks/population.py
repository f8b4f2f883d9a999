"""The customers of a run: generated, loaded as `tactful load` does, with all six views filled."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from api.loading import load_table
from engine.ledger import open_ledger
from engine.ledger.site import Site
from engine.types import FeatureRow, Scalar
from feature_store.generate import customers_table
from feature_store.online import OnlineReader, Row, write_rows

SEED = 5
PAGES = ("billing", "plans", "help", "tv", "home")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A loaded customer: the id outside, the reference inside, the features."""

    external_id: str
    customer: str
    features: Mapping[str, Scalar]


async def load_customers(place: Site, count: int) -> tuple[Known, ...]:
    """So many customers, loaded, with what events would have pushed."""
    table = customers_table(count, SEED)
    summary = await load_table(place, table, mapping=None, separator=",", progress=lambda _: None)
    names = {known.customer: known.external_id for known in summary.customers}
    async with open_ledger(place) as ledger:
        await write_rows(ledger.redis, _pushed(place, list(names)))
        rows = await _read_rows(ledger.redis, list(names))
    return tuple(
        Known(external_id=names[customer], customer=customer, features=row.values)
        for customer, row in zip(names, rows, strict=True)
    )


def _pushed(place: Site, customers: Sequence[str]) -> list[Row]:
    """What events would have pushed: so that all six views are there to be read."""
    draw, now = random.Random(SEED), place.clock.now()
    rows: list[Row] = []
    for customer in customers:
        behaviour: dict[str, Scalar] = {
            "page_views_7d": draw.randrange(20),
            "last_page": draw.choice(PAGES),
            "last_page_at": now.timestamp() - draw.randrange(500_000),
            "purchases_90d": draw.randrange(3),
            "spent_90d": round(draw.uniform(0, 200), 2),
            "payments_failed_90d": int(draw.random() < 0.1),
        }
        service: dict[str, Scalar] = {
            "complaints_open": 0,
            "complaints_365d": draw.randrange(2),
            "messages_7d": draw.randrange(4),
            "last_message_channel": draw.choice(("email", "whatsapp")),
            "feedback_score": float(draw.randrange(1, 6)),
            "orders_delayed_90d": draw.randrange(2),
        }
        for view, values in (("behaviour", behaviour), ("service", service)):
            rows.append(Row(customer=customer, view=view, values=values, at=now))
    return rows


async def _read_rows(redis: Redis, customers: Sequence[str]) -> list[FeatureRow]:
    """The rows of these customers, by our reader."""
    reader = OnlineReader()
    async with redis.pipeline(transaction=False) as pipe:
        for customer in customers:
            pipe.execute_command(*reader.command(customer))  # pyright: ignore[reportUnknownMemberType]
        return [reader.decode(reply) for reply in await pipe.execute()]
