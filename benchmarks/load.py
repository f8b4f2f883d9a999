"""The load generator: one lean process, keep-alive connections, one request at a time on each.

Reads a Plan as JSON on stdin and writes what it measured as JSON on stdout. It knows nothing of
what it asks: requests come ready made, one in base64 a line.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any, cast

from benchmarks import cores
from benchmarks.replies import Failed, HttpReplies, RedisReplies, Replies

LOCALHOST = "127.0.0.1"
MOST_ANSWERS = 1_000_000
LEAST_ANSWERS = 40
"""Where there are fewer when the time is over, it goes on."""
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask: `requests` is a file; both times are in seconds.

    `protocol`: `http`; `redis` on a bare socket; `redis-py` by that library's pipeline.
    Each of the ports gets as many connections.
    """

    protocol: str
    ports: tuple[int, ...]
    connections: int
    seconds: float
    warm_up: float
    requests: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came back within the measured time; every answer was checked.

    `poor` ones came back, but not at level full with an offer: they count for nothing else.
    `asked` counts all, while warming up too. `client_busy` is the share of one core that the load
    generator needed; `server_us` the processor time of the server for one answer, where known.
    """

    answers: int
    poor: int
    asked: int
    per_second: float
    p50_ms: float
    p99_ms: float
    client_busy: float
    server_us: float | None = None


class Load:
    """What all connections share: the next request, the time, what was measured."""

    def __init__(self, plan: Plan) -> None:
        lines = Path(plan.requests).read_bytes().splitlines()
        self.requests: Iterator[bytes] = cycle([base64.b64decode(line) for line in lines])
        self.plan = plan
        self.start = time.perf_counter() + plan.warm_up
        self.end = self.start + plan.seconds
        self.taken: list[float] = []
        self.poor = self.asked = 0
        self._began: tuple[float, float] | None = None
        self.over = asyncio.get_running_loop().create_future()

    def answered(self, sent: float, now: float, good: bool = True) -> bool:
        """Notes an answer; whether there is time for more."""
        self.asked += 1
        few = len(self.taken) + self.poor < LEAST_ANSWERS
        if few:
            self.end = max(self.end, now)
        if self.start <= now <= self.end:
            if self._began is None:
                self._began = now, time.process_time()
            if good:
                self.taken.append(now - sent)
            else:
                self.poor += 1
        if (few or now < self.end) and len(self.taken) < MOST_ANSWERS:
            return True
        if not self.over.done():
            self.over.set_result(None)
        return False

    def fail(self, error: BaseException) -> None:
        """Ends everything with this error."""
        if not self.over.done():
            self.over.set_exception(error)

    def measured(self) -> Measured:
        """What was measured. Raises Failed when that is nothing."""
        if not self.taken:
            raise Failed(f"no good answer within the measured time, {self.poor} poor ones")
        taken = sorted(self.taken)
        return Measured(
            answers=len(taken),
            poor=self.poor,
            asked=self.asked,
            client_busy=self._busy(),
            per_second=len(taken) / (self.end - self.start),
            p50_ms=1000 * at_share(taken, 0.5),
            p99_ms=1000 * at_share(taken, 0.99),
        )

    def _busy(self) -> float:
        if self._began is None:
            return 0.0
        since, used = self._began
        return (time.process_time() - used) / max(time.perf_counter() - since, 1e-9)


class Caller(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, asks again."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._replies: Replies = RedisReplies() if load.plan.protocol == "redis" else HttpReplies()
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first time."""
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        request = next(self._load.requests)
        self._sent = time.perf_counter()
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Asks again once the answer is whole."""
        try:
            whole = self._replies.feed(data)
        except (Failed, ValueError) as error:
            self._load.fail(error)
            return
        if whole and self._load.answered(self._sent, time.perf_counter(), self._replies.good):
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody closes connections while they are measured."""
        self._load.fail(Failed(f"a connection was lost: {exc}"))


def at_share(taken: Sequence[float], share: float) -> float:
    """The value below which this share of sorted values lies (nearest rank).

    >>> at_share([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return taken[max(0, min(len(taken) - 1, round(share * len(taken)) - 1))]


async def ask_all(plan: Plan) -> Measured:
    """Asks over all connections for the planned time. Raises Failed."""
    loop = asyncio.get_running_loop()
    load = Load(plan)
    transports: list[asyncio.BaseTransport] = []
    try:
        for port in plan.ports * plan.connections:
            made = await loop.create_connection(lambda: Caller(load), LOCALHOST, port)
            transports.append(made[0])
        async with asyncio.timeout(plan.warm_up + plan.seconds + PATIENCE_SECONDS):
            await load.over
    finally:
        for transport in transports:
            transport.close()
    return load.measured()


async def ask_by_library(plan: Plan) -> Measured:
    """The same Redis commands by redis-py's pipeline, on one connection. Raises Failed."""
    from redis.asyncio import Redis

    load = Load(plan)
    client = Redis(host=LOCALHOST, port=plan.ports[0], single_connection_client=True)
    try:
        while True:
            commands = commands_in(next(load.requests))
            sent = time.perf_counter()
            pipe = client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            found = await pipe.execute()
            if not found[1]:
                raise Failed(f"Redis answered {found!r}")
            if not load.answered(sent, time.perf_counter()):
                return load.measured()
    finally:
        await client.aclose()


def commands_in(request: bytes) -> list[list[bytes]]:
    r"""The Redis commands in ready-made bytes.

    >>> commands_in(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
    [[b'GET', b'a']]
    """
    import hiredis

    reader, found = hiredis.Reader(), list[Any]()
    reader.feed(request)
    while (command := reader.gets()) is not False:
        found.append(command)
    return found


def measure(plan: Plan, environment: Mapping[str, str], servers: Sequence[int] = ()) -> Measured:
    """Runs the plan in a process of its own, away from the cores of the servers (process ids).

    Raises Failed.
    """
    before = _cpu_seconds(servers)
    with cores.only_on(cores.split().others):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load"],
            input=json.dumps(asdict(plan)).encode(),
            capture_output=True,
            env=dict(environment),
            timeout=plan.warm_up + plan.seconds + 2 * PATIENCE_SECONDS,
            check=False,
        )
    if done.returncode:
        raise Failed(done.stderr.decode(errors="replace").strip()[-1000:])
    measured = Measured(**json.loads(done.stdout))
    after = _cpu_seconds(servers)
    if before is None or after is None:
        return measured
    return replace(measured, server_us=1e6 * (after - before) / max(measured.asked, 1))


def _cpu_seconds(servers: Sequence[int]) -> float | None:
    found = [cores.cpu_seconds(server) for server in servers]
    known = [seconds for seconds in found if seconds is not None]
    return sum(known) if known and len(known) == len(found) else None


def main() -> None:
    """The process: a plan in, what was measured out."""
    import uvloop

    plan = Plan(**json.load(sys.stdin))
    try:
        ask = ask_by_library if plan.protocol == "redis-py" else ask_all
        measured = uvloop.run(ask(plan))
    except (Failed, OSError, TimeoutError) as error:
        sys.exit(str(error) or type(error).__name__)
    json.dump(asdict(measured), sys.stdout)


if __name__ == "__main__":
    main()
