"""Rows of the pushed views on their way to the offline store, worked out from the journal again.

What an event pushed follows from the journal alone: the event, and what the customer did before. So
nothing is written twice while a customer waits, and a row offline says what the row online said.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.ledger import Ledger
from engine.ledger.arrivals import histories, of_types
from engine.ledger.clock import milliseconds
from engine.types import Event
from feature_store.offline import folder, merge_parts, write_part
from feature_store.online import Row
from feature_store.push import CHANGED_BY, HISTORY, pushed
from feature_store.schema import PUSHED

BATCH = 2_000
OVERLAP = 1_000
"""So many positions behind the newest are looked at again: PostgreSQL gives them before it
commits, and so not always in order.
"""


class PushedLog:
    """What events pushed, copied to the offline store as they come. One process may do it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._floor: dict[str, int] = {}
        """The newest position of each view that was offline when this began."""
        self._known: dict[str, set[int]] = {}
        """The newest ones that were copied since."""

    async def copy(self) -> int:
        """Copies what is new of each view; returns how many events that was."""
        copied = 0
        for view in PUSHED:
            while batch := await self._copy(view.name):
                copied += batch
                if batch < BATCH:
                    break
        return copied

    async def merge(self) -> int:
        """Merges small files; returns how many files became fewer."""
        merged = 0
        for view in PUSHED:
            merged += await asyncio.to_thread(merge_parts, self._ledger.site, view.name)
        return merged

    async def _copy(self, view: str) -> int:
        if view not in self._floor:
            self._floor[view] = _newest(folder(self._ledger.site, view))
        floor, known = self._floor[view], self._known.get(view, set[int]())
        after = max(floor, max(known, default=0) - OVERLAP)
        found = await self._ledger.journal.read(
            lambda connection: of_types(connection, CHANGED_BY[view], after, BATCH + OVERLAP)
        )
        new = [event for event in found if event.seq not in known][:BATCH]
        if not new:
            return 0
        rows = await self._rows(view, new)
        name = f"part-events-{max(new[-1].seq, floor, *known):019}"
        await asyncio.to_thread(write_part, self._ledger.site, view, rows, name)
        known |= {event.seq for event in new}
        self._known[view] = {seq for seq in known if seq >= max(known) - 2 * OVERLAP}
        return len(new)

    async def _rows(self, view: str, events: Sequence[Event]) -> list[Row]:
        since = milliseconds(min(event.at for event in events) - HISTORY)
        customers = sorted({event.customer for event in events})
        told = await self._ledger.journal.read(lambda c: histories(c, customers, since))
        rows = {
            (event.customer, event.at): Row(
                customer=event.customer,
                view=view,
                values=pushed(event, _before(event, told.get(event.customer, ())))[view],
                at=event.at,
            )
            for event in events
        }
        return [*rows.values()]


def _before(event: Event, history: Iterable[Event]) -> list[Event]:
    return [earlier for earlier in history if earlier.seq < event.seq]


def _newest(place: Path) -> int:
    """The newest position that the names of the files tell; 0 where there is none."""
    names = (path.stem.split("-") for path in place.glob("part-events-*.parquet"))
    return max((int(name[2]) for name in names), default=0)
