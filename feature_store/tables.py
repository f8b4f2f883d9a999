"""Tables of customers as text: CSV files, plain or gzipped, row by row with their line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from engine.errors import InvalidInput

_LONGEST_CELL_LINES = 50
_UNREADABLE = (OSError, EOFError, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: the line it starts on and its stripped cells, or the `problem` with it."""

    number: int
    cells: dict[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that is read once: its columns, and its rows as they come."""

    name: str
    columns: tuple[str, ...]
    lines: Iterator[Line]


@contextmanager
def open_table(path: Path, separator: str = ",") -> Generator[Table]:
    """Opens a CSV file (UTF-8; `.gz` is unpacked). Raises InvalidInput when it is no such file.

    A broken row costs only itself: an unclosed quote does not swallow the rows after it.
    """
    try:
        text = _open_text(path)
        columns = tuple(name.strip() for name in _cells(text.readline(), separator) or ())
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{path}: can't be read: {reason}") from error
    with text:
        if not any(columns):
            raise InvalidInput(f"{path.name}: a first line with the names of the columns is needed")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise InvalidInput(f"{path.name}: column {twice[0]!r} is there twice")
        yield Table(name=path.name, columns=columns, lines=_lines(text, columns, separator))


def _open_text(path: Path) -> TextIO:
    binary = gzip.GzipFile(path) if path.name.endswith(".gz") else path.open("rb")
    return io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _lines(text: TextIO, columns: tuple[str, ...], separator: str) -> Iterator[Line]:
    number, waiting = 2, deque[str]()
    while raw := _next(text, waiting):
        row, used = _row(raw, text, waiting, separator, len(columns))
        if row is None:
            yield Line(
                number=number, cells={}, problem="a quote is not closed, or stands in a cell"
            )
        elif row:
            yield _line(number, row, columns)
        number += used


def _line(number: int, row: list[str], columns: tuple[str, ...]) -> Line:
    if len(row) != len(columns):
        wrong = f"has {len(row)} cells where the first line has {len(columns)}"
        return Line(number=number, cells={}, problem=wrong)
    if not all(cell.isascii() or _is_utf8(cell) for cell in row):
        return Line(number=number, cells={}, problem="is not UTF-8")
    cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True)}
    return Line(number=number, cells=cells)


def _row(
    raw: str, text: TextIO, waiting: deque[str], separator: str, width: int
) -> tuple[list[str] | None, int]:
    """The cells that start on this line, and how many lines they take; None: it is broken."""
    row = _cells(raw, separator)
    if row is not None or '"' not in raw:
        return row, 1
    while len(waiting) < _LONGEST_CELL_LINES and (more := _read(text)):
        waiting.append(more)
    for extra in range(1, len(waiting) + 1):
        raw += waiting[extra - 1]
        row = _cells(raw, separator)
        if row is not None and len(row) == width:
            for _ in range(extra):
                waiting.popleft()
            return row, extra + 1
    return None, 1


def _cells(raw: str, separator: str) -> list[str] | None:
    lines = raw.splitlines(keepends=True)
    try:
        return next(csv.reader(lines, delimiter=separator, strict=True), list[str]())
    except csv.Error:
        return None


def _next(text: TextIO, waiting: deque[str]) -> str:
    return waiting.popleft() if waiting else _read(text)


def _read(text: TextIO) -> str:
    try:
        return text.readline()
    except _UNREADABLE as error:
        raise InvalidInput(f"the file is damaged: {error}") from error


def _is_utf8(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True
