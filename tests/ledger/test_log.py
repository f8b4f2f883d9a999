"""The log in SQL: all of a decision, each once; read-only, and blind to everything else."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete

from engine.catalog import Exploration
from engine.errors import InvalidInput, Unavailable
from engine.ledger import Ledger, parquet, tables
from engine.ledger.archive import archive_stream
from engine.ledger.log import ask, described
from engine.ledger.outcome_log import OutcomeLog
from engine.ledger.outcomes import Outcome
from engine.live import Ask, Decider
from engine.types import Decision, FeatureRow
from tests.support.builders import a_bundle, a_customer, a_rule, an_action
from tests.support.ledgers import NoFeatures, NoModels, redis_says

BUNDLE = a_bundle(
    an_action("upgrade", value=20, prior=0.2),
    an_action("phone", value=5, prior=0.3),
    an_action("never", rules=(a_rule("1 == 2", name="nobody"),)),
    exploration=Exploration(thompson=True, smoothing_evidence=50),
)


async def decided(ledger: Ledger, **more: Any) -> Decision:
    """A decision of a customer of whom something is known."""
    now = ledger.clock.now()
    known = {"contract.type": "One year", "contract.tenure_months": 4, "contract.paperless": True}
    row = FeatureRow(values={**known}, times={"contract": now - timedelta(hours=2)})
    decider = Decider(ledger, NoFeatures(row), NoModels(), lambda: BUNDLE)
    return (await decider.decide(Ask(customer=a_customer(), channel="web", **more))).decision


def rows(ledger: Ledger, sql: str) -> list[dict[str, Any]]:
    found = ask(ledger.site.archive, sql)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


async def test_a_decision_is_in_the_log_with_all_that_it_was_made_of(ledger: Ledger) -> None:
    decision = await decided(ledger, context={"page": "billing"})
    await archive_stream(ledger)
    [told] = rows(ledger, "select * from decisions")
    assert told["decision_id"] == decision.decision_id
    assert (told["customer"], told["channel"], told["arm"]) == (a_customer(), "web", "best")
    assert told["decided_at"] == decision.at
    assert told["date"] == decision.at.date()
    assert (told["level"], told["bundle"]) == (decision.level.value, BUNDLE.hash)
    assert (told["context"], told["scored_by"]) == ('{"page":"billing"}', "none")
    assert (told["candidates"], told["drops"], told["offers"]) == (3, 1, 1)
    told = {row["action"]: row for row in rows(ledger, "select * from candidates")}
    for one in decision.candidates:
        assert told[one.action]["status"] == one.status.value
        assert told[one.action]["treatment"] == one.treatment
        assert told[one.action]["smoothed_propensity"] == one.smoothed
        assert told[one.action]["propensity"] == one.propensity
        assert told[one.action]["value"] == one.value
        assert told[one.action]["lever"] == one.lever
        assert told[one.action]["context_weight"] == one.context_weight
        assert told[one.action]["priority"] == one.priority
    [offer] = decision.offers
    assert 0 < offer.selection < 1
    assert told[offer.action]["selection"] == offer.selection
    [shown] = rows(ledger, "select * from offers")
    assert (shown["placement"], shown["rank"], shown["action"]) == ("main", 1, offer.action)
    assert (shown["selection"], shown["priority"]) == (offer.selection, offer.priority)
    [drop] = rows(ledger, "select * from drops")
    assert (drop["action"], drop["stage"], drop["rule"]) == ("never", "eligibility", "nobody")


async def test_features_are_there_with_their_ages(ledger: Ledger) -> None:
    await decided(ledger)
    await archive_stream(ledger)
    told = {row["feature"]: row for row in rows(ledger, "select * from features")}
    assert told["contract.type"]["value"] == "One year"
    assert told["contract.tenure_months"]["number"] == 4
    assert told["contract.paperless"]["number"] == 1
    assert told["contract.type"]["age_seconds"] == pytest.approx(7_200, abs=60)


async def test_all_reasons_are_there_where_they_were_asked_for(ledger: Ledger) -> None:
    decision = await decided(ledger, explain=True)
    await archive_stream(ledger)
    reasons = [(one.action, drop.rule) for one in decision.candidates for drop in one.drops]
    found = rows(ledger, "select action, rule from drops")
    assert [(row["action"], row["rule"]) for row in found] == reasons


async def test_what_is_in_two_files_after_a_crash_counts_once(ledger: Ledger) -> None:
    await decided(ledger)
    await archive_stream(ledger)
    [file] = ledger.site.archive.glob("date=*/*.parquet")
    parquet.put(pq.read_table(file), file.with_name(f"again-{1}.parquet"))
    assert rows(ledger, "select count(*) as n from decisions") == [{"n": 1}]
    assert rows(ledger, "select count(*) as n from candidates") == [{"n": 3}]


async def test_an_unreadable_record_is_kept_beside_the_others(ledger: Ledger) -> None:
    one, _ = await decided(ledger), await decided(ledger)
    [(entry, _), _] = await redis_says(ledger, "XRANGE", "tactful:decisions", "-", "+")
    await redis_says(ledger, "XDEL", "tactful:decisions", entry)
    spoilt = b'{"request":{"channel":"web","customer":1}}'
    await redis_says(ledger, "XADD", "tactful:decisions", "*", "d", one.decision_id, "r", spoilt)
    await archive_stream(ledger)
    found = rows(ledger, "select decision_id, level from decisions order by level nulls first")
    assert found[0] == {"decision_id": one.decision_id, "level": None}
    assert len(found) == 2
    records = "select record from records where record like '%\"customer\":1}}'"
    assert rows(ledger, records) == [{"record": spoilt.decode()}]


# -- outcomes


async def answered(ledger: Ledger, decision: Decision, word: str, number: int = 1) -> None:
    [offer] = decision.offers
    outcome = Outcome(
        decision_id=decision.decision_id,
        treatment=offer.treatment,
        outcome=word,
        id=str(number),
        at=ledger.clock.now(),
        value=12.5,
    )
    await ledger.record_outcome(outcome)


async def test_outcomes_come_to_the_log_once_however_often_it_starts_anew(ledger: Ledger) -> None:
    decision = await decided(ledger)
    await archive_stream(ledger)
    log = OutcomeLog(ledger)
    await answered(ledger, decision, "click")
    assert [await log.copy(), await log.copy()] == [1, 0]
    await answered(ledger, decision, "click")  # told twice
    await answered(ledger, decision, "accept")
    assert [await OutcomeLog(ledger).copy(), await OutcomeLog(ledger).copy()] == [1, 0]
    joined = (
        "select outcome, outcomes.value from outcomes join offers using (decision_id, treatment)"
    )
    found = sorted((row["outcome"], row["value"]) for row in rows(ledger, joined))
    assert found == [("accept", 12.5), ("click", 12.5)]


async def test_an_outcome_that_was_committed_out_of_order_is_not_missed(ledger: Ledger) -> None:
    decision = await decided(ledger)
    for number in range(3):
        await answered(ledger, decision, "click", number)

    def taken(connection: Any) -> dict[str, Any]:
        query = tables.outcomes.select().filter_by(id="1")
        row = dict(connection.execute(query).mappings().one())
        connection.execute(delete(tables.outcomes).filter_by(id="1"))
        return row

    late = await ledger.journal.write(taken)
    log = OutcomeLog(ledger)
    assert await log.copy() == 2
    await ledger.journal.write(lambda c: c.execute(tables.outcomes.insert().values(late)).rowcount)
    assert [await log.copy(), await log.copy()] == [1, 0]


async def test_old_outcomes_go_and_do_not_come_back(ledger: Ledger) -> None:
    await answered(ledger, await decided(ledger), "click")
    log = OutcomeLog(ledger)
    await log.copy()
    [day] = (ledger.site.archive / "outcomes").glob("date=*")
    day.rename(day.with_name("date=2020-01-01"))
    ledger.site = replace(ledger.site, log_days=30)
    await log.merge()
    assert rows(ledger, "select * from outcomes") == []
    assert await log.copy() == 0


# -- what may be asked


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/hosts')",
        "select * from read_text('/etc/hosts')",
        "select * from glob('/etc/*')",
        "select * from '/etc/hosts'",
        "select * from sniff_csv('/etc/hosts')",
        "select * from read_parquet('http://127.0.0.1:1/x.parquet')",
        "copy (select 1) to 'out.csv'",
        "create table mine as select 1",
        "drop view decisions",
        "set enable_external_access = true",
        "attach 'other.db'",
        "install httpfs",
        "select 1; select 2",
        "",
    ],
)
def test_sql_reads_the_log_and_nothing_else(tmp_path: Path, sql: str) -> None:
    with pytest.raises(InvalidInput):
        ask(tmp_path, sql)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_wrong_name_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="decisions has decision_id, decided_at"):
        ask(tmp_path, "select nonsense from decisions")
    with pytest.raises(InvalidInput, match="There are the tables decisions, candidates"):
        ask(tmp_path, "select * from nonsense")


async def test_a_damaged_file_is_named(ledger: Ledger) -> None:
    await decided(ledger)
    await archive_stream(ledger)
    [file] = ledger.site.archive.glob("date=*/*.parquet")
    file.write_bytes(b"no Parquet at all")
    with pytest.raises(Unavailable, match=file.name):
        ask(ledger.site.archive, "select * from decisions")


def test_the_documents_name_every_column(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "log.md").read_text()
    shared = set(re.findall(r"^\| (`.*?`) \|", text.split("### decisions")[0], re.MULTILINE))
    for table, columns in described(tmp_path).items():
        section = text.split(f"### {table}\n")[1].split("\n## ")[0].split("\n### ")[0]
        known = set(re.findall(r"`(\w+)`", section + " ".join(shared)))
        assert {name for name, _ in columns} - known == set(), table
