"""What has happened to the customers of a run before it: holds, contacts, wide rows in Feast."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import cast

from engine.catalog import Bundle
from engine.holds import in_force
from engine.ledger import Ledger, keys
from engine.ledger.clock import milliseconds
from engine.types import Contact, ContactKind, Hold
from feature_store.schema import Kind
from feature_store.values import encode_value

SEED = 6
HELD_PERCENT = 4
CONTACTED_PERCENT = 60
MOST_CONTACTS = 12
CONTACT_DAYS = 90
"""Contacts are spread over so many days: every one of them is within some limit's reach."""

_KINDS = (
    *[(ContactKind.IMPRESSION, "web", "")] * 16,
    *[(ContactKind.DISPATCH, "email", "")] * 3,
    (ContactKind.RESPONSE, "web", "later"),
)
_AT_ONCE = 16


async def live_through(ledger: Ledger, bundle: Bundle, customers: Sequence[str]) -> None:
    """Some have a complaint that silences sales, most were contacted before."""
    draw, now = random.Random(SEED), ledger.clock.now()
    held = [customer for customer in customers if draw.randrange(100) < HELD_PERCENT]
    for start in range(0, len(held), _AT_ONCE):
        some = held[start : start + _AT_ONCE]
        await asyncio.gather(*(ledger.place_hold(one, _complaint(now)) for one in some))
    contacted = [
        (customer, draw.randint(1, MOST_CONTACTS))
        for customer in customers
        if draw.randrange(100) < CONTACTED_PERCENT
    ]
    await contact(ledger, bundle, contacted)


async def contact(ledger: Ledger, bundle: Bundle, counts: Sequence[tuple[str, int]]) -> None:
    """So many contacts for each of these customers."""
    draw, now = random.Random(SEED), ledger.clock.now()
    made = [
        (customer, one) for customer, count in counts for one in _made(draw, bundle, count, now)
    ]
    await ledger.add_contacts(made)


def _made(draw: random.Random, bundle: Bundle, count: int, now: datetime) -> Iterator[Contact]:
    """Evenly over the days, and over the actions."""
    actions = draw.sample(list(bundle.actions.values()), len(bundle.actions))
    for number in range(count):
        kind, channel, outcome = _KINDS[number % len(_KINDS)]
        action = actions[number % len(actions)]
        past = timedelta(days=CONTACT_DAYS) * ((number + draw.random()) / count)
        yield Contact(
            id=f"{draw.getrandbits(96):024x}",
            kind=kind,
            at=milliseconds(now - past),
            channel=channel,
            action=action.name,
            group=action.group,
            purpose=action.purpose,
            outcome=outcome,
        )


def _complaint(now: datetime) -> Hold:
    hold = Hold(
        id="complaint",
        purposes=("sales",),
        tags=("commercial",),
        since=now - timedelta(days=2),
        because="A complaint is open.",
        owner="operator:benchmark",
        seq=1,
    )
    if not in_force((hold,), now):
        raise ValueError("a hold that began two days ago is not in force")
    return hold


async def widen(ledger: Ledger, customers: Sequence[str], fields: int) -> None:
    """So many features of other views in each customer's row, as other teams would keep there."""
    draw = random.Random(SEED)
    names = [struct.pack("<I", draw.getrandbits(32)) for _ in range(fields)]
    async with ledger.redis.pipeline(transaction=False) as pipe:
        for customer in customers:
            row = {name: encode_value(draw.random(), Kind.NUMBER) for name in names}
            pipe.hset(cast(str, keys.row_key(customer)), mapping=cast(dict[str, bytes], row))
        await pipe.execute()
