"""A process that sends five messages to one customer under a limit of two, and says how it went."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engine.ledger.sends import Sender
from tests.support.builders import a_bundle, a_limit, a_message, an_action
from tests.support.ledgers import FakeChannel, NoFeatures, opened

MESSAGES = 5


def main() -> None:
    """Arguments: data directory, Redis address, number of the process."""
    folder, redis_url, number = sys.argv[1:]
    asyncio.run(hammer(Path(folder), redis_url, number))


async def hammer(folder: Path, redis_url: str, number: str) -> None:
    """Sends all messages at once."""
    bundle = a_bundle(an_action("upgrade"), limits=[a_limit(maximum=2)])
    async with opened(folder, redis_url) as ledger:
        sender = Sender(ledger, {"email": FakeChannel()}, lambda: bundle, NoFeatures())
        sends = (sender.send(a_message(f"p{number} m{n}")) for n in range(MESSAGES))
        results = await asyncio.gather(*sends)
    sys.stdout.write("".join(f"{result.status}\n" for result in results))
