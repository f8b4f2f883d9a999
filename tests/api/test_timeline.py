"""A customer's timeline over HTTP: in order, with the time between, and without personal words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.ledger.timeline import Moment, What
from engine.types import Event
from tests.support.doors import NOW, FakeStack, door

pytestmark = pytest.mark.asyncio

WRITTEN = Event(
    source="shop",
    id="1",
    type="message.received",
    customer="c1",
    at=NOW,
    data={"channel": "store", "topic": "billing", "text": "my sister is ill"},
    seq=1,
)
MOMENTS = (
    Moment(at=NOW, what=What.EVENT, name="message.received", channel="store", event=WRITTEN),
    Moment(
        at=NOW + timedelta(minutes=2),
        what=What.MESSAGE,
        name="inquiry-late",
        channel="email",
        state="delivered",
        journey="inquiry:c1",
    ),
)


async def test_each_thing_is_told_with_the_time_since_the_one_before() -> None:
    async with door(FakeStack(moments=MOMENTS)) as client:
        told = (await client.get("/v1/customers/alice/timeline")).json()
    assert [(one["name"], one["channel"], one["after_seconds"]) for one in told["moments"]] == [
        ("message.received", "store", None),
        ("inquiry-late", "email", 120.0),
    ]
    assert (told["customer"], told["more"]) == ("alice", False)


async def test_what_people_wrote_stays_in_the_journal() -> None:
    async with door(FakeStack(moments=MOMENTS)) as client:
        reply = await client.get("/v1/customers/alice/timeline")
    assert reply.json()["moments"][0]["data"] == {"channel": "store", "topic": "billing"}
    assert "sister" not in reply.text


async def test_days_and_limit_say_how_far_back() -> None:
    stack = FakeStack(moments=MOMENTS)
    async with door(stack) as client:
        told = (await client.get("/v1/customers/alice/timeline?days=2&limit=1")).json()
        refused = await client.get("/v1/customers/alice/timeline?limit=0")
    assert told["more"]
    assert stack.changes[0][2:] == (NOW - timedelta(days=2), 1)
    assert refused.status_code == 422
