"""A decision is found wherever it is: in the stream, the spool or the archive; once."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from engine.errors import LiveStateUnavailable, Unavailable, UnknownDecision
from engine.ledger import Ledger, archive, keys, live, parquet, tables
from engine.ledger.archive import archive_stream, compact, records
from engine.ledger.log import ask
from engine.live import Ask
from engine.types import Decision
from tests.support.builders import a_bundle, a_customer, an_action
from tests.support.ledgers import NOWHERE, decided, redis_says

BUNDLE = a_bundle(an_action("upgrade"))


async def some(ledger: Ledger, count: int, **more: Any) -> list[Decision]:
    """New decisions, each about somebody else."""
    return [
        await decided(ledger, BUNDLE, Ask(customer=a_customer(str(n)), channel="web", **more))
        for n in range(count)
    ]


def archived(ledger: Ledger, **more: Any) -> list[str]:
    """The ids of what the archive holds, as readers see it."""
    found = records(ledger.site.archive, **more)
    return [orjson.loads(record)["decision"]["decision_id"] for record in found]


async def spooled(ledger: Ledger) -> int:
    """How many decisions wait in the journal."""
    query = select(func.count()).select_from(tables.spool)
    return int(await ledger.journal.read(lambda c: c.execute(query).scalar_one()))


async def without_redis(ledger: Ledger, patch: pytest.MonkeyPatch) -> Decision:
    """A decision that was made while Redis was away."""
    with patch.context() as patched:
        patched.setattr(ledger, "redis", live.connect(NOWHERE))
        patched.setattr(ledger, "wire", live.wired(NOWHERE))
        [decision] = await some(ledger, 1)
    return decision


async def test_a_decision_is_found_in_stream_and_archive_alike(ledger: Ledger) -> None:
    made = await some(ledger, 5)
    before = [await ledger.raw_record(one.decision_id) for one in made]
    assert await archive_stream(ledger) == 5
    assert [await ledger.raw_record(one.decision_id) for one in made] == before
    assert archived(ledger) == sorted(one.decision_id for one in made)
    assert await redis_says(ledger, "XLEN", keys.DECISIONS) == 0
    assert await redis_says(ledger, "KEYS", "*d:*") == []
    assert await archive_stream(ledger) == 0


async def test_a_decision_made_without_redis_is_found_in_spool_and_archive_alike(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = await without_redis(ledger, monkeypatch)
    before = await ledger.raw_record(decision.decision_id)
    assert await spooled(ledger) == 1
    assert await archive_stream(ledger) == 1
    assert await spooled(ledger) == 0
    assert await ledger.raw_record(decision.decision_id) == before


async def test_a_decision_is_found_in_the_archive_after_a_wipe(ledger: Ledger) -> None:
    [decision] = await some(ledger, 1)
    await archive_stream(ledger)
    await redis_says(ledger, "FLUSHALL")
    assert await ledger.raw_record(decision.decision_id)


async def test_a_crash_between_writing_and_deleting_loses_and_doubles_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await some(ledger, 3)

    def crash(**_: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger.redis, "pipeline", crash)
        with pytest.raises(KeyboardInterrupt):
            await archive_stream(ledger)
    made += await some(ledger, 2)
    assert await archive_stream(ledger) == 5
    files = list(ledger.site.archive.glob("*/*.parquet"))
    assert len(files) == 2
    assert archived(ledger) == sorted(one.decision_id for one in made)
    for one in made:
        assert await ledger.raw_record(one.decision_id)


async def test_a_crash_while_writing_leaves_the_decisions_where_they_are(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await some(ledger, 2)

    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(archive, "_write_file", full)
        with pytest.raises(OSError, match="no space"):
            await archive_stream(ledger)
    assert await redis_says(ledger, "XLEN", keys.DECISIONS) == 2
    assert archived(ledger) == []
    assert await archive_stream(ledger) == 2
    assert len(archived(ledger)) == len(made)


async def test_half_a_file_is_never_read(ledger: Ledger) -> None:
    await some(ledger, 1)
    await archive_stream(ledger)
    [file] = ledger.site.archive.glob("*/*.parquet")
    file.with_name("half.part").write_bytes(b"PAR1")
    assert len(archived(ledger)) == 1


async def test_a_record_that_somebody_made_unreadable_holds_up_no_other(ledger: Ledger) -> None:
    [one, other] = await some(ledger, 2)
    [(entry, _), _] = await redis_says(ledger, "XRANGE", keys.DECISIONS, "-", "+")
    await redis_says(ledger, "XDEL", keys.DECISIONS, entry)
    spoilt = ("d", one.decision_id, "r", b"no JSON")
    entry = await redis_says(ledger, "XADD", keys.DECISIONS, "*", *spoilt)
    await redis_says(ledger, "SET", keys.decision(one.decision_id), entry)
    for _ in range(2):  # in the stream, and in the archive
        assert await ledger.raw_record(one.decision_id) == b"no JSON"
        with pytest.raises(UnknownDecision, match="can't be read"):
            await ledger.decision_record(one.decision_id)
        assert orjson.loads(await ledger.raw_record(other.decision_id))
        await archive_stream(ledger)
    assert await redis_says(ledger, "XLEN", keys.DECISIONS) == 0


async def test_a_damaged_file_hides_no_other_of_its_day(ledger: Ledger) -> None:
    [one] = await some(ledger, 1)
    await archive_stream(ledger)
    [damaged] = ledger.site.archive.glob("*/*.parquet")
    [other] = await some(ledger, 1)
    await archive_stream(ledger)
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert orjson.loads(await ledger.raw_record(other.decision_id))
    with pytest.raises(Unavailable, match="damaged"):
        await ledger.raw_record(one.decision_id)


async def test_decisions_are_kept_by_their_day(ledger: Ledger) -> None:
    now = ledger.clock.now()
    for days in (0, 1, 40):
        await some(ledger, 2, at=now - timedelta(days=days))
    assert await archive_stream(ledger) == 6
    assert len(list(ledger.site.archive.glob("date=*"))) == 3
    assert len(archived(ledger)) == 6
    assert archived(ledger) == sorted(archived(ledger))
    assert len(archived(ledger, days=7, today=now.date())) == 4


async def test_more_than_a_batch_takes_several_moves(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BATCH", 2)
    made = await some(ledger, 5)
    assert [await archive_stream(ledger) for _ in range(4)] == [2, 2, 1, 0]
    assert archived(ledger) == sorted(one.decision_id for one in made)


async def test_a_decision_in_a_stream_that_is_away_is_not_called_unknown(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    [decision] = await some(ledger, 1)
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "redis", live.connect(NOWHERE))
        patched.setattr(ledger, "wire", live.wired(NOWHERE))
        with pytest.raises(LiveStateUnavailable):
            await ledger.raw_record(decision.decision_id)
    await archive_stream(ledger)
    monkeypatch.setattr(ledger, "redis", live.connect("redis://127.0.0.1:1/0"))
    assert await ledger.raw_record(decision.decision_id)


async def test_many_small_files_of_a_day_become_one_and_nothing_is_lost(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MANY_FILES", 4)
    made: list[Decision] = []
    for _ in range(3):
        made += await some(ledger, 2)
        await archive_stream(ledger)
        assert await compact(ledger) == 0
    made += await some(ledger, 2)
    await archive_stream(ledger)

    assert await compact(ledger) == 3

    assert len(list(ledger.site.archive.glob("date=*/*"))) == 1
    assert archived(ledger) == sorted(one.decision_id for one in made)
    for one in made:
        assert await ledger.raw_record(one.decision_id)


async def test_a_day_that_is_over_becomes_one_file(ledger: Ledger) -> None:
    yesterday = ledger.clock.now() - timedelta(days=1)
    for _ in range(2):
        await some(ledger, 2, at=yesterday)
        await archive_stream(ledger)
    assert await compact(ledger) == 1
    assert await compact(ledger) == 0
    assert len(archived(ledger)) == 4


async def test_decisions_are_kept_for_as_long_as_the_settings_say(ledger: Ledger) -> None:
    now = ledger.clock.now()
    for days in (0, 30, 31):
        await some(ledger, 1, at=now - timedelta(days=days))
    await archive_stream(ledger)
    await compact(ledger)
    assert len(archived(ledger)) == 3
    ledger.site = replace(ledger.site, log_days=30)
    await compact(ledger)
    assert len(archived(ledger)) == 2
    assert len(list(ledger.site.archive.glob("date=*"))) == 2


async def test_files_of_before_get_the_columns_of_today(ledger: Ledger) -> None:
    made = await some(ledger, 2)
    await archive_stream(ledger)
    [file] = ledger.site.archive.glob("*/*.parquet")
    parquet.put(pq.read_table(file, columns=["decision_id", "record"]), file)
    assert ask(ledger.site.archive, "select * from candidates").rows == []
    await compact(ledger)
    found = ask(ledger.site.archive, "select decision_id from candidates").rows
    assert sorted(name for (name,) in found) == archived(ledger)
    assert len(archived(ledger)) == len(made)


@pytest.mark.parametrize(
    "unknown", ["", "../../etc/passwd", "01KJMK6G00ABCDEFGHJKMNPQRS", "z" * 26]
)
async def test_what_was_never_decided_is_not_found(ledger: Ledger, unknown: str) -> None:
    with pytest.raises(UnknownDecision):
        await ledger.raw_record(unknown)
