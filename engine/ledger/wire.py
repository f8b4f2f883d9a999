"""One connection to Redis that all decisions of a process share, pipelined as they come."""

from __future__ import annotations

import asyncio
import ssl as tls
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio.connection import parse_url
from redis.exceptions import ConnectionError as ConnectionBroken
from redis.exceptions import NoScriptError, RedisError, ResponseError

from engine.errors import LiveStateUnavailable
from engine.ledger.patience import within

Command = tuple[str | bytes | int | float, ...]
_pack: Callable[[Command], bytes] = cast(Any, hiredis).pack_command

_CONNECT_SECONDS = 1.0
_STALLED_SECONDS = 2.0
"""A connection whose oldest call waits for so long is given up: its other end may be gone."""
_TURNS = 3
"""A busy process reads a reply late, though it was there in time: so many turns to find it."""
_LATE: list[Any] = []
"""Stands for the replies of a call whose time is over; those that come later are nobody's."""


class _Call:
    """Commands on their way, and the replies so far."""

    __slots__ = ("future", "left", "replies", "since")

    def __init__(self, commands: int, since: float, future: asyncio.Future[list[Any]]) -> None:
        self.left = commands
        self.since = since
        self.future = future
        self.replies: list[Any] = []


class _Connection(asyncio.Protocol):
    """Replies come in the order of the commands, whoever still waits for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader = hiredis.Reader(protocolError=_protocol_error, replyError=_reply_error)
        self._calls: deque[_Call] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None

    @property
    def open(self) -> bool:
        """Whether it can take calls."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        error = ConnectionBroken(f"the connection to Redis was lost: {exc or 'closed'}")
        while self._calls:
            call = self._calls.popleft()
            if not call.future.done():
                call.future.set_exception(error)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except RedisError as error:
            self.close(error)

    def _take(self, reply: Any) -> None:
        call = self._calls[0]
        call.replies.append(reply)
        call.left -= 1
        if not call.left:
            self._calls.popleft()
            if not call.future.done():
                call.future.set_result(call.replies)

    def send(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Queues commands; what is queued within one turn of the loop leaves together."""
        if self._transport is None:
            raise ConnectionBroken("the connection to Redis was lost")
        packed = [_pack(command) for command in commands]  # what can't be packed leaves no call
        call = _Call(len(commands), self._loop.time(), self._loop.create_future())
        self._calls.append(call)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent += packed
        if self._watch is None:
            self._watch = self._loop.call_later(_STALLED_SECONDS, self._look)
        return call.future

    def _flush(self) -> None:
        data, self._unsent = b"".join(self._unsent), []
        if self._transport is not None:
            self._transport.write(data)

    def _look(self) -> None:
        """Gives the connection up if the oldest call has waited for too long."""
        self._watch = None
        if self._calls:
            left = self._calls[0].since + _STALLED_SECONDS - self._loop.time()
            if left > 0:
                self._watch = self._loop.call_later(left, self._look)
            else:
                self.close(ConnectionBroken("it did not answer in time"))

    def close(self, error: Exception | None = None) -> None:
        """Ends it; calls on their way fail."""
        transport = self._transport
        if transport is not None:
            transport.abort()
            self.connection_lost(error)


class Wire:
    """Calls Redis; connects when needed, and again when the connection is lost.

    A caller that stops waiting leaves its reply behind: nobody else ever gets it. `greeting` is
    sent first on each new connection.
    """

    def __init__(self, url: str, greeting: Sequence[Command] = ()) -> None:
        self._options: dict[str, Any] = dict(parse_url(url))
        self._greeting = tuple(greeting)
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None

    async def call(self, *commands: Command, seconds: float | None = None) -> list[Any]:
        """The replies, one for each command; an error is a reply too, and is not raised.

        Raises LiveStateUnavailable when Redis can't be reached, the connection is lost before all
        replies are here, or they are not here within `seconds`.
        """
        connection, left = self._connection, seconds
        try:
            if connection is None or not connection.open:
                connection, left = await self._soon_connected(seconds)
            future = connection.send(commands)
            replies = await (future if left is None else _in_time(future, left))
        except (RedisError, OSError, TimeoutError) as error:
            said = str(error) or "it did not answer"
            raise LiveStateUnavailable(
                f"Redis can't be used: {type(error).__name__}: {said}"
            ) from error
        if replies is _LATE and seconds is not None:
            raise LiveStateUnavailable(f"Redis did not answer within {seconds * 1000:.3g} ms")
        return replies

    async def close(self) -> None:
        """Ends the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()

    async def _soon_connected(self, seconds: float | None) -> tuple[_Connection, float | None]:
        """The connection, and what is left of the time."""
        if seconds is None:
            return await self._connected(), None
        started = time.monotonic()
        connection = await within(seconds, self._connected())
        return connection, seconds - (time.monotonic() - started)

    async def _connected(self) -> _Connection:
        """All callers wait for the same attempt; one that stops waiting does not end it."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add_done_callback(_seen)
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> _Connection:
        loop, found = asyncio.get_running_loop(), self._options
        async with asyncio.timeout(_CONNECT_SECONDS):
            if "path" in found:
                path = found["path"]
                _, made = await loop.create_unix_connection(lambda: _Connection(loop), path)
            else:
                secure = _secured(found) if _is_secure(found) else None
                host, port = found.get("host", "localhost"), found.get("port", 6379)
                _, made = await loop.create_connection(
                    lambda: _Connection(loop), host, port, ssl=secure
                )
            first = [*_introduction(found), *self._greeting]
            replies = await made.send(first) if first else []
        for reply in replies:
            if isinstance(reply, Exception):
                made.close()
                raise reply
        self._connection = made
        return made


async def _in_time(future: asyncio.Future[list[Any]], seconds: float) -> list[Any]:
    """The replies, or `_LATE`."""
    timer = future.get_loop().call_later(seconds, _give_up, future, _TURNS)
    try:
        return await future
    finally:
        timer.cancel()


def _give_up(future: asyncio.Future[list[Any]], turns: int) -> None:
    if future.done():
        return
    if turns:
        future.get_loop().call_soon(_give_up, future, turns - 1)
    else:
        future.set_result(_LATE)


def _seen(task: asyncio.Task[_Connection]) -> None:
    """An attempt for which nobody waits any more may fail without a word."""
    if not task.cancelled():
        task.exception()


def _is_secure(options: dict[str, Any]) -> bool:
    return "SSL" in getattr(options.get("connection_class"), "__name__", "")


def _secured(options: dict[str, Any]) -> tls.SSLContext:
    """The options of a `rediss://` address that redis-py knows too: whom to trust, who we are."""
    context = tls.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname, context.verify_mode = False, tls.CERT_NONE
    if certificate := options.get("ssl_certfile"):
        context.load_cert_chain(certificate, options.get("ssl_keyfile"))
    return context


def _introduction(options: dict[str, Any]) -> list[Command]:
    commands: list[Command] = []
    if password := options.get("password"):
        user = options.get("username")
        commands.append(("AUTH", user, password) if user else ("AUTH", password))
    if db := options.get("db"):
        commands.append(("SELECT", db))
    return commands


def _reply_error(text: str) -> ResponseError:
    return (NoScriptError if text.startswith("NOSCRIPT") else ResponseError)(text)


def _protocol_error(text: str) -> ConnectionBroken:
    return ConnectionBroken(f"this is not the protocol of Redis: {text}")
