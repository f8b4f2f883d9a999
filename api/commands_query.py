"""The command that asks the log of decisions in SQL."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from api.options import AsJson, DataDir

if TYPE_CHECKING:
    from engine.ledger.log import Answer

_MOST_WIDTH = 60


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def add_to(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        short_help="Ask the log of decisions in SQL.",
        epilog='Example: tactful query "select stage, rule, count(*) as times from drops group by'
        ' all order by times desc"',
    )(query)


def query(
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", help="One SELECT. Without it: what tables there are."),
    ] = None,
    shape: Annotated[
        Format, typer.Option("--format", help="How to print it.", case_sensitive=False)
    ] = Format.TABLE,
    rows: Annotated[
        int, typer.Option("--rows", metavar="N", min=1, help="A table shows the first N rows.")
    ] = 100,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask the log of decisions in SQL, as DuckDB speaks it; docs/log.md tells what is in it.

    Tables: decisions, candidates, drops, offers, features, outcomes, records. It can be read and
    nothing else. What was decided is there some seconds later.
    """
    from api.settings import load_settings
    from engine.ledger.log import Answer, ask, described

    archive = load_settings({"data_dir": data_dir}).data_dir / "archive"
    if sql is None:
        every = described(archive)
        told = [(name, *column) for name, columns in every.items() for column in columns]
        answer = Answer(columns=("table", "column", "type"), rows=told)
        rows = len(told)
    else:
        answer = ask(archive, sql)
    for line in lines(answer, Format.JSON if as_json else shape, rows):
        typer.echo(line)


def lines(answer: Answer, shape: Format, most: int) -> Iterator[str]:
    """An answer as it is printed."""
    match shape:
        case Format.TABLE:
            yield from _table(answer, most)
        case Format.CSV:
            yield _csv_line(answer.columns)
            for row in answer.rows:
                yield _csv_line([_plain(value) for value in row])
        case Format.JSON:
            yield from _json(answer)


def _table(answer: Answer, most: int) -> Iterator[str]:
    cells = [[_cell(value) for value in row] for row in answer.rows[:most]]
    widths = [
        max(len(name), *(len(row[at]) for row in cells), 0)
        for at, name in enumerate(answer.columns)
    ]
    right = [
        all(
            isinstance(row[at], int | float | Decimal) or row[at] is None
            for row in answer.rows[:most]
        )
        for at in range(len(widths))
    ]
    for row in (answer.columns, ["-" * width for width in widths], *cells):
        told = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        yield "  ".join(told).rstrip()
    if not answer.rows:
        yield "no rows"
    if (left := len(answer.rows) - most) > 0:
        yield f"… and {left:,} more rows: --rows N shows more, --format csv all"


def _cell(value: Any) -> str:
    text = (
        "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(_plain(value))
    )
    text = " ".join(text.split())
    return text if len(text) <= _MOST_WIDTH else text[: _MOST_WIDTH - 1] + "…"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | dict | tuple):
        return _as_json(cast(Any, value))
    return value


def _as_json(value: Any) -> str:
    import orjson

    def told(one: Any) -> Any:
        return float(one) if isinstance(one, Decimal) else str(one)

    return orjson.dumps(value, default=told, option=orjson.OPT_NON_STR_KEYS).decode()


def _csv_line(row: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()


def _json(answer: Answer) -> Iterator[str]:
    """A list with an object for each row, a line each."""
    yield "["
    last = len(answer.rows) - 1
    for number, row in enumerate(answer.rows):
        told = _as_json(dict(zip(answer.columns, row, strict=True)))
        yield told + ("," if number < last else "")
    yield "]"
