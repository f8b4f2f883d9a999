"""What decisions were told of customers is what training sees: equal, or the report says where."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from typer.testing import CliRunner

from api.cli import app
from engine.ledger import Ledger, arrivals
from engine.ledger.archive import archive_stream
from engine.ledger.clock import milliseconds
from engine.live import Ask, Decider
from engine.types import Decision, Event, Scalar
from feature_store import pushed_log
from feature_store.generate import customers_table
from feature_store.load import load_customers
from feature_store.offline import append_rows, folder
from feature_store.online import OnlineReader, Row, write_rows
from feature_store.push import HISTORY, changed_view, pushed
from feature_store.pushed_log import PushedLog
from models.skew import Row as Stands
from models.skew import Skew, skew
from tests.support.builders import a_bundle, an_action
from tests.support.ledgers import NoModels

BUNDLE = a_bundle(an_action("upgrade"))


async def some_customers(ledger: Ledger, count: int = 3) -> list[str]:
    summary = await load_customers(ledger.site, ledger.redis, customers_table(count))
    return [known.customer for known in summary.customers]


async def happened(ledger: Ledger, customer: str, kind: str, number: int, **data: Scalar) -> Event:
    """An event as acceptance takes it: journalled, and pushed online."""
    now = ledger.clock.now()
    event = Event(
        source="shop", id=str(number), type=kind, customer=customer, at=now, data={**data}
    )
    event = (await ledger.journal.write(lambda c: arrivals.take(c, event))).event
    since = milliseconds(event.at - HISTORY)
    history = await ledger.journal.read(lambda c: arrivals.history(c, customer, since, event.seq))
    rows = [
        Row(customer=customer, view=view, values=values, at=event.at)
        for view, values in pushed(event, history).items()
    ]
    await write_rows(ledger.redis, rows)
    return event


async def decided(ledger: Ledger, customer: str, at: datetime | None = None) -> Decision:
    decider = Decider(ledger, OnlineReader(), NoModels(), lambda: BUNDLE)
    return (await decider.decide(Ask(customer=customer, channel="web", at=at))).decision


async def compared(ledger: Ledger) -> Skew:
    await archive_stream(ledger)
    return await asyncio.to_thread(skew, ledger.site, 100)


async def test_both_ways_say_the_same_of_loaded_and_pushed_features(ledger: Ledger) -> None:
    log = PushedLog(ledger)
    for customer in await some_customers(ledger):
        for number, (kind, data) in enumerate(
            [
                ("page.viewed", {"page": "billing"}),
                ("purchase.made", {"amount": 29.85}),
                ("complaint.opened", {"case": "4711"}),
                ("message.received", {"channel": "whatsapp"}),
                ("complaint.resolved", {"case": "4711"}),
                ("page.viewed", {"page": "offers"}),
            ]
        ):
            await happened(ledger, customer, kind, hash((customer, number)), **data)
            await decided(ledger, customer)
            if number % 2:
                await log.copy()
    await log.copy()
    found = await compared(ledger)
    assert (found.decisions, found.differing) == (18, {})
    for view in ("profile", "contract", "services", "billing", "behaviour"):
        assert found.rows[view] == {Stands.SAME: 18}
    assert found.rows["service"] == {Stands.UNKNOWN: 6, Stands.SAME: 12}
    assert found.values == 18 * (4 + 4 + 10 + 2 + 6) + 12 * 6


async def test_each_event_goes_offline_once_whoever_copies(ledger: Ledger) -> None:
    [customer] = await some_customers(ledger, 1)
    for number in range(3):
        await happened(ledger, customer, "page.viewed", number)
        assert await PushedLog(ledger).copy() == 1
    log = PushedLog(ledger)
    assert [await log.copy(), await log.copy()] == [0, 0]


async def test_files_of_events_are_merged_and_say_the_same(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_store.offline.MANY_FILES", 3)
    [customer] = await some_customers(ledger, 1)
    log = PushedLog(ledger)
    for number in range(3):
        await happened(ledger, customer, "page.viewed", number, page=f"page {number}")
        await decided(ledger, customer)
        await log.copy()
    assert await log.merge() == 2
    assert len(list(folder(ledger.site, "behaviour").glob("part-events-*"))) == 1
    assert await PushedLog(ledger).copy() == 0
    found = await compared(ledger)
    assert (found.rows["behaviour"], found.differing) == ({Stands.SAME: 3}, {})


async def test_more_than_a_batch_is_copied_in_one_go(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushed_log, "BATCH", 2)
    [customer] = await some_customers(ledger, 1)
    for number in range(5):
        await happened(ledger, customer, "page.viewed", number)
    assert await PushedLog(ledger).copy() == 5


async def test_another_value_of_the_same_row_is_skew_and_named(ledger: Ledger) -> None:
    [customer] = await some_customers(ledger, 1)
    event = await happened(ledger, customer, "page.viewed", 1)
    await PushedLog(ledger).copy()
    decision = await decided(ledger, customer)
    row = {"page_views_7d": 2, "purchases_90d": 0, "spent_90d": 0.0, "payments_failed_90d": 0}
    seen = {"last_page_at": event.at.timestamp()}
    append_rows(
        ledger.site, [Row(customer=customer, view="behaviour", values=row | seen, at=event.at)]
    )
    found = await compared(ledger)
    assert found.differing == {"behaviour.page_views_7d": 1}
    [one] = found.differences
    assert (one.decision_id, one.served, one.trained) == (decision.decision_id, 1, 2)
    words = ["models", "skew", "--data-dir", str(ledger.site.data_dir)]
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.exit_code == 1
    assert "behaviour.page_views_7d differs 1 times" in result.stdout
    result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"])
    assert json.loads(result.stdout)["differing"] == {"behaviour.page_views_7d": 1}


async def test_rows_that_one_way_knows_are_told_apart(ledger: Ledger) -> None:
    [customer] = await some_customers(ledger, 1)
    await happened(ledger, customer, "page.viewed", 1)
    await decided(ledger, customer)
    assert (await compared(ledger)).rows["behaviour"] == {Stands.LOST: 1}
    await PushedLog(ledger).copy()
    now = ledger.clock.now()
    later = Row(customer=customer, view="billing", values={}, at=now)
    append_rows(ledger.site, [later])
    await decided(ledger, customer, at=now + timedelta(seconds=1))
    found = await compared(ledger)
    assert found.rows["behaviour"] == {Stands.SAME: 2}
    assert found.rows["billing"] == {Stands.SAME: 1, Stands.LATE: 1}
    assert found.differing == {}


def test_every_event_that_changes_a_view_is_copied() -> None:
    from feature_store.push import CHANGED_BY

    for view, kinds in CHANGED_BY.items():
        assert all(changed_view(kind) == view for kind in kinds)
