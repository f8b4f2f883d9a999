"""Accounts and households over HTTP: joined, left, shown."""

from __future__ import annotations

from typing import Any

import pytest

from engine.catalog import Scope
from engine.ledger.references import reference
from tests.support.builders import KEY
from tests.support.doors import FakeStack, door

ALICE = "/v1/customers/alice"
NOBODYS = {"customer": "alice", "account": None, "household": None}


async def test_a_customer_joins_an_account_and_a_household_and_leaves_one() -> None:
    stack = FakeStack()
    async with door(stack) as client:
        assert (await client.get(f"{ALICE}/memberships")).json() == NOBODYS
        both = {"account": "4711", "household": "elm street 1"}
        reply = await client.put(f"{ALICE}/memberships", json=both)
        assert (reply.status_code, reply.json()) == (200, {"customer": "alice", **both})
        reply = await client.put(f"{ALICE}/memberships", json={"account": None})
        assert reply.json() == {**NOBODYS, "household": "elm street 1"}
        assert (await client.get(f"{ALICE}/memberships")).json() == reply.json()
    customer = reference(KEY, "alice")
    assert stack.memberships.joined == {(customer, Scope.HOUSEHOLD): "elm street 1"}
    assert stack.names == {customer: "alice"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "invalid_field"),
        ({"household": ""}, "invalid_field"),
        ({"household": 7}, "invalid_field"),
        ({"family": "x"}, "unknown_field"),
    ],
)
async def test_a_wrong_membership_changes_nothing(change: dict[str, Any], code: str) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.put(f"{ALICE}/memberships", json=change)
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert (stack.memberships.joined, stack.names) == ({}, {})
