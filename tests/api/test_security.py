"""Limits of bodies, whether their size is declared or not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest

from api.security import BODY_BYTES, EVENT_BATCH_BYTES
from tests.support.doors import FakeStack, a_cloud_event, door

JSON = {"Content-Type": "application/json"}
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCHED = {"Content-Type": "application/cloudevents-batch+json"}


def _decision_of(size: int) -> bytes:
    body = orjson.dumps({"customer": "a", "channel": "web"})
    return body + b" " * (size - len(body))


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 8192):
        yield body[start : start + 8192]


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_at_the_limit_is_read_and_one_over_it_refused(declared: bool) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        for size, status in ((BODY_BYTES, 200), (BODY_BYTES + 1, 413)):
            body = _decision_of(size)
            content = body if declared else _in_pieces(body)
            reply = await client.post("/v1/decisions", content=content, headers=JSON)
            assert reply.status_code == status
    assert reply.json()["code"] == "body_too_large"
    assert reply.headers["content-type"] == "application/problem+json"
    assert len(stack.changes) == 1


async def test_only_a_batch_of_events_may_be_larger() -> None:
    filler = "x" * 10_000
    events = [a_cloud_event(id=str(n), type="t", data={"text": filler}) for n in range(20)]
    async with door(FakeStack()) as client:
        batch = await client.post("/v1/events", content=orjson.dumps(events), headers=BATCHED)
        single = await client.post("/v1/events", content=orjson.dumps(events), headers=STRUCTURED)
        other = await client.post("/v1/decisions", content=orjson.dumps(events), headers=BATCHED)
        body = b" " * (EVENT_BATCH_BYTES + 1)
        huge = await client.post("/v1/events", content=body, headers=BATCHED)
    replies = (batch, single, other, huge)
    assert [reply.status_code for reply in replies] == [202, 413, 413, 413]


@pytest.mark.parametrize("length", ["9" * 40, "65537"])
async def test_a_declared_size_is_believed_before_anything_is_read(length: str) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with door(FakeStack()) as client:
        headers = {**JSON, "Content-Length": length}
        reply = await client.post("/v1/decisions", content=never(), headers=headers)
    assert reply.status_code == 413


async def test_an_encoded_fixed_part_of_a_path_is_the_same_path() -> None:
    async with door(FakeStack()) as client:
        headers = {"Content-Type": "application/x-ndjson"}
        reply = await client.post("/v1/decisions%3Abatch", content=b"", headers=headers)
    assert reply.status_code == 200
