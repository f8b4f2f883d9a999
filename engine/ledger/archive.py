"""Decisions on their way from the stream to Parquet, and back by id."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from redis.exceptions import RedisError
from sqlalchemy import delete, select

from engine.errors import Unavailable
from engine.ledger import columns, ids, keys, live, tables
from engine.ledger.parquet import Kind, day_folder, days, drop_before, merge, put
from engine.ledger.script import unavailable

if TYPE_CHECKING:
    from engine.ledger.ledger import Ledger

BATCH = 5_000
READ_ATTEMPTS = 3
_MOVING = ".moving"

T = TypeVar("T")


async def find(ledger: Ledger, decision_id: str) -> bytes | None:
    """The record of a decision from the stream, else the spool, else the archive.

    Raises LiveStateUnavailable when it is in neither of the last two and the stream can't be read.
    """
    trouble: Exception | None = None
    try:
        streamed = await _in_stream(ledger, decision_id)
        if streamed is not None:
            return streamed
    except (RedisError, OSError) as error:
        trouble = error
    query = select(tables.spool.c.record).where(tables.spool.c.decision_id == decision_id)
    spooled = await ledger.journal.read(lambda connection: connection.execute(query).scalar())
    if spooled is not None:
        return bytes(spooled)
    archived = await asyncio.to_thread(_in_files, ledger.site.archive, decision_id)
    if archived is None and trouble is not None:
        raise unavailable(trouble) from trouble
    return archived


async def _in_stream(ledger: Ledger, decision_id: str) -> bytes | None:
    entry = await cast(Awaitable[bytes | None], ledger.redis.get(keys.decision(decision_id)))
    if entry is None:
        return None
    found = cast(Sequence[Any], await ledger.redis.xrange(keys.DECISIONS, entry, entry))
    return found[0][1][b"r"] if found else None


def _in_files(folder: Path, decision_id: str) -> bytes | None:
    return _again_if_merged(lambda: _look_in_files(folder, decision_id))


def _look_in_files(folder: Path, decision_id: str) -> bytes | None:
    import duckdb  # only where an old decision is asked for

    day = ids.time_of(decision_id).date()
    files = [str(path) for path in sorted(day_folder(folder, day).glob("*.parquet"))]
    if not files:
        return None
    query = "select record from read_parquet(?) where decision_id = ? limit 1"
    with duckdb.connect() as connection:
        try:
            row = connection.execute(query, [files, decision_id]).fetchone()
        except duckdb.IOException as error:
            raise OSError(str(error)) from error
        except duckdb.Error:  # a damaged file must not hide the others of its day
            row = _in_sound_ones(connection, files, query, decision_id)
    return row[0] if row else None


def _in_sound_ones(connection: Any, files: Sequence[str], query: str, decision_id: str) -> Any:
    """What the files that can be read say, one by one. Raises Unavailable where that is nothing:
    it may be in one of the others.
    """
    import duckdb

    damaged: list[str] = []
    for file in files:
        try:
            row = connection.execute(query, [[file], decision_id]).fetchone()
        except duckdb.Error:
            damaged.append(file)
            continue
        if row:
            return row
    raise Unavailable(
        f"it may be in a file that is damaged: {', '.join(damaged)}; restore it from a backup, or"
        " move it away"
    )


async def archive_stream(ledger: Ledger) -> int:
    """Moves one batch of decisions from the stream (and the spool) to Parquet; returns how many.

    A file is complete before anything is deleted. After a crash in between, the next move leaves
    out what the files have already.
    """
    folder = ledger.site.archive
    interrupted = await asyncio.to_thread(_begin, folder)
    entries = cast(Sequence[Any], await ledger.redis.xrange(keys.DECISIONS, count=BATCH))
    if entries:
        rows = [(fields[b"d"].decode(), fields[b"r"]) for _, fields in entries]
        await asyncio.to_thread(_write_files, folder, rows, interrupted)
        async with ledger.redis.pipeline(transaction=False) as pipe:
            for decision_id, _ in rows:
                pipe.delete(keys.decision(decision_id))
            pipe.xdel(keys.DECISIONS, *[entry for entry, _ in entries])
            await pipe.execute()
    moved = len(entries) + await _archive_spool(ledger, interrupted)
    (folder / _MOVING).unlink(missing_ok=True)
    return moved


def _begin(folder: Path) -> bool:
    """Notes that a move has begun; says whether the one before did not end."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / _MOVING).touch(exist_ok=False)
    except FileExistsError:
        return True
    return False


async def unarchived(redis_url: str) -> int:
    """How many decisions the stream still holds. Raises LiveStateUnavailable."""
    client = live.connect(redis_url)
    try:
        return int(await client.xlen(keys.DECISIONS))
    except (RedisError, OSError) as error:
        raise unavailable(error) from error
    finally:
        await live.close(client)


async def _archive_spool(ledger: Ledger, interrupted: bool) -> int:
    query = select(tables.spool).limit(BATCH)
    spooled = await ledger.journal.read(lambda connection: connection.execute(query).all())
    if not spooled:
        return 0
    rows = [(str(row.decision_id), bytes(row.record)) for row in spooled]
    await asyncio.to_thread(_write_files, ledger.site.archive, rows, interrupted)
    moved = delete(tables.spool).where(
        tables.spool.c.decision_id.in_([decision for decision, _ in rows])
    )
    await ledger.journal.write(lambda connection: connection.execute(moved).rowcount)
    return len(rows)


def _write_files(folder: Path, rows: Sequence[tuple[str, bytes]], interrupted: bool) -> None:
    by_day: dict[date, dict[str, bytes]] = {}
    for decision_id, record in rows:
        by_day.setdefault(ids.time_of(decision_id).date(), {})[decision_id] = record
    for day, found in by_day.items():
        place = day_folder(folder, day)
        there = _ids_in(place) if interrupted else frozenset[str]()
        some = [(name, record) for name, record in found.items() if name not in there]
        if some:
            _write_file(place / f"{some[0][0]}-{len(some)}.parquet", some)


def _ids_in(day: Path) -> frozenset[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: set[str] = set()
    for path in day.glob("*.parquet"):
        with suppress(pa.ArrowInvalid):  # a damaged file must not stop the others
            found.update(pq.read_table(path, columns=["decision_id"])["decision_id"].to_pylist())
    return frozenset(found)


def _write_file(path: Path, rows: Sequence[tuple[str, bytes]]) -> None:
    put(columns.table_of(rows), path)


def _kind(folder: Path) -> Kind:
    """Files of decisions, for who merges them."""
    return Kind(folder=folder, key="decision_id", schema=columns.schema, anew=_anew)


def _anew(table: Any) -> Any:
    """Rows of files that were written with other columns."""
    names, kept = table["decision_id"].to_pylist(), table["record"].to_pylist()
    return columns.table_of([*zip(names, kept, strict=True)])


async def compact(ledger: Ledger) -> int:
    """Merges the small files of days that have many, and drops days that are too old.

    Returns how many files became fewer by merging.
    """
    today, folder = ledger.clock.now().date(), ledger.site.archive
    await asyncio.to_thread(drop_before, folder, ledger.site.oldest_day)
    return await asyncio.to_thread(merge, _kind(folder), today)


def records(folder: Path, days: int | None = None, today: date | None = None) -> list[bytes]:
    """The archived records, oldest first; of the last `days` only, if given.

    A move that was cut short leaves some decisions in two files: each is given once.
    """
    oldest = today - timedelta(days=days) if today and days is not None else date.min
    found = _again_if_merged(lambda: _all_records(folder, oldest))
    return [record for _, record in sorted(found.items())]


def records_by_day(folder: Path, since: date = date.min) -> Iterator[Mapping[str, bytes]]:
    """The archived records of each day from `since` on, oldest first, by decision id."""
    for day, place in days(folder):
        if day >= since:
            found = _again_if_merged(partial(_records_of, place))
            yield dict(sorted(found.items()))


def _all_records(folder: Path, oldest: date) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for day, place in days(folder):
        if day >= oldest:
            found.update(_records_of(place))
    return found


def _records_of(day: Path) -> dict[str, bytes]:
    import pyarrow.parquet as pq

    found: dict[str, bytes] = {}
    for path in sorted(day.glob("*.parquet")):
        table = pq.read_table(path, columns=["decision_id", "record"])
        names, kept = table["decision_id"].to_pylist(), table["record"].to_pylist()
        found.update(zip(names, kept, strict=True))
    return found


def _again_if_merged(read: Callable[[], T]) -> T:
    """Reads once more where a file went into a larger one between listing and opening it."""
    for _ in range(READ_ATTEMPTS - 1):
        try:
            return read()
        except OSError:
            continue
    return read()
