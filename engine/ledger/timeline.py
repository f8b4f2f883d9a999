"""What happened between a customer and the business, in order, over all channels and places."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from engine.ledger import tables
from engine.ledger.clock import from_milliseconds
from engine.ledger.facts import event_of
from engine.types import Event

CHANNEL = "channel"
"""Where the data of an event says by which channel, or at which place, it happened."""


class What(StrEnum):
    """What kind of thing happened."""

    EVENT = "event"
    MESSAGE = "message"
    OUTCOME = "outcome"
    CONSENT = "consent"
    HOLD = "hold"
    HOLD_ENDED = "hold ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened: `channel` by which way, `state` what became of it."""

    at: datetime
    what: What
    name: str
    channel: str = ""
    state: str = ""
    journey: str = ""
    event: Event | None = field(default=None, repr=False)


def timeline(
    connection: Connection, customer: str, since: int, limit: int
) -> tuple[list[Moment], bool]:
    """The latest `limit` things since a time (ms), the oldest first; whether there are more."""
    found: list[Moment] = []
    for table, at, moment_of in _SOURCES:
        query = select(table).where(table.c.customer == customer, at >= since)
        rows = connection.execute(query.order_by(at.desc()).limit(limit + 1))
        found += [moment_of(row) for row in rows]
    found.sort(key=lambda moment: moment.at)
    return found[-limit:], len(found) > limit


def _of_event(row: Row[Any]) -> Moment:
    event = event_of(row)
    channel = str(event.data.get(CHANNEL, ""))
    return Moment(at=event.at, what=What.EVENT, name=event.type, channel=channel, event=event)


def _of_message(row: Row[Any]) -> Moment:
    return Moment(
        at=from_milliseconds(row.at),
        what=What.MESSAGE,
        name=row.action,
        channel=row.channel,
        state=f"{row.state}: {row.detail}" if row.detail else row.state,
        journey=row.journey,
    )


def _of_outcome(row: Row[Any]) -> Moment:
    return Moment(
        at=from_milliseconds(row.at),
        what=What.OUTCOME,
        name=row.action,
        channel=row.channel,
        state=row.outcome,
    )


def _of_consent(row: Row[Any]) -> Moment:
    return Moment(
        at=from_milliseconds(row.at),
        what=What.CONSENT,
        name=row.purpose,
        channel=row.channel,
        state="granted" if row.granted else "refused",
    )


def _of_hold(row: Row[Any]) -> Moment:
    return Moment(
        at=from_milliseconds(row.since),
        what=What.HOLD,
        name=row.id,
        state=row.because,
        journey=row.owner,
    )


def _of_ended_hold(row: Row[Any]) -> Moment:
    return Moment(
        at=from_milliseconds(row.ended_at),
        what=What.HOLD_ENDED,
        name=row.id,
        state=f"{row.ended_by}: {row.ended_because}",
        journey=row.owner,
    )


_SOURCES: tuple[tuple[Table, ColumnElement[int], Any], ...] = (
    (tables.events, tables.events.c.at, _of_event),
    (tables.messages, tables.messages.c.at, _of_message),
    (tables.outcomes, tables.outcomes.c.at, _of_outcome),
    (tables.consents, tables.consents.c.at, _of_consent),
    (tables.holds, tables.holds.c.since, _of_hold),
    (tables.holds, tables.holds.c.ended_at, _of_ended_hold),
)
