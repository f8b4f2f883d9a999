"""The journal: durable facts in SQLite or PostgreSQL, written by one thread with group commit."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from engine.errors import JournalUnavailable, TactfulError
from engine.ledger import tables
from engine.ledger.turns import Turns

T = TypeVar("T")
Work = Callable[[Connection], Any]
_Waiting = tuple[Work, Future[Any]]

_TURN_SECONDS = 0.01
"""How long a group may take besides its commit while other processes wait for their turn."""
_BUSY_SECONDS = 10
_READERS = 4
_RETRY_SECONDS = 0.02


class Journal:
    """Runs pieces of work on the journal; writes that wait at the same moment share one commit.

    Each runs in its own savepoint: one that fails takes nothing of the others with it.
    """

    def __init__(self, address: str) -> None:
        self._engine = _open(address)
        self._turns = _turns(self._engine)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="journal-read")
        self._writer = threading.Thread(
            target=self._write_groups, name="journal-write", daemon=True
        )
        self._writer.start()
        self._closed = False

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction and returns its result once that is durable.

        Raises JournalUnavailable when the journal can't be written; nothing of `work` was kept
        then.
        """
        if self._closed:
            raise JournalUnavailable("the journal is closed")
        future: Future[T] = Future()
        self._queue.put((work, future))
        return await asyncio.wrap_future(future)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` on a connection of its own, which sees everything that was written before."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    def close(self) -> None:
        """Writes what waits, then closes."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._writer.join()
            self._readers.shutdown()
            self._engine.dispose()
            if self._turns is not None:
                self._turns.close()

    def _my_turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turns is None else self._turns.mine()

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    def _write_groups(self) -> None:
        waiting: deque[_Waiting] = deque()
        more = True
        while more or waiting:
            if not waiting:
                more = _join(waiting, self._queue.get())
            while more and not self._queue.empty():  # nobody else takes from it
                more = _join(waiting, self._queue.get())
            if waiting:
                self._write_group(waiting)

    def _write_group(self, waiting: deque[_Waiting]) -> None:
        """Commits together what can be done in a moment; the rest waits for the next turn."""
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        started: list[Future[Any]] = []
        try:
            with self._my_turn(), self._engine.connect() as connection, _transaction(connection):
                end = time.monotonic() + _TURN_SECONDS
                while waiting and (not done or time.monotonic() < end):
                    work, future = waiting.popleft()
                    if future.set_running_or_notify_cancel():
                        started.append(future)
                        done.append((future, *_attempt(connection, work)))
        except SQLAlchemyError as error:
            started.extend(f for _, f in waiting if f.set_running_or_notify_cancel())
            waiting.clear()
            for future in started:
                future.set_exception(_unavailable(error))
            return
        for future, result, failure in done:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)


def _join(waiting: deque[_Waiting], item: _Waiting | None) -> bool:
    """Lets it wait for the writer; False once nothing follows."""
    if item is not None:
        waiting.append(item)
    return item is not None


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Inserts a row unless one with the same key is there; says whether it did."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    written = connection.execute(statement.returning(*table.primary_key.columns))
    return written.first() is not None


def _attempt(connection: Connection, work: Work) -> tuple[Any, BaseException | None]:
    try:
        with connection.begin_nested():
            return work(connection), None
    except OperationalError as error:
        if _lost(connection, error):
            raise
        return None, _unavailable(error)
    except TactfulError as error:
        return None, error
    except SQLAlchemyError as error:
        return None, _unavailable(error)
    except Exception as error:  # a bug in `work` must reach its caller, not stop the writer
        return None, error


def _lost(connection: Connection, error: OperationalError) -> bool:
    """Whether an error took the whole transaction with it: a full disk, a broken connection."""
    if error.connection_invalidated or connection.invalidated:
        return True
    raw = connection.connection.dbapi_connection
    return isinstance(raw, sqlite3.Connection) and not raw.in_transaction


class _transaction:
    """BEGIN IMMEDIATE on SQLite: two processes queue for the lock instead of failing half-way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        if self._connection.dialect.name == "sqlite":
            self._connection.info["begin"] = "BEGIN IMMEDIATE"
        try:
            self._transaction = self._connection.begin()
        finally:
            self._connection.info.pop("begin", None)  # the next to use it may only read

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._transaction.commit()
        else:
            self._transaction.rollback()


def _unavailable(error: SQLAlchemyError) -> JournalUnavailable:
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    return JournalUnavailable(f"the journal can't be used: {reason}")


def _open(address: str) -> Engine:
    if address.startswith("sqlite"):
        engine = create_engine(
            address, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
    else:
        engine = create_engine(address, pool_pre_ping=True)
    try:
        with engine.connect() as connection, _transaction(connection):
            tables.metadata.create_all(connection)
            _add_new_columns(connection)
    except SQLAlchemyError as error:
        engine.dispose()
        raise _unavailable(error) from error
    return engine


def _turns(engine: Engine) -> Turns | None:
    """Only a file of SQLite's has one writer at a time."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path:
        return None
    try:
        return Turns(Path(path))
    except OSError as error:
        engine.dispose()
        raise JournalUnavailable(f"the journal can't be used: {error}") from error


def _add_new_columns(connection: Connection) -> None:
    """A journal of an earlier version lacks columns: each new one may be empty or has a default."""
    seen = inspect(connection)
    for table in tables.metadata.sorted_tables:
        there = {column["name"] for column in seen.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                unless = "IF NOT EXISTS " if connection.dialect.name == "postgresql" else ""
                statement = f'ALTER TABLE "{table.name}" ADD COLUMN {unless}{definition}'
                connection.exec_driver_sql(statement)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver's own would come too late
    _use_write_ahead_log(connection)
    for pragma in ("synchronous=FULL", f"busy_timeout={_BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for this lock by itself: processes that start together would fail."""
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(_RETRY_SECONDS)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(str(connection.info.get("begin", "BEGIN")))
