"""Consents in the journal: append-only, the latest position of each is in force."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from engine.ledger import tables
from engine.ledger.clock import milliseconds

_CUSTOMERS = 500
"""How many may stand in one query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A customer's word on one purpose and channel, and where it came from."""

    customer: str
    purpose: str
    channel: str
    granted: bool
    source: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A consent at its journal position."""

    customer: str
    purpose: str
    channel: str
    granted: bool
    seq: int


def keep_consents(connection: Connection, given: Sequence[Consent]) -> list[Recorded]:
    """Writes consents in order."""
    return [_keep(connection, one) for one in given]


def keep_first_consents(connection: Connection, given: Sequence[Consent]) -> list[Recorded]:
    """Writes those for whose customer, purpose and channel nothing is recorded yet, in order."""
    known = _known(connection, {one.customer for one in given})
    kept: list[Recorded] = []
    for one in given:
        what = (one.customer, one.purpose, one.channel)
        if what not in known:
            known.add(what)
            kept.append(_keep(connection, one))
    return kept


def recorded_by(connection: Connection, customer: str, source: str) -> list[Recorded]:
    """The consents of a customer that came from one source."""
    query = select(tables.consents).filter_by(customer=customer, source=source)
    return [_recorded(row) for row in connection.execute(query)]


def latest_consents(connection: Connection, customers: Iterable[str]) -> list[Recorded]:
    """The consents in force of some customers."""
    table = tables.consents
    latest = (
        select(func.max(table.c.seq))
        .where(table.c.customer.in_(list(customers)))
        .group_by(table.c.customer, table.c.purpose, table.c.channel)
    )
    rows = connection.execute(select(table).where(table.c.seq.in_(latest)))
    return [_recorded(row) for row in rows]


def _recorded(row: Row[Any]) -> Recorded:
    return Recorded(
        customer=row.customer,
        purpose=row.purpose,
        channel=row.channel,
        granted=row.granted,
        seq=row.seq,
    )


def _known(connection: Connection, customers: Iterable[str]) -> set[tuple[str, str, str]]:
    table, found = tables.consents, set[tuple[str, str, str]]()
    ordered = sorted(customers)
    for start in range(0, len(ordered), _CUSTOMERS):
        some = ordered[start : start + _CUSTOMERS]
        columns = (table.c.customer, table.c.purpose, table.c.channel)
        rows = connection.execute(select(*columns).where(table.c.customer.in_(some)))
        found.update((row[0], row[1], row[2]) for row in rows)
    return found


def _keep(connection: Connection, one: Consent) -> Recorded:
    row = {
        "customer": one.customer,
        "purpose": one.purpose,
        "channel": one.channel,
        "granted": one.granted,
        "source": one.source,
        "at": milliseconds(one.at),
    }
    key = connection.execute(tables.consents.insert().values(**row)).inserted_primary_key
    seq = int(key[0]) if key else 0
    return Recorded(
        customer=one.customer,
        purpose=one.purpose,
        channel=one.channel,
        granted=one.granted,
        seq=seq,
    )
