"""Customers by external id and alias, and what is shown of them."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from engine.errors import InvalidInput, JournalUnavailable
from engine.ledger import Ledger
from engine.ledger.customers import Customers
from engine.ledger.journal import Journal
from engine.ledger.references import open_key, reference
from tests.support.builders import KEY, a_customer


async def test_a_name_always_leads_to_the_same_reference(ledger: Ledger) -> None:
    first = await ledger.customers.resolve("7590-VHVEG")
    assert first == a_customer("7590-VHVEG")
    assert await ledger.customers.remember("7590-VHVEG") == first
    assert await ledger.customers.resolve("7590-VHVEG") == first
    assert await ledger.customers.resolve(("id", "7590-VHVEG")) == first


async def test_a_reference_tells_nothing_of_the_name() -> None:
    assert reference(KEY, "a") != reference(b"x" * 32, "a")
    assert reference(KEY, "a") != reference(KEY, "a", "email")
    assert "7590" not in a_customer("7590")


@given(st.binary(min_size=1, max_size=80), st.text(), st.sampled_from(["id", "email"]))
def test_a_reference_is_hmac_sha256_in_base_32(key: bytes, name: str, kind: str) -> None:
    digest = hmac.digest(key, f"{kind}\0{name}".encode(), "sha256")[:16]
    wanted = "c" + base64.b32encode(digest).decode().rstrip("=").lower()
    assert reference(key, name, kind) == wanted


async def test_an_unknown_reference_is_shown_as_itself(ledger: Ledger) -> None:
    unknown = a_customer("nobody")
    assert await ledger.external_id(unknown) == unknown
    assert not await ledger.customers.known(unknown)


async def test_external_ids_can_be_shown_again_after_a_restart(ledger: Ledger) -> None:
    customer = await ledger.customers.remember("Jürgen €")
    again = Customers(ledger.journal, KEY)
    assert await again.external([customer]) == {customer: "Jürgen €"}
    assert await again.known(customer)


async def test_an_alias_leads_to_its_customer(ledger: Ledger) -> None:
    aliases = [("7590", "email", "a@b.c"), ("7590", "phone", "+49 1")]
    await ledger.customers.remember_all(["7590"], aliases)
    for name in ("7590", ("email", "a@b.c"), ("phone", "+49 1"), "a@b.c"):
        assert await ledger.customers.resolve(name) == a_customer("7590")
    assert await ledger.customers.resolve(("phone", "a@b.c")) != a_customer("7590")


async def test_an_external_id_is_stronger_than_an_alias_of_the_same_text(ledger: Ledger) -> None:
    await ledger.customers.remember_all(["1", "2"], [("1", "email", "2")])
    assert await ledger.customers.resolve("2") == a_customer("2")
    assert await ledger.customers.resolve(("email", "2")) == a_customer("1")


async def test_the_first_customer_keeps_an_alias(ledger: Ledger) -> None:
    await ledger.customers.remember_all(["1", "2"], [("1", "email", "x"), ("2", "email", "x")])
    assert await ledger.customers.resolve(("email", "x")) == a_customer("1")


@pytest.mark.parametrize("kind", ["", "id", "any"])
async def test_some_words_are_no_types_of_alias(ledger: Ledger, kind: str) -> None:
    with pytest.raises(InvalidInput, match="type of an alias"):
        await ledger.customers.remember_all([], [("1", kind, "x")])


async def test_more_customers_than_a_batch_are_all_shown(ledger: Ledger) -> None:
    names = [f"customer {n}" for n in range(1100)]
    await ledger.customers.remember_all(names)
    references = [a_customer(name) for name in names]
    shown = await ledger.customers.external(references)
    assert list(shown.values()) == names


async def test_more_customers_than_are_remembered_in_memory_are_all_shown(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.ledger.customers._CACHED", 3)
    names = [f"customer {n}" for n in range(10)]
    await ledger.customers.remember_all(names)
    shown = await ledger.customers.external([a_customer(name) for name in names])
    assert list(shown.values()) == names


def test_the_key_is_made_once_and_is_nobody_elses_business(ledger: Ledger) -> None:
    folder = ledger.site.data_dir
    key = open_key(folder)
    assert open_key(folder) == key
    assert len(key) == 32
    assert (folder / "customer.key").stat().st_mode & 0o077 == 0


class CountingJournal:
    """A journal that counts how often it is read."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.reads = 0

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        self.reads += 1
        return await self._journal.read(work)


async def test_where_nobody_has_an_alias_a_name_is_resolved_without_looking(
    ledger: Ledger,
) -> None:
    journal = CountingJournal(ledger.journal)
    customers = Customers(cast(Journal, journal), KEY)
    names = [f"customer {n}" for n in range(100)]
    found = [await customers.resolve(name) for name in names]
    assert found == [a_customer(name) for name in names]
    assert journal.reads < 10


async def test_the_first_alias_of_all_is_found_by_a_process_that_knew_of_none(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Customers(ledger.journal, KEY)
    assert await other.resolve("a@b.c") == a_customer("a@b.c")
    await ledger.customers.remember_all(["7590"], [("7590", "email", "a@b.c")])
    monkeypatch.setattr("engine.ledger.customers._UNCERTAIN_SECONDS", 0.0)  # the time has passed
    assert await other.resolve("a@b.c") == a_customer("7590")


async def test_an_alias_is_found_at_once_where_it_was_written(ledger: Ledger) -> None:
    assert await ledger.customers.resolve("a@b.c") == a_customer("a@b.c")
    await ledger.customers.remember_all(["7590"], [("7590", "email", "a@b.c")])
    assert await ledger.customers.resolve("a@b.c") == a_customer("7590")
    assert await ledger.customers.resolve("7590") == a_customer("7590")


async def test_a_journal_that_is_away_fails_the_question_and_is_asked_again(
    ledger: Ledger,
) -> None:
    class Away(CountingJournal):
        async def read(self, work: Callable[[Connection], Any]) -> Any:
            if not self.reads:
                self.reads = 1
                raise JournalUnavailable("away")
            return await CountingJournal.read(self, work)

    customers = Customers(cast(Journal, Away(ledger.journal)), KEY)
    with pytest.raises(JournalUnavailable):
        await customers.resolve("a")
    assert await customers.resolve("a") == a_customer("a")
