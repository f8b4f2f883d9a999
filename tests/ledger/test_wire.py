"""One connection that all share: replies find their callers, whatever happens in between."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoScriptError, ResponseError

from engine.errors import LiveStateUnavailable
from engine.ledger import wire
from engine.ledger.wire import Wire
from tests.support.servers import Server, valkey
from tests.support.slow import slow_proxy


@asynccontextmanager
async def wired(url: str, *greeting: wire.Command) -> AsyncGenerator[Wire]:
    one = Wire(url, greeting)
    try:
        yield one
    finally:
        await one.close()


async def test_each_caller_gets_its_own_replies(shared_valkey: Server) -> None:
    async with wired(shared_valkey.url) as one:
        calls = (one.call(("ECHO", f"{n}a"), ("ECHO", f"{n}b")) for n in range(500))
        replies = await asyncio.gather(*calls)
    assert replies == [[b"%da" % n, b"%db" % n] for n in range(500)]


async def test_a_caller_that_gives_up_leaves_its_reply_to_nobody(shared_valkey: Server) -> None:
    async with slow_proxy(shared_valkey, 0.05) as url, wired(url) as one:
        await one.call(("PING",))
        calls = [asyncio.create_task(one.call(("ECHO", str(n)))) for n in range(60)]
        await asyncio.sleep(0.01)
        for call in calls[::3]:
            call.cancel()
        replies = await asyncio.gather(*calls, return_exceptions=True)
        for number, reply in enumerate(replies):
            if number % 3:
                assert reply == [b"%d" % number]
            else:
                assert isinstance(reply, asyncio.CancelledError)
        assert await one.call(("ECHO", "after")) == [b"after"]


@pytest.mark.parametrize("seed", range(3))
async def test_whose_time_runs_out_and_who_gives_up_leave_their_replies_to_nobody(
    shared_valkey: Server, seed: int
) -> None:
    """Pipelined calls of several commands, behind a connection about as slow as the deadlines."""
    draw = random.Random(seed)
    patience = [draw.choice((None, draw.uniform(0.001, 0.06))) for _ in range(300)]
    givers_up = {number for number in range(300) if draw.random() < 0.2}
    async with slow_proxy(shared_valkey, 0.03) as url, wired(url) as one:
        await one.call(("PING",))
        calls: list[asyncio.Task[list[Any]]] = []
        for number, seconds in enumerate(patience):
            asked = (("ECHO", f"{number}a"), ("ECHO", f"{number}b"))
            calls.append(asyncio.create_task(one.call(*asked, seconds=seconds)))
            if number % 10 == 0:
                await asyncio.sleep(0.001)
            if number in givers_up:
                calls[draw.randrange(len(calls))].cancel()
        replies = await asyncio.gather(*calls, return_exceptions=True)
        late = [reply for reply in replies if isinstance(reply, LiveStateUnavailable)]
        answered = [n for n, reply in enumerate(replies) if not isinstance(reply, BaseException)]
        assert len(late) > 20
        assert len(answered) > 20
        assert all(replies[n] == [b"%da" % n, b"%db" % n] for n in answered)
        assert all("did not answer within" in str(error) for error in late)
        assert all(patience[n] is not None for n, reply in enumerate(replies) if reply in late)
        assert await one.call(("ECHO", "after"), seconds=2.0) == [b"after"]


async def test_a_reply_that_was_there_in_time_is_found_by_a_process_that_was_busy(
    shared_valkey: Server,
) -> None:
    async with wired(shared_valkey.url) as one:
        await one.call(("PING",))
        call = asyncio.create_task(one.call(("ECHO", "there"), seconds=0.05))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it is sent
        time.sleep(0.1)  # noqa: ASYNC251
        assert await call == [b"there"]


async def test_connecting_takes_part_of_the_time(shared_valkey: Server) -> None:
    async with slow_proxy(shared_valkey, 5.0) as url, wired(url, ("PING",)) as one:
        with pytest.raises(LiveStateUnavailable):
            async with asyncio.timeout(2.0):
                await one.call(("ECHO", "never"), seconds=0.05)


async def test_an_error_is_a_reply_like_any_other(shared_valkey: Server) -> None:
    async with wired(shared_valkey.url) as one:
        await one.call(("SET", "wire", "text"))
        gone, wrong, right = await one.call(
            ("EVALSHA", "0" * 40, 0), ("HGETALL", "wire"), ("GET", "wire")
        )
    assert isinstance(gone, NoScriptError)
    assert isinstance(wrong, ResponseError)
    assert right == b"text"


async def test_the_greeting_comes_first_on_every_connection(shared_valkey: Server) -> None:
    async with wired(shared_valkey.url, ("SET", "greeted", "yes")) as one:
        assert await one.call(("GETDEL", "greeted")) == [b"yes"]
        assert await one.call(("GET", "greeted")) == [None]
    async with wired(shared_valkey.url, ("SET", "greeted", "yes")) as one:
        assert await one.call(("GETDEL", "greeted")) == [b"yes"]


async def test_it_says_that_nobody_answers_there() -> None:
    async with wired("redis://127.0.0.1:1/0") as one:
        with pytest.raises(LiveStateUnavailable, match="Redis can't be used"):
            await one.call(("PING",))


async def said_away(one: Wire) -> bool:
    """Whether it notices within a moment that nobody answers any more."""
    for _ in range(50):
        try:
            await one.call(("PING",))
        except LiveStateUnavailable:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_it_connects_again_after_the_server_came_back(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        async with wired(server.url) as one:
            assert await one.call(("PING",)) == [b"PONG"]
            server.process.kill()
            server.process.wait()
            assert await said_away(one)
            with valkey(tmp_path, port=server.port):
                assert await one.call(("PING",)) == [b"PONG"]


async def test_calls_on_their_way_fail_with_the_connection(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        async with slow_proxy(server, 5.0) as url, wired(url) as one:
            calls = [asyncio.create_task(one.call(("ECHO", str(n)))) for n in range(5)]
            await asyncio.sleep(0.1)
            await one.close()
            replies = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(reply, LiveStateUnavailable) for reply in replies)


async def test_a_connection_that_has_stalled_is_given_up(
    shared_valkey: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_STALLED_SECONDS", 0.05)
    async with slow_proxy(shared_valkey, 5.0) as url, wired(url) as one:
        with pytest.raises(LiveStateUnavailable, match="did not answer in time"):
            await asyncio.wait_for(one.call(("PING",)), 3)
    async with slow_proxy(shared_valkey, 0.03) as url, wired(url) as one:
        for number in range(5):  # busy for longer than that, but each call is answered in time
            assert await one.call(("ECHO", str(number))) == [b"%d" % number]


async def test_what_cannot_be_sent_shifts_no_reply(shared_valkey: Server) -> None:
    async with wired(shared_valkey.url) as one:
        wrong: Any = None
        with pytest.raises(TypeError):
            await one.call(("ECHO", "first"), ("ECHO", wrong))
        assert await one.call(("ECHO", "second")) == [b"second"]


async def test_the_database_and_password_of_the_address_are_used(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        async with wired(server.url) as one:
            await one.call(("CONFIG", "SET", "requirepass", "secret"))
        async with wired(f"redis://:secret@{server.host}:{server.port}/3") as one:
            await one.call(("SET", "in", "three"))
            assert b"db=3" in (await one.call(("CLIENT", "INFO")))[0]
        async with wired(f"redis://:wrong@{server.host}:{server.port}/3") as one:
            with pytest.raises(LiveStateUnavailable, match="WRONGPASS"):
                await one.call(("GET", "in"))
