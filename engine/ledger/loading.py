"""Consents by the thousand, as a load brings them: only where none is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from redis.exceptions import RedisError
from sqlalchemy import Connection, insert, select

from engine.ledger import keys, live, tables
from engine.ledger.clock import milliseconds
from engine.ledger.ledger import Ledger

BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConsent:
    """A consent that a table carries. `customer` is a reference."""

    customer: str
    purpose: str
    channel: str
    granted: bool
    source: str


async def keep_loaded_consents(
    ledger: Ledger, consents: Iterable[LoadedConsent], at: datetime
) -> int:
    """Journals those for which nothing is recorded yet and puts them in force; how many were new.

    A customer who withdrew since the table was made keeps that. Raises JournalUnavailable and
    LiveStateUnavailable; repeating the load is safe then, and a rebuild brings in what is missing.
    """
    waiting, new = iter(consents), 0
    while batch := list(islice(waiting, BATCH)):
        written = await ledger.journal.write(
            lambda connection, b=batch: _journal(connection, b, at)
        )
        await _enforce(ledger, written)
        new += len(written)
    return new


def _journal(
    connection: Connection, batch: Sequence[LoadedConsent], at: datetime
) -> list[tuple[LoadedConsent, int]]:
    recorded = _recorded(connection, {consent.customer for consent in batch})
    written: list[tuple[LoadedConsent, int]] = []
    for one in batch:
        what = (one.customer, one.purpose, one.channel)
        if what in recorded:
            continue
        recorded.add(what)
        row = insert(tables.consents).values(
            customer=one.customer,
            purpose=one.purpose,
            channel=one.channel,
            granted=one.granted,
            source=one.source,
            at=milliseconds(at),
        )
        key = connection.execute(row).inserted_primary_key
        written.append((one, int(key[0]) if key else 0))
    return written


def _recorded(connection: Connection, customers: set[str]) -> set[tuple[str, str, str]]:
    table, found = tables.consents, set[tuple[str, str, str]]()
    ordered = sorted(customers)
    for start in range(0, len(ordered), 500):
        some = ordered[start : start + 500]
        columns = (table.c.customer, table.c.purpose, table.c.channel)
        rows = connection.execute(select(*columns).where(table.c.customer.in_(some)))
        found.update((row[0], row[1], row[2]) for row in rows)
    return found


async def _enforce(ledger: Ledger, written: Sequence[tuple[LoadedConsent, int]]) -> None:
    try:
        await live.SET_CONSENT.load(ledger.redis)
        pipe = ledger.redis.pipeline(transaction=False)
        for one, seq in written:
            arguments = (f"{one.purpose}:{one.channel}", int(one.granted), seq)
            live.SET_CONSENT.queue(pipe, [keys.live(one.customer)], arguments)
        await pipe.execute()
    except (RedisError, OSError) as error:
        raise live.unavailable(error) from error
