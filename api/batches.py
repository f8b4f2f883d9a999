"""POST /v1/decisions:batch: lines in, lines out, both as they come, in order, in bounded memory."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

import orjson
from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from api.admission import InFlight
from api.contract import body_schema, reply
from api.decision_reply import DecisionReply
from api.errors import UnsupportedMediaType
from api.front import refusal
from api.parsing import is_json, media_type
from api.questions import DecisionRequest
from api.security import BODY_BYTES, too_large

NDJSON = "application/x-ndjson"
NDJSON_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
AT_ONCE = 64
"""How many decisions of all batches of a process are made at the same time."""
READ_AHEAD_BYTES = 16 * 1024 * 1024
"""So much may wait to be decided: a caller may send all of it before it reads a single answer."""

Answer = Callable[[bytes, float], Awaitable[bytes]]


class Batches:
    """The route of batches; single decisions go by the same `answer`."""

    def __init__(self, answer: Answer, in_flight: InFlight, at_once: int = AT_ONCE) -> None:
        self._answer = answer
        self._in_flight = in_flight
        self._at_once = at_once
        self._slots = asyncio.Semaphore(at_once)

    async def create(self, request: Request) -> Response:
        """One decision a line, in order; what is refused is a problem on its own line."""
        kind = media_type(request)
        if kind not in NDJSON_TYPES and not is_json(kind):
            raise UnsupportedMediaType(f"Content-Type must be {NDJSON}; it is {kind or 'missing'}.")
        self._in_flight.enter()
        return _Streamed(self._stream)

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(tags=["decisions"])
        router.add_api_route(
            "/v1/decisions:batch",
            self.create,
            methods=["POST"],
            response_class=Response,
            responses=reply(DecisionReply, kind=NDJSON),
            openapi_extra=body_schema(DecisionRequest, NDJSON),
        )
        return router

    async def _stream(self, receive: Receive, send: Send) -> None:
        try:
            await self._answer_lines(receive, send)
        finally:
            self._in_flight.leave()

    async def _answer_lines(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", NDJSON.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        lines = Lines()
        reading = asyncio.create_task(lines.read(receive))
        waiting: deque[asyncio.Task[bytes]] = deque()
        try:
            while not lines.gone and (waiting or lines.waiting or not lines.ended):
                self._begin(lines, waiting)
                if done := _done(waiting):
                    body = b"".join(done)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                else:
                    await lines.changed.wait()
                    lines.changed.clear()
            await send({"type": "http.response.body", "body": b""})
        finally:
            for task in (reading, *waiting):
                task.cancel()

    def _begin(self, lines: Lines, waiting: deque[asyncio.Task[bytes]]) -> None:
        while lines.waiting and len(waiting) < self._at_once:
            number, line = lines.next()
            task = asyncio.create_task(self._answer_line(number, line))
            task.add_done_callback(lines.wake)
            waiting.append(task)

    async def _answer_line(self, number: int, line: bytes) -> bytes:
        """One line of the answer: a decision, or a problem with the number of its line."""
        try:
            async with self._slots:
                if len(line) > BODY_BYTES:
                    raise too_large(BODY_BYTES)
                return await self._answer(line, time.perf_counter()) + b"\n"
        except Exception as error:
            told = orjson.loads(refusal(error)[2])
            return orjson.dumps({**told, "line": number}) + b"\n"


class _Streamed(Response):
    """A response that reads and writes by itself."""

    def __init__(self, stream: Callable[[Receive, Send], Awaitable[None]]) -> None:
        super().__init__(media_type=NDJSON)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stream(receive, send)


def _done(waiting: deque[asyncio.Task[bytes]]) -> list[bytes]:
    """The answers that are there, from the first line on that still waited for one."""
    done: list[bytes] = []
    while waiting and waiting[0].done():
        done.append(waiting.popleft().result())
    return done


class Lines:
    """The lines of a body that are not blank, as they arrive, read ahead up to a bound.

    `ended`: no more will come; `gone`: nobody waits for answers any more.
    """

    def __init__(self, ahead_bytes: int = READ_AHEAD_BYTES) -> None:
        self.waiting: deque[tuple[int, bytes]] = deque()
        self.changed = asyncio.Event()
        self.ended = False
        self.gone = False
        self._ahead_bytes = ahead_bytes
        self._held_bytes = 0
        self._read = 0
        self._rest = b""
        self._room = asyncio.Event()

    def next(self) -> tuple[int, bytes]:
        """The number and the bytes of the next line."""
        number, line = self.waiting.popleft()
        self._held_bytes -= len(line)
        self._room.set()
        return number, line

    def wake(self, _task: object = None) -> None:
        """Something happened that the answers wait for."""
        self.changed.set()

    async def read(self, receive: Receive) -> None:
        """Reads until the other end is gone, which it also says after the last byte."""
        while (message := await receive())["type"] != "http.disconnect":
            self._take(message.get("body", b""), last=not message.get("more_body", False))
            while self._held_bytes > self._ahead_bytes:
                self._room.clear()
                await self._room.wait()
        self.gone = True
        self.wake()

    def _take(self, chunk: bytes, *, last: bool) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if last:
            lines.append(self._rest)
            self.ended = True
        for line in lines:
            self._read += 1
            if line.strip():
                self.waiting.append((self._read, line))
                self._held_bytes += len(line)
        # what is too long already is kept short: it will be refused, whatever comes
        self._rest = self._rest[: BODY_BYTES + 1]
        self.wake()
