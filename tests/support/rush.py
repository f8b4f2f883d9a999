"""A process that offers and sends what is limited to twelve customers at once, and says to whom."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engine.catalog import Bundle
from engine.channels.delivery import Message
from engine.ledger import Ledger
from engine.ledger.sends import DeliveryPending, Sender, SendStatus
from engine.live import Ask
from tests.support.builders import a_bundle, a_customer, a_message, a_volume, an_action
from tests.support.ledgers import FakeChannel, NoFeatures, decided, opened

CUSTOMERS = 6
"""So many are offered something, and as many others are sent something, by each process."""
PHONE = an_action("phone")


def scarce(maximum: int) -> Bundle:
    """So many phones, used for good once offered or sent."""
    return a_bundle(PHONE, volumes=[a_volume("stock", maximum=maximum)])


def main() -> None:
    """Arguments: data directory, Redis address, number of the process, number of phones."""
    folder, redis_url, number, maximum = sys.argv[1:]
    asyncio.run(rush(Path(folder), redis_url, number, scarce(int(maximum))))


async def rush(folder: Path, redis_url: str, number: str, bundle: Bundle) -> None:
    """All at once."""
    async with opened(folder, redis_url) as ledger:
        sender = Sender(ledger, {"email": FakeChannel()}, lambda: bundle, NoFeatures())
        names = [f"{number} {n}" for n in range(2 * CUSTOMERS)]
        got = await asyncio.gather(
            *(offered(ledger, bundle, name) for name in names[:CUSTOMERS]),
            *(sent(sender, name) for name in names[CUSTOMERS:]),
        )
    sys.stdout.write("".join(f"{a_customer(name)}\n" for name in got if name))


async def offered(ledger: Ledger, bundle: Bundle, name: str) -> str:
    """The customer, if a phone was offered."""
    ask = Ask(customer=a_customer(name), channel="web", deadline_ms=20_000)
    return name if (await decided(ledger, bundle, ask)).offers else ""


async def sent(sender: Sender, name: str) -> str:
    """The customer, if a phone was sent."""
    message: Message = a_message(f"m {name}", PHONE, customer=a_customer(name))
    while True:
        try:
            result = await sender.send(message)
        except DeliveryPending:
            await asyncio.sleep(0.01)
        else:
            return name if result.status is SendStatus.DELIVERED else ""
