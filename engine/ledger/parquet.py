"""Parquet files in folders by day: whole or not there, merged while they are small, dropped by age.

A file is never changed. A merge leaves a note of what goes into what before the new file appears,
so that a kill in the middle is finished, or forgotten, by whoever merges next.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import orjson

SMALL_ROWS = 20_000
FULL_ROWS = 100_000
MANY_FILES = 60
_NOTE = ".merging"
_LEFT_OVER_SECONDS = 3600.0
"""A file that nobody has finished for so long never will be."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of file: where its days are, what names a row, and how an older one is made anew."""

    folder: Path
    key: str
    schema: Callable[[], Any]
    anew: Callable[[Any], Any]


def day_folder(folder: Path, day: date) -> Path:
    """Where the files of a day are."""
    return folder / f"date={day.isoformat()}"


def days(folder: Path) -> Iterator[tuple[date, Path]]:
    """The days that there are, oldest first, with their folders."""
    for place in sorted(folder.glob("date=*")):
        yield date.fromisoformat(place.name.removeprefix("date=")), place


def put(table: Any, path: Path) -> None:
    """Writes a file that is there whole or not at all, and stays when the power goes."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        _to_disk(file)
    temporary.replace(path)
    _folder_to_disk(path.parent)


def merge(kind: Kind, today: date) -> int:
    """Merges small files: of today when there are many, of days that are over any two.

    Returns how many files became fewer. A row that is in two of them is kept once.
    """
    fewer = 0
    for day, place in days(kind.folder):
        _finish(place)
        sound = [path for path in sorted(place.glob("*.parquet")) if _columns(path) is not None]
        old = [path for path in sound if not _columns(path).equals(kind.schema())]
        small = [path for path in sound if rows_in(path) < SMALL_ROWS or path in old]
        if old or len(small) >= (MANY_FILES if day >= today else 2):
            for group in _groups(small):
                if len(group) > 1 or group[0] in old:
                    fewer += _merge(group, kind)
    return fewer


def drop_before(folder: Path, oldest: date) -> int:
    """Removes the days before this one; returns how many."""
    dropped = 0
    for day, place in days(folder):
        if day < oldest:
            for path in place.iterdir():
                path.unlink(missing_ok=True)
            place.rmdir()
            dropped += 1
    return dropped


def rows_in(path: Path) -> int:
    """How many rows a file has: its name says so."""
    return int(path.stem.rpartition("-")[2])


@cache
def _columns(path: Path) -> Any:
    """The columns of a file; None where it is damaged: it stays as it is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowInvalid):
        return None


def _groups(small: Sequence[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    rows = 0
    for path in small:
        if group and rows + rows_in(path) > FULL_ROWS:
            yield group
            group, rows = [], 0
        group.append(path)
        rows += rows_in(path)
    if group:
        yield group


def _merge(group: Sequence[Path], kind: Kind) -> int:
    place = group[0].parent
    name = f"{group[0].stem.partition('-')[0]}-{secrets.token_hex(4)}"
    temporary = place / f"{name}.part"
    try:
        rows = _write_together(group, temporary, kind)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        _log.warning("%s files of %s are not merged: %s", len(group), place, error)
        return 0
    into = f"{name}-{rows}.parquet"
    _note(place / f"{name}{_NOTE}", {"into": into, "from": [path.name for path in group]})
    temporary.replace(place / into)
    _folder_to_disk(place)
    _finish(place)
    return len(group) - 1


def _write_together(group: Sequence[Path], temporary: Path, kind: Kind) -> int:
    """Writes the rows of all of them, piece by piece, each key once; returns how many."""
    import pyarrow.parquet as pq

    seen: set[Any] = set()
    with temporary.open("wb") as file:
        with pq.ParquetWriter(file, kind.schema(), compression="zstd") as writer:
            for path in group:
                with pq.ParquetFile(path) as found:
                    for number in range(found.num_row_groups):
                        writer.write_table(_new_ones(found.read_row_group(number), kind, seen))
        _to_disk(file)
    return len(seen)


def _new_ones(piece: Any, kind: Kind, seen: set[Any]) -> Any:
    keys = piece[kind.key].to_pylist()
    places = {key: at for at, key in enumerate(keys) if key not in seen}
    seen.update(places)
    if len(places) < len(keys):
        piece = piece.take(list(places.values()))
    return piece if piece.schema.equals(kind.schema()) else kind.anew(piece)


def _note(path: Path, said: Mapping[str, Any]) -> None:
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("wb") as file:
        file.write(orjson.dumps(said))
        _to_disk(file)
    temporary.replace(path)


def _finish(place: Path) -> None:
    """Removes what went into another file, where a note says so and that file is there."""
    for note in place.glob(f"*{_NOTE}"):
        said = orjson.loads(note.read_bytes())
        if (place / said["into"]).exists():
            for name in said["from"]:
                (place / name).unlink(missing_ok=True)
            _folder_to_disk(place)
        note.unlink()
    for leftover in place.glob("*.part"):
        if time.time() - leftover.stat().st_mtime > _LEFT_OVER_SECONDS:
            leftover.unlink(missing_ok=True)


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _folder_to_disk(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
