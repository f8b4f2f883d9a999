"""A process that sends five messages to one customer under a limit, and says how it went."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engine.channels.delivery import Message
from engine.ledger.sends import DeliveryPending, Sender, SendStatus
from tests.support.builders import a_bundle, a_limit, a_message, an_action
from tests.support.ledgers import FakeChannel, NoFeatures, opened

MESSAGES = 5


def main() -> None:
    """Arguments: data directory, Redis address, number of the process, maximum of the limit."""
    folder, redis_url, number, maximum = sys.argv[1:]
    asyncio.run(hammer(Path(folder), redis_url, number, int(maximum)))


async def hammer(folder: Path, redis_url: str, number: str, maximum: int) -> None:
    """Sends all messages at once."""
    bundle = a_bundle(an_action("upgrade"), limits=[a_limit(maximum=maximum)])
    async with opened(folder, redis_url) as ledger:
        sender = Sender(ledger, {"email": FakeChannel()}, lambda: bundle, NoFeatures())
        sends = (persist(sender, a_message(f"p{number} m{n}")) for n in range(MESSAGES))
        results = await asyncio.gather(*sends)
    sys.stdout.write("".join(f"{result}\n" for result in results))


async def persist(sender: Sender, message: Message) -> SendStatus:
    """Sends a message until it is settled."""
    while True:
        try:
            return (await sender.send(message)).status
        except DeliveryPending:
            await asyncio.sleep(0.01)
