"""A send: journalled, authorised in one script, delivered, confirmed or released. Repeating it is
safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select, update

from engine import consent, contact
from engine.catalog import Bundle
from engine.channels.delivery import Adapter, DeliveryStatus, Message, Repeat
from engine.errors import InvalidInput, LiveStateUnavailable, Unavailable
from engine.holds import commercial
from engine.ledger import keys, live, tables
from engine.ledger.clock import from_milliseconds, milliseconds
from engine.ledger.journal import insert_new
from engine.ledger.ledger import Ledger
from engine.types import Contact, ContactKind

AUTHORISE = live.Script("authorise")
SETTLE = live.Script("settle")
_FRESH_SECONDS = 0.5
"""A delivery starts within this time of its authorisation: shorter than an acknowledgement of a
hold waits for deliveries that were authorised before it (Ledger.let_land).
"""
_ATTEMPTS = 3
_LEASE_MILLISECONDS = 20_000
"""Longer than any adapter's time limit: after it, a delivery no longer counts as in flight."""


class SendStatus(StrEnum):
    """`refused`: a hold, a missing consent or a full limit; `unknown`: it may have arrived and is
    not repeated.
    """

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of a message; `reason` such as `hold:complaint:4711`, `until` when a full limit
    frees.
    """

    status: SendStatus
    message_id: str
    reason: str = ""
    until: datetime | None = None


class DeliveryPending(Unavailable):
    """The outcome of a delivery is not known yet: send the same message again, later."""

    code = "delivery_pending"


class Sender:
    """Sends messages through the adapters of their channels."""

    def __init__(
        self, ledger: Ledger, adapters: Mapping[str, Adapter], bundle: Callable[[], Bundle]
    ) -> None:
        self._ledger = ledger
        self._adapters = adapters
        self._bundle = bundle

    async def send(self, message: Message) -> SendResult:
        """Sends one message at most as often as its channel allows.

        A message that was settled before gives the same result again. Raises DeliveryPending when
        the same message must be sent again later, and InvalidInput for a channel that delivers
        nothing.
        """
        adapter = self._adapters.get(message.channel)
        if adapter is None:
            names = ", ".join(sorted(self._adapters))
            raise InvalidInput(
                f"channel {message.channel!r} delivers no messages; these do: {names}"
            )
        message = replace(message, at=max(message.at, self._ledger.clock.now()))
        before = await self._ledger.journal.write(lambda connection: _begin(connection, message))
        settled = _settled(before)
        if settled is not None:  # the attempt before may have got no further than the journal
            await self._land(message, _ENDINGS[settled.status])
            return settled
        if before.attempts > 1 and adapter.repeat is Repeat.AT_MOST_ONCE:
            return await self._recall(message, "an earlier attempt may have arrived")
        refusal = await self._authorise_or_take_back(message)
        if refusal is not None:
            return await self._refuse(message, refusal, before.attempts > 1)
        return await self._deliver(adapter, message)

    async def _authorise_or_take_back(self, message: Message) -> tuple[str, datetime | None] | None:
        """The refusal, or None. Where Redis can't say, this attempt delivered nothing and does not
        count as one.
        """
        try:
            refusal = await self._authorise_just_now(message)
            if refusal is None or refusal[0] != "not_reconciled":
                return refusal
            reason = "the live state is not reconciled: nothing leaves until it is"
        except LiveStateUnavailable as error:
            reason = str(error)
        await self._ledger.journal.write(
            lambda connection: _take_back(connection, message.message_id)
        )
        raise DeliveryPending(reason)

    async def _authorise_just_now(self, message: Message) -> tuple[str, datetime | None] | None:
        """A permission that took long is asked for again: a hold may have overtaken it."""
        for _ in range(_ATTEMPTS):
            asked = time.monotonic()
            refusal = await self._authorise(message)
            if refusal is not None or time.monotonic() - asked < _FRESH_SECONDS:
                return refusal
        raise LiveStateUnavailable("Redis is too slow to authorise a delivery")

    async def _authorise(self, message: Message) -> tuple[str, datetime | None] | None:
        bundle = self._bundle()
        action = bundle.actions.get(message.action)
        if action is None:
            return f"unknown_action:{message.action}", None
        if message.channel not in bundle.channels:
            return f"unknown_channel:{message.channel}", None
        tags = sorted({*message.tags, *action.tags})  # the bundle may say more than it did then
        free = message.exempt is not None and action.exempt is not None
        exempt = free and not commercial(message.purpose, tags)
        counters = contact.counters(bundle, action, message.channel, message.at)
        facts = {
            "purpose": message.purpose,
            "tags": tags,
            "exempt": int(exempt),
            "careful": int(exempt and not counters),
            "consent": f"c:{message.purpose}:{message.channel}",
            "default": int(consent.default(bundle, message.purpose, message.channel)),
        }
        reply = await AUTHORISE(
            self._ledger.redis,
            [keys.MARKER, keys.live(message.customer), keys.contacts(message.customer)],
            [
                message.message_id,
                live.encode_contact(_contact(message, ContactKind.DISPATCH)),
                milliseconds(message.at),
                orjson.dumps(facts),
                orjson.dumps([_limit(counter) for counter in counters]),
                live.wall_milliseconds(),
                _LEASE_MILLISECONDS,
            ],
        )
        verdict, until = reply[0].decode(), reply[1]
        if verdict == "authorised":
            return None
        return verdict, from_milliseconds(float(until)) if until else None

    async def _refuse(
        self, message: Message, refusal: tuple[str, datetime | None], attempted: bool
    ) -> SendResult:
        reason, until = refusal
        if attempted:  # an earlier attempt may have reached the customer: it stays counted
            return await self._recall(message, f"recalled after an attempt: {reason}")
        return await self._settle(message, SendStatus.REFUSED, reason, until)

    async def _recall(self, message: Message, reason: str) -> SendResult:
        return await self._settle(message, SendStatus.UNKNOWN, reason, recalled=True)

    async def _deliver(self, adapter: Adapter, message: Message) -> SendResult:
        delivery = await adapter.deliver(message)
        if delivery.status is DeliveryStatus.DELIVERED:
            return await self._settle(message, SendStatus.DELIVERED, "")
        if delivery.status is DeliveryStatus.REJECTED:
            return await self._settle(message, SendStatus.FAILED, delivery.detail)
        if adapter.repeat is Repeat.AT_MOST_ONCE:
            return await self._settle(message, SendStatus.UNKNOWN, delivery.detail)
        await self._land(message, "unknown")
        raise DeliveryPending(f"{message.channel} did not confirm: {delivery.detail}")

    async def _settle(
        self,
        message: Message,
        status: SendStatus,
        reason: str,
        until: datetime | None = None,
        *,
        recalled: bool = False,
    ) -> SendResult:
        now = milliseconds(self._ledger.clock.now())
        end = {"state": status.value, "detail": reason, "settled_at": now}
        row = await self._ledger.journal.write(
            lambda connection: _end(connection, message.message_id, end)
        )
        settled = SendStatus(row.state)  # by whichever attempt was first
        landed = settled is SendStatus.UNKNOWN and not recalled
        await self._land(message, "unknown" if landed else _ENDINGS[settled])
        return SendResult(
            status=settled,
            message_id=message.message_id,
            reason=row.detail,
            until=until,
        )

    async def _land(self, message: Message, ending: str) -> None:
        names = [keys.live(message.customer), keys.contacts(message.customer)]
        reserved = live.encode_contact(_contact(message, ContactKind.DISPATCH))
        delivered = live.encode_contact(_contact(message, ContactKind.DELIVERY))
        oldest = milliseconds(self._ledger.clock.now() - contact.LONGEST_WINDOW)
        arguments = [
            *(message.message_id, ending, reserved, delivered),
            *(milliseconds(message.at), oldest),
        ]
        await SETTLE(self._ledger.redis, names, arguments)


_ENDINGS = {
    SendStatus.DELIVERED: "confirmed",
    SendStatus.REFUSED: "released",
    SendStatus.FAILED: "released",
    SendStatus.UNKNOWN: "recalled",
}


def _contact(message: Message, kind: ContactKind) -> Contact:
    return Contact(
        id=message.message_id,
        kind=kind,
        at=milliseconds(message.at),
        channel=message.channel,
        action=message.action,
        group=message.group,
        purpose=message.purpose,
    )


def _limit(counter: contact.Counter) -> dict[str, Any]:
    return {
        "name": counter.name,
        "maximum": counter.maximum,
        "since": counter.since,
        "window": counter.window,
        "kinds": live.kind_letters(counter.kinds),
        "purposes": f",{','.join(sorted(counter.purposes))}," if counter.purposes else "",
        "channel": counter.channel,
        "group": counter.group,
        "action": counter.action,
    }


def _begin(connection: Connection, message: Message) -> Row[Any]:
    """Journals the intent, or counts one more attempt at it; gives the row as it is now.

    A contact counts at the time of its latest attempt: one that waited for days has just been made.
    """
    row = {
        "message_id": message.message_id,
        "customer": message.customer,
        "at": milliseconds(message.at),
        "channel": message.channel,
        "action": message.action,
        "treatment": message.treatment,
        "group": message.group,
        "purpose": message.purpose,
        "tags": orjson.dumps(message.tags).decode(),
        "exempt": message.exempt,
        "decision_id": message.decision_id,
        "journey": message.journey,
        "step": message.step,
        "state": "intent",
        "attempts": 1,
    }
    table = tables.messages
    if not insert_new(connection, table, row):
        connection.execute(
            update(table)
            .where(table.c.message_id == message.message_id, table.c.state == "intent")
            .values(attempts=table.c.attempts + 1, at=milliseconds(message.at))
        )
    return _row(connection, message.message_id)


def _take_back(connection: Connection, message_id: str) -> int:
    table = tables.messages
    statement = update(table).where(table.c.message_id == message_id, table.c.state == "intent")
    return connection.execute(statement.values(attempts=table.c.attempts - 1)).rowcount


def _end(connection: Connection, message_id: str, end: Mapping[str, Any]) -> Row[Any]:
    table = tables.messages
    connection.execute(
        update(table)
        .where(table.c.message_id == message_id, table.c.state == "intent")
        .values(**end)
    )
    return _row(connection, message_id)


def _row(connection: Connection, message_id: str) -> Row[Any]:
    return connection.execute(select(tables.messages).filter_by(message_id=message_id)).one()


def _settled(row: Row[Any]) -> SendResult | None:
    if row.state == "intent":
        return None
    return SendResult(status=SendStatus(row.state), message_id=row.message_id, reason=row.detail)
