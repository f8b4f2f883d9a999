"""All that is held, over all customers; what of it nobody looks after, and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.commands_holds import hold_lines
from engine.types import Hold, HoldState
from tests.support.doors import NOW, FakeStack, a_hold, door

pytestmark = pytest.mark.asyncio

LOST = replace(a_hold(), id="complaint:9", state=HoldState.ORPHANED, until=None)


def a_stack(*held: Hold) -> FakeStack:
    return FakeStack(held=[("c1", hold) for hold in held], names={"c1": "alice"})


async def test_every_hold_is_told_with_its_customer_by_name() -> None:
    async with door(a_stack(a_hold(), LOST)) as client:
        told = (await client.get("/v1/holds")).json()
    assert [(one["customer"], one["id"]) for one in told["holds"]] == [
        ("alice", "complaint:4711"),
        ("alice", "complaint:9"),
    ]
    assert told["holds"][0]["todo"] is None, "a journey looks after it"


async def test_what_nobody_looks_after_is_told_with_what_to_do() -> None:
    async with door(a_stack(a_hold(), LOST)) as client:
        told = (await client.get("/v1/holds?state=orphaned")).json()
    (hold,) = told["holds"]
    assert (hold["id"], hold["state"], told["total"]) == ("complaint:9", "orphaned", 1)
    assert "complaint.reopened" in hold["todo"]
    assert "tactful holds end" in hold["todo"]


async def test_a_hold_past_its_maximum_is_none() -> None:
    async with door(a_stack(replace(LOST, until=NOW))) as client:
        assert (await client.get("/v1/holds")).json() == {"holds": [], "total": 0}


async def test_what_a_limit_leaves_out_is_counted() -> None:
    async with door(a_stack(a_hold(), LOST)) as client:
        told = (await client.get("/v1/holds?limit=1")).json()
        refused = await client.get("/v1/holds?state=lost")
    assert (len(told["holds"]), told["total"]) == (1, 2)
    assert refused.status_code == 422
    assert list(hold_lines(told))[-1] == "1 hold of 2: ask for a higher --limit"


async def test_people_read_what_to_do_once_however_many_are_lost() -> None:
    async with door(a_stack(LOST, replace(LOST, id="complaint:10"))) as client:
        lines = list(hold_lines((await client.get("/v1/holds")).json()))
    assert lines[0] == "orphaned  complaint:9 of alice: no sales, commercial"
    assert sum("begins again" in line for line in lines) == 1
