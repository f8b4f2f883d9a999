"""Outcomes on their way from the journal to Parquet, each once."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from engine.ledger import tables
from engine.ledger.clock import from_milliseconds, milliseconds
from engine.ledger.parquet import Kind, day_folder, days, drop_before, merge, put

if TYPE_CHECKING:
    from engine.ledger.ledger import Ledger

BATCH = 5_000
OVERLAP = 1_000
"""So many positions behind the newest are looked at again: PostgreSQL gives them before it
commits, and so not always in order.
"""
_NAMES = ("seq", "decision_id", "treatment", "outcome", "id", "customer", "channel", "action")


def folder(archive: Path) -> Path:
    """Where the outcomes are, by the day on which they were logged."""
    return archive / "outcomes"


@cache
def schema() -> Any:
    """The columns of a file of outcomes."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in (*_NAMES[1:], "group", "purpose")]
    when = ("happened_at", pa.timestamp("us", tz="UTC"))
    return pa.schema([("seq", pa.int64()), *texts, when, ("value", pa.float64())])


class OutcomeLog:
    """What the journal knows of outcomes, copied to files as it comes. One process may do it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: set[int] | None = None
        """The newest positions in the files; None until they were looked at."""

    async def copy(self) -> int:
        """Copies one batch; returns how many outcomes were new."""
        place = folder(self._ledger.site.archive)
        if self._known is None:
            self._known = await asyncio.to_thread(_positions, place)
        newest, oldest = max(self._known, default=0), self._ledger.site.oldest_day
        rows = await self._ledger.journal.read(lambda c: _after(c, newest - OVERLAP, oldest))
        new = [row for row in rows if row["seq"] not in self._known]
        if new:
            day = day_folder(place, self._ledger.clock.now().date())
            name = f"{new[0]['seq']:019}-{len(new)}.parquet"
            await asyncio.to_thread(_write, new, day / name)
            self._known |= {int(row["seq"]) for row in new}
            newest = max(self._known)
            self._known = {seq for seq in self._known if seq >= newest - 2 * OVERLAP}
        return len(new)

    async def merge(self) -> int:
        """Merges small files and drops old days; returns how many files became fewer by merging."""
        place = folder(self._ledger.site.archive)
        await asyncio.to_thread(drop_before, place, self._ledger.site.oldest_day)
        kind = Kind(folder=place, key="seq", schema=schema, anew=_anew)
        return await asyncio.to_thread(merge, kind, self._ledger.clock.now().date())


def _positions(place: Path) -> set[int]:
    """The positions of the newest outcomes in the files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: set[int] = set()
    for _, day in days(place):
        for path in day.glob("*.parquet"):
            with suppress(pa.ArrowInvalid):
                found.update(pq.read_table(path, columns=["seq"])["seq"].to_pylist())
    newest = max(found, default=0)
    return {seq for seq in found if seq >= newest - 2 * OVERLAP}


def _after(connection: Connection, position: int, oldest: date) -> list[Mapping[str, Any]]:
    table = tables.outcomes.c
    query = select(tables.outcomes).where(table.seq > position).order_by(table.seq)
    if oldest > date.min:
        query = query.where(table.at >= milliseconds(datetime.combine(oldest, time(), UTC)))
    found = connection.execute(query.limit(BATCH + OVERLAP)).mappings()
    return [{**row, "happened_at": from_milliseconds(row["at"])} for row in found]


def _write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    import pyarrow as pa

    put(pa.Table.from_pylist([dict(row) for row in rows], schema()), path)


def _anew(table: Any) -> Any:
    """Rows of files that were written with other columns: what they don't have is not known."""
    import pyarrow as pa

    return pa.Table.from_pylist(table.to_pylist(), schema())
