"""Consents in the journal: append-only, the latest position of each purpose and channel is in
force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from engine.ledger import tables
from engine.ledger.clock import milliseconds


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


def recorded_by(connection: Connection, customer: str, source: str) -> list[Recorded]:
    """The consents of a customer that came from one source."""
    query = select(tables.consents).filter_by(customer=customer, source=source)
    return [
        Recorded(
            customer=row.customer,
            purpose=row.purpose,
            channel=row.channel,
            granted=row.granted,
            seq=row.seq,
        )
        for row in connection.execute(query)
    ]


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
