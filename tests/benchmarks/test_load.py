"""The load generator believes nothing: what is cut, wrong or empty never counts as an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks import requests
from benchmarks.load import LEAST_ANSWERS, Plan, ask_all, at_share, commands_in
from benchmarks.replies import Failed, HttpReplies, RedisReplies

OFFER = {"treatment": "a.web"}


def a_reply(
    level: str = "full", status: str = "200 OK", **placements: list[dict[str, str]]
) -> bytes:
    body = json.dumps(
        {"level": level, "placements": placements or {"main": [OFFER]}}, separators=(",", ":")
    ).encode()
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_a_reply_that_comes_in_pieces_is_one_reply() -> None:
    replies, whole = HttpReplies(), a_reply()
    found = [replies.feed(whole[at : at + 1]) for at in range(len(whole))]
    assert found == [False] * (len(whole) - 1) + [True]
    assert replies.feed(whole)


@pytest.mark.parametrize(
    "wrong",
    [
        a_reply(status="503 Service Unavailable"),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
def test_a_wrong_reply_ends_the_measurement(wrong: bytes) -> None:
    with pytest.raises(Failed):
        HttpReplies().feed(wrong)


@pytest.mark.parametrize(
    ("reply", "good"),
    [(a_reply(), True), (a_reply(level="partial"), False), (a_reply(hero=[], rail=[]), False)],
)
def test_only_full_answers_with_an_offer_are_good(reply: bytes, good: bool) -> None:
    replies = HttpReplies()
    assert replies.feed(reply)
    assert replies.good is good


def test_three_replies_of_redis_are_one_answer() -> None:
    replies = RedisReplies()
    assert not replies.feed(b"$-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n")
    assert replies.feed(b"*0\r\n")


@pytest.mark.parametrize("wrong", [b"+OK\r\n-ERR no\r\n+OK\r\n", b"+OK\r\n*0\r\n+OK\r\n"])
def test_an_error_or_an_empty_row_ends_the_measurement(wrong: bytes) -> None:
    with pytest.raises(Failed):
        RedisReplies().feed(wrong)


def test_commands_are_read_back_from_their_bytes() -> None:
    assert commands_in(b"*1\r\n$4\r\nPING\r\n" * 2) == [[b"PING"], [b"PING"]]


def test_a_share_is_a_value_that_was_measured() -> None:
    taken = [float(number) for number in range(1, 101)]
    assert at_share(taken, 0.99) == 99.0
    assert at_share([7.0], 0.5) == 7.0


class Door:
    """An HTTP server that answers every request with the same bytes, a little later."""

    def __init__(self, answer: bytes) -> None:
        self.connections = self.asked = 0
        self.closed = asyncio.Semaphore(0)
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"}"):
                self.asked += 1
                await asyncio.sleep(0.001)
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.release()


@asynccontextmanager
async def open_door(door: Door) -> AsyncGenerator[int]:
    server = await asyncio.start_server(door.serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for _ in range(door.connections):
            await door.closed.acquire()


def a_plan(folder: Path, *ports: int, seconds: float) -> Plan:
    question = b'POST / HTTP/1.1\r\n\r\n{"customer":"one"}'
    asked = requests.write(folder / "asked", [question])
    return Plan(
        protocol="http",
        ports=ports,
        connections=2,
        seconds=seconds,
        warm_up=0.0,
        requests=str(asked),
    )


async def test_a_slow_server_is_asked_until_there_is_something_to_measure(tmp_path: Path) -> None:
    async with open_door(Door(a_reply())) as port:
        found = await ask_all(a_plan(tmp_path, port, seconds=0.001))
    assert found.answers == LEAST_ANSWERS
    assert 0 < found.per_second < LEAST_ANSWERS / (0.001 * LEAST_ANSWERS / 2)


async def test_poor_answers_are_counted_apart_and_alone_they_are_no_measurement(
    tmp_path: Path,
) -> None:
    async with open_door(Door(a_reply(level="partial"))) as port:
        with pytest.raises(Failed, match=f"{LEAST_ANSWERS} poor"):
            await ask_all(a_plan(tmp_path, port, seconds=0.001))


async def test_every_server_gets_as_many_connections(tmp_path: Path) -> None:
    one, other = Door(a_reply()), Door(a_reply())
    async with open_door(one) as first, open_door(other) as second:
        found = await ask_all(a_plan(tmp_path, first, second, seconds=0.1))
    assert one.connections == other.connections == 2
    assert min(one.asked, other.asked) > 0
    assert found.asked <= one.asked + other.asked
