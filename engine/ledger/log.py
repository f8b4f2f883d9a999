"""The log as tables for SQL: decisions and what came of them, to be read and nothing else.

What is asked may be any one SELECT. It sees the log's own files, no others, and no network.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import re
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from engine.errors import InvalidInput, Unavailable
from engine.ledger import columns, outcome_log
from engine.ledger.parquet import days

_ATTEMPTS = 3
_FILES, _TOLD = "decision_files", "outcome_files"
_WHOSE = "decision_id, decided_at, date, customer, channel"
_WHAT = "one.action, one.treatment"
_DROPPED = "one.stage, one.rule, one.detail, one.until"
_PLACED = "one.placement, one.rank, one.selection"
_PRICED = (
    "one.model as model_propensity, one.smoothed as smoothed_propensity, one.propensity, "
    "one.context_weight, one.value, one.lever, one.priority, one.positives, one.negatives"
)


def _each(nested: str) -> str:
    return f"from (select *, unnest({nested}) as one from {_FILES})"


_VIEWS: Mapping[str, str] = MappingProxyType(
    {
        "decisions": f"select {_WHOSE}, journey, level, because, arm, bundle, models, scores, "
        "scored_by, context, len(candidates) as candidates, len(drops) as drops, "
        f"len(offers) as offers from {_FILES}",
        "candidates": f"select {_WHOSE}, arm, {_WHAT}, one.status, {_DROPPED}, {_PRICED}, "
        f"{_PLACED} {_each('candidates')}",
        "drops": f"select {_WHOSE}, {_WHAT}, {_DROPPED} {_each('drops')}",
        "offers": f'select {_WHOSE}, arm, {_PLACED}, {_WHAT}, one.purpose, one."group" as '
        "action_group, one.tags, one.propensity, one.priority, one.part_of " + _each("offers"),
        "features": f"select {_WHOSE}, one.feature, one.value, one.number, one.known_at, "
        f"one.age_seconds {_each('features')}",
        "outcomes": "select decision_id, treatment, action, outcome, happened_at, value, customer, "
        f'channel, purpose, "group" as action_group, id, seq, date as logged from {_TOLD}',
        "records": f"select decision_id, date, try(decode(record)) as record from {_FILES}",
    }
)
TABLES = tuple(_VIEWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query gave: names of columns, and rows."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def ask(archive: Path, sql: str) -> Answer:
    """The answer of one SELECT.

    Raises InvalidInput with what is wrong and what there is, and Unavailable for a damaged file.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _ask(archive, sql)
        except duckdb.IOException:  # a file went into a larger one meanwhile
            continue
    return _ask(archive, sql)


def described(archive: Path) -> Mapping[str, Sequence[tuple[str, str]]]:
    """The tables that there are, each with its columns and their types."""
    with opened(archive) as connection:
        return _described(connection)


@contextmanager
def opened(archive: Path) -> Generator[duckdb.DuckDBPyConnection]:
    """The log as it is now, in DuckDB: read-only, and cut off from everything else."""
    archive.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("set python_enable_replacements = false")
        connection.execute(f"set temp_directory = {_quoted(spill)}")
        for name, folder, schema in (
            (_FILES, archive, columns.schema()),
            (_TOLD, outcome_log.folder(archive), outcome_log.schema()),
        ):
            key = "decision_id" if name == _FILES else "seq"
            try:
                once = _each_once(connection, folder, key, schema)
            except duckdb.InvalidInputException as error:
                found = str(error).splitlines()[0]
                words = "restore it from a backup, or move it away"
                raise Unavailable(f"the log has a damaged file: {found}; {words}") from None
            connection.execute(f"create view {name} as {once}")
        for name, select in _VIEWS.items():
            connection.execute(f"create view {name} as {select}")
        connection.execute(f"set allowed_directories = [{_quoted(str(archive))}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


def _ask(archive: Path, sql: str) -> Answer:
    with opened(archive) as connection:
        try:
            _demand_one_select(connection, sql)
            found = connection.execute(sql)
            names = tuple(str(each[0]) for each in found.description or ())
            return Answer(columns=names, rows=found.fetchall())
        except duckdb.PermissionException:
            raise InvalidInput("SQL here reads the log's tables, no files and no network") from None
        except duckdb.IOException:
            raise
        except duckdb.Error as error:
            raise InvalidInput(_told(connection, sql, error)) from None


def _demand_one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
        raise InvalidInput("ask one SELECT: the log can be read, not changed")


def _each_once(connection: duckdb.DuckDBPyConnection, folder: Path, key: str, schema: Any) -> str:
    """The select of all rows of a folder's days; of what is in two files after a crash, one.

    Columns that files of an older version don't have are empty.
    """
    connection.register(f"no_{key}", schema.empty_table())
    nothing = f"select *, null::date as date from no_{key}"
    files = [str(path) for _, day in days(folder) for path in sorted(day.glob("*.parquet"))]
    if not files:
        return nothing
    read = (
        f"read_parquet([{', '.join(map(_quoted, files))}], union_by_name = true, "
        "hive_partitioning = true, hive_types = {'date': date}, filename = true, "
        "file_row_number = true)"
    )
    connection.execute(
        f"create temp table more_of_{key} as with twice as (select {key} from {read} group by all "
        f"having count(*) > 1) select filename, file_row_number from {read} where {key} in "
        f"(from twice) qualify row_number() over (partition by {key} order by filename) > 1"
    )
    more = connection.execute(f"select count(*) from more_of_{key}").fetchone()
    without = f"where (filename, file_row_number) not in (from more_of_{key})"
    there = f"select * exclude (filename, file_row_number) from {read}"
    once = f"{there} {without if more and more[0] else ''}"
    names = ", ".join(f'"{name}"' for name in schema.names)
    return f"select {names}, date from ({once} union all by name {nothing})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _described(
    connection: duckdb.DuckDBPyConnection,
) -> Mapping[str, Sequence[tuple[str, str]]]:
    return {
        name: [
            (str(row[0]), str(row[1])) for row in connection.execute(f"describe {name}").fetchall()
        ]
        for name in TABLES
    }


def _told(connection: duckdb.DuckDBPyConnection, sql: str, error: duckdb.Error) -> str:
    """What is wrong, and what there is: all tables, and the columns of those that were named."""
    said = re.sub(r"\s*\n\s*\n?", "\n", str(error)).strip()
    named = [name for name in TABLES if re.search(rf"\b{name}\b", sql)]
    if not named:
        return f"{said}\nThere are the tables {', '.join(TABLES)}"
    every = _described(connection)
    there = [f"{name} has {', '.join(column for column, _ in every[name])}" for name in named]
    return "\n".join([said, *there, f"There are the tables {', '.join(TABLES)}"])
