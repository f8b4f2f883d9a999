"""More requests than a process takes: some wait, the others are told at once to come again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from api.admission import InFlight
from api.app import Parts, create_door
from api.front import ARRIVED
from api.metrics import limited
from engine.errors import JournalUnavailable
from engine.live import Answer, Ask
from tests.support.doors import FakeStack

ASKED = {"customer": "7590-VHVEG", "channel": "web"}


class SlowStack(FakeStack):
    """Decides when it is allowed to."""

    __slots__ = ("allowed", "begun")

    def __init__(self) -> None:
        super().__init__()
        self.allowed = asyncio.Event()
        self.begun = asyncio.Semaphore(0)

    async def decide(self, ask: Ask) -> Answer:
        self.begun.release()
        await self.allowed.wait()
        return await FakeStack.decide(self, ask)


def client_of(parts: Parts) -> httpx.AsyncClient:
    """A client of the door over these parts."""
    transport = httpx.ASGITransport(create_door(parts), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://tactful")


async def until(stack: SlowStack, begun: int) -> None:
    """Wait until so many more decisions are being made."""
    for _ in range(begun):
        await stack.begun.acquire()


async def test_ten_times_as_many_as_it_takes_find_some_admitted_and_the_rest_refused_at_once() -> (
    None
):
    stack = SlowStack()
    async with client_of(replace(stack.parts(), metrics=limited(4))) as client:
        posts = [asyncio.create_task(client.post("/v1/decisions", json=ASKED)) for _ in range(40)]
        await until(stack, 4)
        refused = [(await post) for post in posts[4:]]  # none of them waits for the four
        assert not any(post.done() for post in posts[:4])
        stack.allowed.set()
        admitted = [(await post) for post in posts[:4]]
        text = (await client.get("/metrics")).text
    assert [reply.status_code for reply in admitted] == [200] * 4
    assert {(each.status_code, each.headers["retry-after"]) for each in refused} == {(503, "1")}
    assert {each.headers["content-type"] for each in refused} == {"application/problem+json"}
    assert {each.json()["code"] for each in refused} == {"busy"}
    assert len(stack.changes) == 4
    assert 'tactful_requests_refused_total{kind="decision"} 36.0' in text


async def test_who_has_been_answered_makes_room_however_it_ended() -> None:
    stack = FakeStack(error=JournalUnavailable("the disk is full"))
    async with client_of(replace(stack.parts(), metrics=limited(1))) as client:
        for body in (ASKED, {**ASKED, "channel": "fax"}, {"nothing": 1}, ASKED):
            reply = await client.post("/v1/decisions", json=body)
            assert reply.json()["code"] != "busy"
        stack.error = None
        assert (await client.post("/v1/decisions", json=ASKED)).status_code == 200


async def test_a_caller_that_leaves_makes_room() -> None:
    stack = SlowStack()
    async with client_of(replace(stack.parts(), metrics=limited(1))) as client:
        post = asyncio.create_task(client.post("/v1/decisions", json=ASKED))
        await until(stack, 1)
        post.cancel()
        await asyncio.wait([post])
        stack.allowed.set()
        assert (await client.post("/v1/decisions", json=ASKED)).status_code == 200


async def test_a_crowd_elsewhere_leaves_room_for_decisions_and_for_questions_how_it_is() -> None:
    metrics = limited(1)
    metrics.others.enter()
    async with client_of(replace(FakeStack().parts(), metrics=metrics)) as client:
        assert (await client.get("/v1/customers/a")).json()["code"] == "busy"
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(path)).status_code == 200
        assert (await client.post("/v1/decisions", json=ASKED)).status_code == 200
        metrics.others.leave()
        assert (await client.get("/v1/customers/a")).json()["code"] != "busy"


async def test_batches_beyond_their_number_are_refused_and_each_makes_room_at_its_end() -> None:
    metrics = limited(64)
    metrics.batches = InFlight(most=1)
    headers = {"Content-Type": "application/x-ndjson"}
    stack = SlowStack()
    async with client_of(replace(stack.parts(), metrics=metrics)) as client:
        first = asyncio.create_task(
            client.post("/v1/decisions:batch", content=orjson.dumps(ASKED), headers=headers)
        )
        await until(stack, 1)
        second = await client.post("/v1/decisions:batch", content=b"", headers=headers)
        assert (second.status_code, second.json()["code"]) == (503, "busy")
        stack.allowed.set()
        assert (await first).status_code == 200
        third = await client.post("/v1/decisions:batch", content=b"", headers=headers)
        assert third.status_code == 200


@pytest.mark.parametrize(("waited", "left"), [(0.0, 100), (0.030, 70), (5.0, 1)])
async def test_a_deadline_counts_from_the_arrival_of_the_request(waited: float, left: int) -> None:
    stack = FakeStack()
    door = create_door(stack.parts())
    body = orjson.dumps({**ASKED, "deadline_ms": 100})
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/decisions",
        "headers": [(b"content-type", b"application/json")],
        ARRIVED: time.perf_counter() - waited,
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await door(scope, receive, send)
    assert sent[0]["status"] == 200
    [ask] = stack.changes
    assert left - 20 <= ask.deadline_ms <= left
