"""Events in the journal: once per source and id, with a lease for the attempt at work on one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson
from sqlalchemy import Connection, select, update

from engine.ledger import tables
from engine.ledger.clock import from_milliseconds, milliseconds
from engine.ledger.facts import event_of
from engine.ledger.journal import insert_new
from engine.types import Event

LEASE_SECONDS = 5.0


class Progress(StrEnum):
    """How far an event is: journalled, its effects in force, handed to the journeys."""

    JOURNALLED = "journalled"
    IN_FORCE = "in_force"
    ROUTED = "routed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An event in the journal; `new`: first seen now.

    `mine`: this attempt holds the lease and must carry it through.
    """

    event: Event
    progress: Progress
    mine: bool
    new: bool
    journeys: tuple[str, ...] = ()


def take(connection: Connection, event: Event) -> Arrival:
    """Journals an event, or finds it there, and leases it unless it is leased or through."""
    lease = time.time() + LEASE_SECONDS
    row = {
        "source": event.source,
        "id": event.id,
        "type": event.type,
        "customer": event.customer,
        "at": milliseconds(event.at),
        "data": orjson.dumps(event.data).decode(),
        "state": Progress.JOURNALLED.value,
        "lease_until_wall": lease,
    }
    new = insert_new(connection, tables.events, row)
    mine = new or _lease(connection, event.source, event.id, lease)
    query = select(tables.events).filter_by(source=event.source, id=event.id)
    kept = connection.execute(query).one()
    return Arrival(
        event=event_of(kept),
        progress=Progress(kept.state),
        mine=mine,
        new=new,
        journeys=tuple(orjson.loads(kept.journeys)),
    )


def _lease(connection: Connection, source: str, event_id: str, until: float) -> bool:
    taken = connection.execute(
        update(tables.events)
        .filter_by(source=source, id=event_id)
        .where(
            tables.events.c.state != Progress.ROUTED.value,
            tables.events.c.lease_until_wall < time.time(),
        )
        .values(lease_until_wall=until)
    )
    return taken.rowcount > 0


def advance(
    connection: Connection, seq: int, progress: Progress, journeys: Sequence[str] = ()
) -> None:
    """Notes how far an event is, and ends the lease of the attempt.

    One that is through stays so, whatever an attempt that was overtaken says.
    """
    connection.execute(
        update(tables.events)
        .filter_by(seq=seq)
        .where(tables.events.c.state != Progress.ROUTED.value)
        .values(
            state=progress.value, lease_until_wall=0.0, journeys=orjson.dumps(journeys).decode()
        )
    )


def give_up(connection: Connection, seq: int) -> None:
    """Ends the lease of an attempt that failed, so that the next one need not wait."""
    connection.execute(update(tables.events).filter_by(seq=seq).values(lease_until_wall=0.0))


def unfinished(connection: Connection, limit: int, first: Sequence[str] = ()) -> list[Event]:
    """Events that are not with the journeys and that nobody works on, oldest first.

    Those whose effects are not in force come before all others, then those of the types in `first`:
    up to `limit` of these, and up to `limit` of all.
    """
    waiting = (
        select(tables.events)
        .where(
            tables.events.c.state != Progress.ROUTED.value,
            tables.events.c.lease_until_wall < time.time(),
        )
        .order_by(tables.events.c.state != Progress.JOURNALLED.value, tables.events.c.seq)
        .limit(limit)
    )
    urgent = waiting.where(tables.events.c.type.in_(first))
    rows = {
        row.seq: row
        for query in ((urgent, waiting) if first else (waiting,))
        for row in connection.execute(query)
    }
    turns = sorted(
        rows.values(),
        key=lambda row: (row.state != Progress.JOURNALLED.value, row.type not in first, row.seq),
    )
    return [event_of(row) for row in turns]


def waits_behind(connection: Connection, event: Event) -> bool:
    """Whether an earlier event of the same customer has not reached its journeys: order is kept."""
    query = select(tables.events.c.seq).where(
        tables.events.c.customer == event.customer,
        tables.events.c.seq < event.seq,
        tables.events.c.state != Progress.ROUTED.value,
    )
    return connection.execute(query.limit(1)).first() is not None


def history(connection: Connection, customer: str, since: int, before: int) -> list[Event]:
    """A customer's events since a time (ms) and before a position, oldest first."""
    query = (
        select(tables.events)
        .where(
            tables.events.c.customer == customer,
            tables.events.c.at >= since,
            tables.events.c.seq < before,
        )
        .order_by(tables.events.c.seq)
    )
    return [event_of(row) for row in connection.execute(query)]


def histories(
    connection: Connection, customers: Sequence[str], since: int
) -> dict[str, list[Event]]:
    """The events of many customers since a time (ms), oldest first."""
    found: dict[str, list[Event]] = {}
    query = (
        select(tables.events)
        .where(tables.events.c.customer.in_(customers), tables.events.c.at >= since)
        .order_by(tables.events.c.seq)
    )
    for row in connection.execute(query):
        found.setdefault(row.customer, []).append(event_of(row))
    return found


def of_types(connection: Connection, types: Sequence[str], after: int, limit: int) -> list[Event]:
    """The events of some types behind a position, oldest first."""
    query = (
        select(tables.events)
        .where(tables.events.c.seq > after, tables.events.c.type.in_(types))
        .order_by(tables.events.c.seq)
        .limit(limit)
    )
    return [event_of(row) for row in connection.execute(query)]


def starts(connection: Connection, event: Event) -> dict[str, list[datetime]]:
    """When journeys of each kind began for the customer of an event, by events before it."""
    table = tables.events
    query = (
        select(table.c.at, table.c.journeys)
        .where(table.c.customer == event.customer, table.c.seq < event.seq)
        .where(table.c.journeys != "[]")
        .order_by(table.c.seq)
    )
    began: dict[str, datetime] = {}
    for row in connection.execute(query):
        for journey in orjson.loads(row.journeys):
            began.setdefault(journey, from_milliseconds(row.at))
    found: dict[str, list[datetime]] = {}
    for journey, at in began.items():
        found.setdefault(journey.partition(":")[0], []).append(at)
    return found
