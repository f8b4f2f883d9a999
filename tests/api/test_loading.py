"""`tactful load customers`: what a table says besides features comes into force."""

from __future__ import annotations

from pathlib import Path

from api.loading import load_table
from engine.catalog import Scope
from engine.ledger import Ledger
from feature_store.load import Summary

MAPPING = """
id: number
aliases: {email: mail}
memberships: {account: account, household: home}
features:
  contract.tenure_months: {column: months}
"""


async def load(ledger: Ledger, folder: Path, *rows: str) -> Summary:
    """Loads a table with a number, a mail address, an account, a home and months."""
    mapping, table = folder / "mapping.yaml", folder / "table.csv"
    mapping.write_text(MAPPING)
    table.write_text("\n".join(("number,mail,account,home,months", *rows)) + "\n")
    return await load_table(
        ledger.site, table, mapping=mapping, separator=",", progress=lambda _: None
    )


async def test_a_table_says_who_is_in_one_account_and_household(
    ledger: Ledger, tmp_path: Path
) -> None:
    assert (await load(ledger, tmp_path, "1,a@b.c,4711,h1,3", "2,,,h1,4", "3,,,,5")).loaded == 3
    one, two, three = [await ledger.customers.resolve(name) for name in "123"]
    assert await ledger.memberships.of(one) == {Scope.ACCOUNT: "4711", Scope.HOUSEHOLD: "h1"}
    circles = [(await ledger.state(customer)).circles for customer in (one, two, three)]
    assert circles[0]["household"] == circles[1]["household"]
    assert [sorted(found) for found in circles] == [["account", "household"], ["household"], []]
    assert await ledger.customers.resolve(("email", "a@b.c")) == one


async def test_an_empty_cell_leaves_a_household_and_another_one_replaces_it(
    ledger: Ledger, tmp_path: Path
) -> None:
    await load(ledger, tmp_path, "1,,,h1,3", "2,,,h1,3")
    await load(ledger, tmp_path, "1,,,,3", "2,,,h2,3")
    one, two = [await ledger.customers.resolve(name) for name in "12"]
    assert await ledger.memberships.of(one) == {Scope.HOUSEHOLD: "h1"}
    assert await ledger.memberships.of(two) == {Scope.HOUSEHOLD: "h2"}
