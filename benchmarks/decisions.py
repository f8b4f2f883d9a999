"""`tactful bench decisions`: our decisions, the empty route and the tutorials' stack, in one run.

They are measured in turns, round by round, so that noise of the machine hits all alike. A ratio is
the median of the rounds' ratios; a raw number is the median of the rounds' numbers.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks import report
from benchmarks.feature_reads import FeatureReads
from benchmarks.load import LOCALHOST, Measured, Plan, measure
from benchmarks.results import CONNECTIONS, CONTESTANTS, OURS, Round, ratios, raw
from benchmarks.stack import CHANNEL, Stack, clear_stream, open_stack
from engine.ledger import keys

FIRST_SECONDS = 3.0
PLACEMENTS = ({"name": "hero", "limit": 1}, {"name": "rail", "limit": 3})
CONTEXT = {"page": "billing"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure: times in seconds, for each turn."""

    customers: int
    rounds: int
    seconds: float
    warm_up: float
    reads: int


FULL = Effort(customers=5_000, rounds=3, seconds=5.0, warm_up=1.0, reads=400)
QUICK = Effort(customers=5_000, rounds=1, seconds=2.0, warm_up=0.5, reads=200)


def run(*, quick: bool = False, effort: Effort | None = None) -> dict[str, Any]:
    """Measures, and returns ratios, raw numbers and facts. Progress goes to stderr.

    Takes under 6 minutes, with `quick` under 90 seconds.
    """
    effort = effort or (QUICK if quick else FULL)
    facts = report.machine()
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="tactful-bench-") as folder,
        open_stack(Path(folder), effort.customers, say) as stack,
    ):
        rounds = _measure(stack, effort)
        setting = _setting(stack, effort)
    setting["took_seconds"] = round(time.monotonic() - started)
    return {**ratios(rounds), "raw": raw(rounds), "setting": setting, "machine": facts}


def lines(result: Mapping[str, Any]) -> Iterable[str]:
    """The result as a table for people."""
    return report.lines(result)


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{line}\n")


# -- measuring


def _measure(stack: Stack, effort: Effort) -> list[Round]:
    questions = _write(stack.folder / "questions", map(question, _names(stack)))
    pipelines = _write(stack.folder / "pipelines", map(pipeline, _references(stack)))
    readers = FeatureReads(stack.site)
    rounds: list[Round] = []
    _warm_up(stack, questions, max(FIRST_SECONDS, effort.seconds))
    for number in range(effort.rounds):
        say(f"round {number + 1} of {effort.rounds}")
        ours, feast = readers.measure(_references(stack)[: effort.reads])
        one = Round(
            redis=_ask_redis(stack, effort, "redis-py", pipelines),
            socket=_ask_redis(stack, effort, "redis", pipelines),
            ours_read_ms=ours,
            feast_read_ms=feast,
        )
        _take_turns(stack, effort, questions, number, one)
        rounds.append(one)
    return rounds


def _ask_redis(stack: Stack, effort: Effort, protocol: str, pipelines: Path) -> Measured:
    plan = Plan(
        protocol=protocol,
        port=stack.redis_port,
        connections=1,
        seconds=effort.seconds / 2,
        warm_up=effort.warm_up / 2,
        requests=str(pipelines),
    )
    return measure(plan, stack.environment)


def _warm_up(stack: Stack, questions: Path, seconds: float) -> None:
    """Every contestant answers for a while before anything counts."""
    for name in CONTESTANTS:
        measure(_plan(stack, name, 16, questions, seconds, 0.0), stack.environment)
    asyncio.run(clear_stream(stack.site))


def _plan(
    stack: Stack, name: str, connections: int, questions: Path, seconds: float, warm_up: float
) -> Plan:
    return Plan(
        protocol="http",
        port=stack.ports[name],
        connections=connections,
        seconds=seconds,
        warm_up=warm_up,
        requests=str(questions),
    )


def _take_turns(stack: Stack, effort: Effort, questions: Path, number: int, one: Round) -> None:
    """Every contestant at every number of connections; each round begins with another one."""
    start = number % len(CONTESTANTS)
    order = (*CONTESTANTS[start:], *CONTESTANTS[:start])
    for connections in CONNECTIONS:
        for name in order:
            plan = _plan(stack, name, connections, questions, effort.seconds, effort.warm_up)
            one.decisions[name, connections] = measure(plan, stack.environment)
            if name == OURS:
                asyncio.run(clear_stream(stack.site))


def _names(stack: Stack) -> list[str]:
    return [one.external_id for one in stack.customers]


def _references(stack: Stack) -> list[str]:
    return [one.customer for one in stack.customers]


def question(customer: str) -> bytes:
    """A request for a decision, as bytes on the wire."""
    asked = {
        "customer": customer,
        "channel": CHANNEL,
        "placements": PLACEMENTS,
        "context": CONTEXT,
        "deadline_ms": 10_000,
    }
    body = orjson.dumps(asked)
    head = (
        f"POST /v1/decisions HTTP/1.1\r\nHost: {LOCALHOST}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def pipeline(customer: str) -> bytes:
    """Three Redis commands on one customer in one write: marker, features, live state."""
    commands = (
        (b"GET", keys.MARKER.encode()),
        (b"HGETALL", keys.row_key(customer)),
        (b"HGETALL", keys.live(customer).encode()),
    )
    return b"".join(map(command, commands))


def command(words: Sequence[bytes]) -> bytes:
    r"""A command as Redis takes it.

    >>> command([b"GET", b"a"])
    b'*2\r\n$3\r\nGET\r\n$1\r\na\r\n'
    """
    parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
    return b"*%d\r\n" % len(words) + b"".join(parts)


def _write(path: Path, requests: Iterable[bytes]) -> Path:
    path.write_bytes(b"\n".join(base64.b64encode(request) for request in requests))
    return path


def _setting(stack: Stack, effort: Effort) -> dict[str, Any]:
    return {
        **asdict(effort),
        "candidate_actions": stack.candidates,
        "features_read": len(stack.customers[0].features),
        "bundle": stack.bundle.hash,
        "append_only_file": True,
        "api_processes": 1,
    }


def main() -> None:
    """`python -m benchmarks.decisions [--quick]`."""
    result = run(quick="--quick" in sys.argv)
    sys.stdout.write("\n".join(lines(result)) + "\n")


if __name__ == "__main__":
    main()
