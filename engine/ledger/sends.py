"""A send: journalled, authorised in one script, delivered, confirmed or released. Repeating it is
safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select, update

from engine import contact
from engine.catalog import Bundle
from engine.channels.delivery import Adapter, DeliveryStatus, Message, Repeat
from engine.errors import InvalidInput, LiveStateUnavailable, Unavailable
from engine.ledger import contacts, evidence, keys, tables
from engine.ledger.clock import from_milliseconds, milliseconds
from engine.ledger.facts import contact_of
from engine.ledger.journal import insert_new
from engine.ledger.ledger import Ledger
from engine.ledger.permission import NOT_RECONCILED, Gate, Verdict
from engine.ledger.ports import FeatureReader
from engine.ledger.script import Script
from engine.types import ContactKind

SETTLE = Script("settle", "contacts", "circles")


class SendStatus(StrEnum):
    """`refused`: a hold, a missing consent, a full limit, for good. `waits`: quiet hours, nothing
    else; the same message may be sent again once they are over. `unknown`: it may have arrived and
    is not repeated.
    """

    DELIVERED = "delivered"
    REFUSED = "refused"
    WAITS = "waits"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of a message; `reason` such as `hold:complaint:4711`, `until` when that ends."""

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
        self,
        ledger: Ledger,
        adapters: Mapping[str, Adapter],
        bundle: Callable[[], Bundle],
        reader: FeatureReader,
    ) -> None:
        self._ledger = ledger
        self._adapters = adapters
        self._gate = Gate(ledger, reader, bundle)

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
        verdict = await self._ask_or_take_back(message)
        if verdict.waits:
            return await self._wait(message, verdict, before.attempts > 1)
        if not verdict.allowed:
            return await self._refuse(message, verdict, before.attempts > 1)
        if verdict.exemptions:  # no hold covers what is exempt: the time this takes is no matter
            await self._log_exemptions(message, verdict.exemptions)
        return await self._deliver(adapter, message)

    async def _ask_or_take_back(self, message: Message) -> Verdict:
        """The verdict. Where Redis can't say, this attempt delivered nothing and does not count as
        one.
        """
        try:
            verdict = await self._gate.ask(message)
            if verdict.reason != NOT_RECONCILED:
                return verdict
            reason = "the live state is not reconciled: nothing leaves until it is"
        except LiveStateUnavailable as error:
            reason = str(error)
        await self._take_back(message)
        raise DeliveryPending(reason)

    async def _take_back(self, message: Message) -> None:
        await self._ledger.journal.write(
            lambda connection: _take_back(connection, message.message_id)
        )

    async def _wait(self, message: Message, verdict: Verdict, attempted: bool) -> SendResult:
        """This attempt delivered and reserved nothing, and the intent stays open."""
        if not attempted:
            await self._gate.give_back(message)
        await self._take_back(message)
        return SendResult(
            status=SendStatus.WAITS,
            message_id=message.message_id,
            reason=verdict.reason,
            until=verdict.until,
        )

    async def _refuse(self, message: Message, verdict: Verdict, attempted: bool) -> SendResult:
        if attempted:  # an earlier attempt may have reached the customer: it stays counted
            return await self._recall(message, f"recalled after an attempt: {verdict.reason}")
        return await self._settle(message, SendStatus.REFUSED, verdict.reason, verdict.until)

    async def _log_exemptions(self, message: Message, rules: tuple[str, ...]) -> None:
        said = {"exemptions": orjson.dumps(rules).decode()}
        await self._ledger.journal.write(
            lambda connection: _note(connection, message.message_id, said)
        )

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
        end = {
            "state": status.value,
            "detail": reason,
            "until": milliseconds(until) if until else None,
            "settled_at": now,
        }
        row, kinds = await self._ledger.journal.write(
            lambda connection: _end(connection, message, end)
        )
        if kinds:
            await evidence.count(self._ledger.redis, message.action, message.channel, kinds)
        settled = SendStatus(row.state)  # by whichever attempt was first
        landed = settled is SendStatus.UNKNOWN and not recalled
        await self._land(message, "unknown" if landed else _ENDINGS[settled])
        return _result(row)

    async def _land(self, message: Message, ending: str) -> None:
        names = [keys.live(message.customer), keys.contacts(message.customer), keys.WORDS]
        reserved = contacts.encode(contact_of(message, ContactKind.DISPATCH))
        delivered = contacts.encode(contact_of(message, ContactKind.DELIVERY))
        oldest = milliseconds(self._ledger.clock.now() - contact.LONGEST_WINDOW)
        arguments = [message.message_id, ending, reserved, delivered, oldest]
        await SETTLE(self._ledger.redis, names, arguments)
        if ending == "released":
            await self._gate.give_back(message)
        elif ending == "confirmed":
            await self._gate.confirm(message)


_ENDINGS = {
    SendStatus.DELIVERED: "confirmed",
    SendStatus.REFUSED: "released",
    SendStatus.FAILED: "released",
    SendStatus.UNKNOWN: "recalled",
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


def _note(connection: Connection, message_id: str, noted: Mapping[str, Any]) -> Row[Any]:
    """Adds to an intent that is not settled yet; gives the row as it is now."""
    table = tables.messages
    connection.execute(
        update(table)
        .where(table.c.message_id == message_id, table.c.state == "intent")
        .values(**noted)
    )
    return _row(connection, message_id)


def _end(
    connection: Connection, message: Message, end: Mapping[str, Any]
) -> tuple[Row[Any], tuple[str, ...]]:
    """Settles an intent that is not settled yet; its row, and what that adds to the evidence."""
    open_before = _row(connection, message.message_id).state == "intent"
    row = _note(connection, message.message_id, end)
    if not open_before or row.state != SendStatus.DELIVERED:
        return row, ()
    offer = evidence.Offered(
        customer=message.customer,
        decision_id=message.decision_id,
        treatment=message.treatment,
    )
    return row, evidence.added_by_delivery(connection, offer)


def _row(connection: Connection, message_id: str) -> Row[Any]:
    return connection.execute(select(tables.messages).filter_by(message_id=message_id)).one()


def _settled(row: Row[Any]) -> SendResult | None:
    return None if row.state == "intent" else _result(row)


def _result(row: Row[Any]) -> SendResult:
    return SendResult(
        status=SendStatus(row.state),
        message_id=row.message_id,
        reason=row.detail,
        until=from_milliseconds(row.until) if row.until is not None else None,
    )
