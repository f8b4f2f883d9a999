"""Decisions in batches: customers per second of one process, beside single calls."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Sequence

from benchmarks import cores, requests
from benchmarks.comparison import Contest
from benchmarks.load import LOCALHOST
from benchmarks.replies import Failed
from benchmarks.results import OURS
from benchmarks.stack import Yard
from benchmarks.turns import Contender, Times, take_turn

_PATIENCE_SECONDS = 300.0


def batch_vs_single(yard: Yard, contest: Contest, times: Times) -> dict[str, float]:
    """Customers per second in one batch, of single calls over one connection and over 16."""
    yard.say("a batch beside single calls")
    names = [one.external_id for one in contest.asked]
    questions = requests.write(yard.folder / "single", map(requests.question, names))
    server = contest.servers[OURS]
    single = {
        number: Contender(servers=(server,), requests=(questions,), connections=number)
        for number in (1, 16)
    }
    found: dict[int, list[float]] = {1: [], 16: []}
    for _ in range(times.rounds):
        with cores.only_on(yard.cores.others):
            rate = ask_batch(server.port, names)
        for number, contender in single.items():
            found[number].append(rate / take_turn(yard, contender, times).per_second)
    median = {number: statistics.median(rates) for number, rates in found.items()}
    return {"batch_vs_1_connection": median[1], "batch_vs_16_connections": median[16]}


def ask_batch(port: int, customers: Sequence[str]) -> float:
    """Customers per second of one batch of all of these; only answers of level full count.

    Raises Failed unless each gets a decision.
    """
    body = b"\n".join(requests.asked(customer) for customer in customers)
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=_PATIENCE_SECONDS)
    start = time.perf_counter()
    try:
        headers = {"Content-Type": "application/x-ndjson"}
        connection.request("POST", "/v1/decisions:batch", body, headers)
        lines = connection.getresponse().read().splitlines()
    finally:
        connection.close()
    taken = time.perf_counter() - start
    decided = [line for line in lines if line.startswith(b'{"decision_id":')]
    if len(decided) != len(customers):
        raise Failed(f"{len(decided)} of {len(customers)} were decided: {lines[:1]!r}")
    return sum(b'"level":"full"' in line for line in decided) / taken
