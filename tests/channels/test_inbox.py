"""The inbox on a real journal: kept once, shown latest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import redis.asyncio as redis

from engine.channels.delivery import DeliveryStatus, Repeat
from engine.channels.inbox import Inbox
from engine.ledger.clock import Clock
from engine.ledger.journal import Journal
from engine.ledger.ledger import Ledger
from engine.ledger.site import Site
from engine.ledger.wire import Wire
from tests.support.messages import a_message


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal in a file of its own."""
    journal = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield journal
    journal.close()


def a_ledger(journal: Journal) -> Ledger:
    """The ledger over this journal; its Redis is never asked."""
    site = Site(data_dir=Path(), key=b"k" * 32, clock=Clock())
    return Ledger(site, journal, redis.Redis(), Wire(site.redis_url))


async def test_a_message_is_kept_once_however_often_it_is_delivered(journal: Journal) -> None:
    inbox = Inbox(journal)
    for _ in range(3):
        assert (await inbox.deliver(a_message())).status is DeliveryStatus.DELIVERED
    [kept] = await a_ledger(journal).inbox("c1")
    assert kept == {
        "message_id": "m-1",
        "at": "2026-03-01T12:00:00+00:00",
        "channel": "email",
        "action": "welcome",
        "treatment": "welcome.email",
        "purpose": "nurture",
        "tags": ["onboarding"],
        "content": {"title": "Grüß Gott"},
        "decision_id": "d-1",
        "journey": "onboarding:c1",
        "step": "welcome",
    }


async def test_each_customer_sees_their_own_latest_first(journal: Journal) -> None:
    inbox = Inbox(journal)
    first = a_message("m-1")
    await inbox.deliver(first)
    await inbox.deliver(replace(a_message("m-2"), at=first.at + timedelta(hours=1)))
    await inbox.deliver(a_message("m-3", customer="c2"))
    ledger = a_ledger(journal)
    assert [kept["message_id"] for kept in await ledger.inbox("c1")] == ["m-2", "m-1"]
    assert [kept["message_id"] for kept in await ledger.inbox("c2")] == ["m-3"]


async def test_a_journal_that_cannot_be_written_leaves_the_outcome_unknown(
    journal: Journal,
) -> None:
    journal.close()
    assert (await Inbox(journal).deliver(a_message())).status is DeliveryStatus.UNKNOWN


def test_it_may_be_repeated() -> None:
    assert Inbox.repeat is Repeat.IDEMPOTENT
