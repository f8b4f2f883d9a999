"""Decisions on their way from the stream to Parquet, and back by id."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
from redis.exceptions import RedisError
from sqlalchemy import delete, select

from engine.errors import Unavailable
from engine.ledger import ids, keys, live, tables
from engine.ledger.script import unavailable

if TYPE_CHECKING:
    from engine.ledger.ledger import Ledger

BATCH = 5_000
SMALL_ROWS = 20_000
MANY_FILES = 60
READ_ATTEMPTS = 3
_COLUMNS = ("customer", "channel", "at", "level", "bundle")

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
    files = [str(path) for path in sorted(_folder(folder, day).glob("*.parquet"))]
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

    A file is complete before anything is deleted. After a crash in between, the next move writes
    the same decisions again, in the same file or in a larger one: readers take each id once.
    """
    entries = cast(Sequence[Any], await ledger.redis.xrange(keys.DECISIONS, count=BATCH))
    if entries:
        rows = [(fields[b"d"].decode(), fields[b"r"]) for _, fields in entries]
        await asyncio.to_thread(_write_files, ledger.site.archive, rows)
        async with ledger.redis.pipeline(transaction=False) as pipe:
            for decision_id, _ in rows:
                pipe.delete(keys.decision(decision_id))
            pipe.xdel(keys.DECISIONS, *[entry for entry, _ in entries])
            await pipe.execute()
    return len(entries) + await _archive_spool(ledger)


async def unarchived(redis_url: str) -> int:
    """How many decisions the stream still holds. Raises LiveStateUnavailable."""
    client = live.connect(redis_url)
    try:
        return int(await client.xlen(keys.DECISIONS))
    except (RedisError, OSError) as error:
        raise unavailable(error) from error
    finally:
        await live.close(client)


async def _archive_spool(ledger: Ledger) -> int:
    query = select(tables.spool).limit(BATCH)
    spooled = await ledger.journal.read(lambda connection: connection.execute(query).all())
    if not spooled:
        return 0
    rows = [(str(row.decision_id), bytes(row.record)) for row in spooled]
    await asyncio.to_thread(_write_files, ledger.site.archive, rows)
    moved = delete(tables.spool).where(
        tables.spool.c.decision_id.in_([decision for decision, _ in rows])
    )
    await ledger.journal.write(lambda connection: connection.execute(moved).rowcount)
    return len(rows)


def _write_files(folder: Path, rows: Sequence[tuple[str, bytes]]) -> None:
    by_day: dict[date, list[tuple[str, bytes]]] = {}
    for decision_id, record in rows:
        by_day.setdefault(ids.time_of(decision_id).date(), []).append((decision_id, record))
    for day, some in by_day.items():
        _write_file(_folder(folder, day) / f"{some[0][0]}-{len(some)}.parquet", some)


def _write_file(path: Path, rows: Sequence[tuple[str, bytes]]) -> None:
    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    about = [_about(record) for _, record in rows]
    columns = {
        name: pa.array([one[at] for one in about], pa.string()) for at, name in enumerate(_COLUMNS)
    }
    table = pa.table(
        {
            "decision_id": [decision_id for decision_id, _ in rows],
            **columns,
            "record": [record for _, record in rows],
        }
    )
    _put(table, path)


def _about(record: bytes) -> tuple[str | None, ...]:
    """The columns beside a record; nothing where somebody made it unreadable: it is kept as it is,
    or nothing after it would be archived.
    """
    try:
        kept = orjson.loads(record)
        asked, made = kept["request"], kept["decision"]
        found = (asked["customer"], asked["channel"], made["at"], made["level"], made["bundle"])
    except (ValueError, LookupError, TypeError):
        return (None,) * len(_COLUMNS)
    return tuple(one if isinstance(one, str) else None for one in found)


def _put(table: Any, path: Path) -> None:
    """Writes a file that is there whole or not at all, and stays when the power goes."""
    import pyarrow.parquet as pq

    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def compact(ledger: Ledger) -> int:
    """Merges the small files of days that have many; returns how many files became fewer."""
    return await asyncio.to_thread(_compact, ledger.site.data_dir / "archive")


def _compact(folder: Path) -> int:
    """A crash between the merged file and the removal leaves decisions twice: readers take one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    merged = 0
    for day in folder.glob("date=*"):
        small = [path for path in sorted(day.glob("*.parquet")) if _rows(path) < SMALL_ROWS]
        if len(small) < MANY_FILES:
            continue
        table = pa.concat_tables([pq.read_table(path) for path in small])
        kept = day / f"{small[0].stem.split('-')[0]}-{table.num_rows}.parquet"
        _put(table, kept)
        for path in small:
            if path != kept:
                path.unlink()
        merged += len(small) - 1
    return merged


def _rows(path: Path) -> int:
    """How many decisions a file has: its name says so."""
    return int(path.stem.rpartition("-")[2])


def _folder(folder: Path, day: date) -> Path:
    return folder / f"date={day.isoformat()}"


def records(folder: Path, days: int | None = None, today: date | None = None) -> list[bytes]:
    """The archived records, oldest first; of the last `days` only, if given.

    A move that was cut short leaves some decisions in two files: each is given once.
    """
    oldest = today - timedelta(days=days) if today and days is not None else date.min
    found = _again_if_merged(lambda: _all_records(folder, oldest))
    return [record for _, record in sorted(found.items())]


def records_by_day(folder: Path, since: date = date.min) -> Iterator[Mapping[str, bytes]]:
    """The archived records of each day from `since` on, oldest first, by decision id."""
    for day in sorted(folder.glob("date=*")):
        if date.fromisoformat(day.name.removeprefix("date=")) >= since:
            found = _again_if_merged(partial(_records_of, day))
            yield dict(sorted(found.items()))


def _all_records(folder: Path, oldest: date) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for day in sorted(folder.glob("date=*")):
        if date.fromisoformat(day.name.removeprefix("date=")) >= oldest:
            found.update(_records_of(day))
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
