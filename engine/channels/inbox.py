"""The inbox: keeps messages for display in an app, once per message id."""

from __future__ import annotations

import orjson
from sqlalchemy import Connection

from engine.channels.delivery import Delivery, DeliveryStatus, Message, Repeat, told
from engine.errors import Unavailable
from engine.ledger import tables
from engine.ledger.clock import milliseconds
from engine.ledger.journal import Journal, insert_new


class Inbox:
    """Delivers into the journal, where GET /v1/customers/{id}/inbox finds it."""

    repeat = Repeat.IDEMPOTENT

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def deliver(self, message: Message) -> Delivery:
        """Keep the message. If the answer got lost it is unknown; again, it changes nothing."""
        try:
            await self._journal.write(lambda connection: keep(connection, message))
        except Unavailable as error:
            return Delivery(status=DeliveryStatus.UNKNOWN, detail=str(error))
        return Delivery(status=DeliveryStatus.DELIVERED, detail="kept for display")


def keep(connection: Connection, message: Message) -> bool:
    """Writes a message for display; False for one that is there already."""
    row = {
        "message_id": message.message_id,
        "customer": message.customer,
        "at": milliseconds(message.at),
        "message": orjson.dumps({**told(message), "at": message.at}).decode(),
    }
    return bool(insert_new(connection, tables.inbox, row))
