"""The journal: group commit, callers that fail or leave, and a file that can't be written."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, text

from engine.errors import InvalidInput, JournalUnavailable
from engine.ledger import journal as journal_module
from engine.ledger import tables
from engine.ledger import turns as turns_module
from engine.ledger.journal import Journal, insert_new


@pytest.fixture
def journal(tmp_path: Path) -> Generator[Journal]:
    opened = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield opened
    opened.close()


def test_a_journal_of_an_earlier_version_gets_the_columns_it_lacks(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    Journal(address).close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as connection:
        connection.execute("ALTER TABLE messages DROP COLUMN until")
        connection.execute("ALTER TABLE messages DROP COLUMN exemptions")
        said = "message_id, customer, at, channel, action, treatment, 'group', purpose, tags"
        connection.execute(
            f"INSERT INTO messages ({said}, decision_id, journey, step, state, attempts)"
            " VALUES ('m', 'c', 1, 'x', 'x', 'x', 'x', 'x', '[]', 'd', 'j', 's', 'delivered', 1)"
        )
    connection.close()
    for _ in range(2):
        Journal(address).close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as connection:
        rows = connection.execute("SELECT message_id, until, exemptions FROM messages").fetchall()
    connection.close()
    assert rows == [("m", None, "[]")]


def keeping(name: str) -> Callable[[Connection], bool]:
    """Work that keeps one customer."""
    row = {"customer": name, "external_id": name}
    return lambda connection: insert_new(connection, tables.customers, row)


def count(connection: Connection) -> int:
    """How many customers are kept."""
    query = select(func.count()).select_from(tables.customers)
    return int(connection.execute(query).scalar_one())


def sabotage(_: Connection) -> None:
    """Work with a bug in it."""
    raise ZeroDivisionError


def refusal(connection: Connection) -> None:
    """Work that writes and then finds out that it must not."""
    keeping("half done")(connection)
    raise InvalidInput("no")


def wrong_table(connection: Connection) -> None:
    """Work that the database refuses as a whole statement."""
    keeping("half done")(connection)
    connection.execute(text("insert into nowhere values (1)"))


def broken_constraint(connection: Connection) -> None:
    """Work that breaks a constraint."""
    keeping("half done")(connection)
    connection.execute(tables.customers.insert().values(customer="half done", external_id="x"))


async def in_one_group(
    journal: Journal, *work: Callable[[Connection], object]
) -> list[object | BaseException]:
    """Results of pieces of work that wait for the writer together, and so share a commit."""
    gate, arrived = threading.Event(), threading.Event()

    def block(_: Connection) -> None:
        arrived.set()
        gate.wait(5)

    blocking = asyncio.create_task(journal.write(block))
    await asyncio.to_thread(arrived.wait, 5)
    waiting = [asyncio.create_task(journal.write(one)) for one in work]
    await asyncio.sleep(0)
    gate.set()
    await blocking
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_was_written_is_read_by_everybody_at_once(journal: Journal) -> None:
    assert await journal.write(keeping("a")) is True
    assert await journal.write(keeping("a")) is False
    assert await journal.read(count) == 1


async def test_many_writers_at_once_are_all_kept(journal: Journal) -> None:
    results = await asyncio.gather(*(journal.write(keeping(f"c{n % 200}")) for n in range(400)))
    assert sum(results) == 200
    assert await journal.read(count) == 200


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (sabotage, ZeroDivisionError),
        (refusal, InvalidInput),
        (wrong_table, JournalUnavailable),
        (broken_constraint, JournalUnavailable),
    ],
)
async def test_one_piece_of_work_that_fails_takes_nothing_of_the_others_with_it(
    journal: Journal, bad: Callable[[Connection], None], error: type[Exception]
) -> None:
    first, failed, last = await in_one_group(journal, keeping("a"), bad, keeping("b"))
    assert (first, last) == (True, True)
    assert isinstance(failed, error)
    assert await journal.read(count) == 2


async def test_a_caller_that_left_before_its_turn_changes_nothing(journal: Journal) -> None:
    gate = threading.Event()
    blocking = asyncio.create_task(journal.write(lambda _: gate.wait(5)))
    await asyncio.sleep(0.02)
    left = asyncio.create_task(journal.write(keeping("left")))
    stays = asyncio.create_task(journal.write(keeping("stays")))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.sleep(0)
    gate.set()
    await blocking
    assert await stays is True
    assert left.cancelled()
    assert await journal.read(count) == 1


async def test_a_caller_that_leaves_during_its_turn_disturbs_nobody(journal: Journal) -> None:
    begun, gate = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        begun.set()
        gate.wait(5)
        keeping("slow")(connection)

    leaving = asyncio.create_task(journal.write(slow))
    await asyncio.to_thread(begun.wait, 5)
    leaving.cancel()
    gate.set()
    assert await journal.write(keeping("next")) is True
    assert await journal.read(count) == 2


async def test_a_journal_that_another_process_locks_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_BUSY_SECONDS", 0.2)
    path = tmp_path / "journal.sqlite"
    journal = Journal(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="locked"):
            await journal.write(keeping("a"))
        assert await journal.read(count) == 0
        other.execute("ROLLBACK")
        assert await journal.write(keeping("a")) is True
    finally:
        other.close()
        journal.close()


async def test_a_full_disk_is_told_to_everybody_and_nothing_is_half_kept(
    journal: Journal,
) -> None:
    def fill(connection: Connection) -> None:
        pages = connection.execute(text("pragma page_count")).scalar_one()
        connection.execute(text(f"pragma max_page_count = {pages}"))
        connection.execute(
            tables.customers.insert(),
            [{"customer": f"c{n}", "external_id": "x" * 900} for n in range(2000)],
        )

    results = await in_one_group(journal, keeping("a"), fill, keeping("b"))
    assert isinstance(results[1], JournalUnavailable)
    kept = [name for name, result in zip("ab", results[::2], strict=True) if result is True]
    found = await journal.read(lambda c: c.execute(select(tables.customers.c.customer)).all())
    assert [row.customer for row in found] == kept


@pytest.mark.parametrize("content", [None, b"this is no database, and long enough to tell" * 99])
def test_a_file_that_is_no_journal_is_told_at_once(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "journal.sqlite"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(JournalUnavailable):
        Journal(f"sqlite:///{path}")


async def test_a_closed_journal_takes_nothing_and_keeps_what_waited(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    journal = Journal(address)
    waiting = [asyncio.create_task(journal.write(keeping(f"c{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(journal.close)
    assert await asyncio.gather(*waiting) == [True] * 50
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.write(keeping("late"))
    again = Journal(address)
    assert await again.read(count) == 50
    again.close()
    again.close()


async def test_two_processes_share_a_journal(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    both = [Journal(address), Journal(address)]
    work = (both[n % 2].write(keeping(f"c{n // 2}")) for n in range(100))
    assert sum(await asyncio.gather(*work)) == 50
    for journal in both:
        assert await journal.read(count) == 50
        journal.close()


async def test_who_writes_without_a_break_lets_another_process_in_between(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    busy, other = Journal(address), Journal(address)
    written: list[int] = []

    def slow(_: Connection) -> None:
        written.append(1)
        time.sleep(0.02)

    crowd = [asyncio.create_task(busy.write(slow)) for _ in range(100)]
    await asyncio.gather(*crowd[:3])
    for number in range(5):
        before = len(written)
        assert await other.write(keeping(f"c{number}")) is True
        assert len(written) - before <= 5
    assert len(written) < 100, "the crowd was through before anybody could come between"
    await asyncio.gather(*crowd)
    assert len(written) == 100
    for journal in (busy, other):
        journal.close()


async def test_a_process_that_dies_in_its_turn_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(f"sqlite:///{path}")
    code = f"""
import sys, time
from pathlib import Path
from engine.ledger.turns import Turns
with Turns(Path({str(path)!r})).mine():
    print("mine", flush=True)
    time.sleep(60)
"""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"mine\n"
    waits = asyncio.create_task(journal.write(keeping("a")))
    done, _ = await asyncio.wait({waits}, timeout=0.3)
    assert not done, "it did not wait for its turn"
    holder.kill()
    assert await waits is True
    await holder.wait()
    journal.close()


async def test_a_turn_that_never_ends_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "_PATIENCE_SECONDS", 0.1)
    path = tmp_path / "journal.sqlite"
    journal = Journal(f"sqlite:///{path}")
    frozen = turns_module.Turns(path)
    with frozen.mine():
        assert await journal.write(keeping("a")) is True
    frozen.close()
    journal.close()
