"""Rows of the journal as objects, and back: holds, consents, contacts, events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select, update

from engine.channels.delivery import Message
from engine.ledger import tables
from engine.ledger.clock import from_milliseconds, milliseconds
from engine.ledger.journal import insert_new
from engine.types import Contact, ContactKind, Event, Hold, HoldState

COUNTED_STATES = ("intent", "delivered", "unknown")
"""States of a message that count as a contact: an intent may be on its way."""


def keep_hold(connection: Connection, customer: str, hold: Hold) -> None:
    """Writes a hold. One that is there already is opened again if this placement is later."""
    row = {
        "purposes": orjson.dumps(hold.purposes).decode(),
        "tags": orjson.dumps(hold.tags).decode(),
        "since": milliseconds(hold.since),
        "until": milliseconds(hold.until) if hold.until else None,
        "because": hold.because,
        "owner": hold.owner,
        "seq": hold.seq,
        "state": hold.state.value,
        "ended_at": None,
        "ended_by": None,
        "ended_because": None,
    }
    if insert_new(connection, tables.holds, {"customer": customer, "id": hold.id, **row}):
        return
    later = (tables.holds.c.seq < hold.seq) | (
        (tables.holds.c.seq == hold.seq) & tables.holds.c.ended_at.is_(None)
    )
    connection.execute(update(tables.holds).where(_is(customer, hold.id), later).values(**row))


def end_hold(
    connection: Connection, customer: str, hold_id: str, up_to: int, ended: Mapping[str, Any]
) -> bool:
    """Ends a hold unless it was placed again after `up_to`; says whether it is over."""
    connection.execute(
        update(tables.holds)
        .where(
            _is(customer, hold_id), tables.holds.c.seq <= up_to, tables.holds.c.ended_at.is_(None)
        )
        .values(**ended)
    )
    open_still = connection.execute(
        select(tables.holds.c.id).where(_is(customer, hold_id), tables.holds.c.ended_at.is_(None))
    ).first()
    return open_still is None


def mark_hold(connection: Connection, customer: str, hold_id: str, state: HoldState) -> None:
    """Changes the state of an open hold."""
    connection.execute(
        update(tables.holds)
        .where(_is(customer, hold_id), tables.holds.c.ended_at.is_(None))
        .values(state=state.value)
    )


def _is(customer: str, hold_id: str) -> Any:
    return (tables.holds.c.customer == customer) & (tables.holds.c.id == hold_id)


def hold_of(row: Row[Any]) -> Hold:
    """A hold from its row."""
    return Hold(
        id=row.id,
        purposes=tuple(orjson.loads(row.purposes)),
        tags=tuple(orjson.loads(row.tags)),
        since=from_milliseconds(row.since),
        until=from_milliseconds(row.until) if row.until is not None else None,
        because=row.because,
        owner=row.owner,
        seq=row.seq,
        state=HoldState(row.state),
    )


def open_holds(
    connection: Connection, customers: Iterable[str] | None = None
) -> list[tuple[str, Hold]]:
    """All holds that were not ended, of some customers or of all, as (customer, hold)."""
    query = select(tables.holds).where(tables.holds.c.ended_at.is_(None))
    if customers is not None:
        query = query.where(tables.holds.c.customer.in_(list(customers)))
    return [
        (row.customer, hold_of(row))
        for row in connection.execute(query.order_by(tables.holds.c.seq))
    ]


def awaits_journey(connection: Connection, seq: int) -> bool:
    """Whether the event at this position has not reached its journeys yet."""
    query = select(tables.events.c.seq).where(
        tables.events.c.seq == seq, tables.events.c.state != "routed"
    )
    return connection.execute(query).first() is not None


def event_of(row: Row[Any]) -> Event:
    """An event from its row."""
    return Event(
        source=row.source,
        id=row.id,
        type=row.type,
        customer=row.customer,
        at=from_milliseconds(row.at),
        data=orjson.loads(row.data),
        seq=row.seq,
    )


def contact_of(message: Message, kind: ContactKind) -> Contact:
    """The contact that a message counts as: a dispatch once it is on its way, then a delivery."""
    return Contact(
        id=message.message_id,
        kind=kind,
        at=milliseconds(message.at),
        channel=message.channel,
        action=message.action,
        group=message.group,
        purpose=message.purpose,
    )


def contacts_of_message(row: Row[Any]) -> tuple[Contact, ...]:
    """The contacts that a message counts as: its dispatch, and its delivery once confirmed."""
    kinds = [ContactKind.DISPATCH]
    if row.state == "delivered":
        kinds.append(ContactKind.DELIVERY)
    return tuple(
        Contact(
            id=row.message_id,
            kind=kind,
            at=row.at,
            channel=row.channel,
            action=row.action,
            group=row.group,
            purpose=row.purpose,
        )
        for kind in kinds
    )


def contact_of_outcome(row: Row[Any]) -> Contact:
    """The contact that an outcome stands for: an impression, or a response in a word of its own."""
    seen = row.outcome == ContactKind.IMPRESSION
    return Contact(
        id=f"o{row.seq}",
        kind=ContactKind.IMPRESSION if seen else ContactKind.RESPONSE,
        at=row.at,
        channel=row.channel,
        action=row.action,
        group=row.group,
        purpose=row.purpose,
        outcome="" if seen else row.outcome,
    )
