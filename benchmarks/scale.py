"""Two processes of our API beside one, on the same store."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

from benchmarks import cores, requests
from benchmarks.comparison import Contest
from benchmarks.results import OURS
from benchmarks.stack import Yard
from benchmarks.turns import Contender, Times, take_turns


def two_processes(yard: Yard, contest: Contest, times: Times) -> dict[str, Any]:
    """How much more two decide than one, each with 16 connections; null with the reason where
    there are too few cores for two servers, Redis and the load generator.
    """
    found = cores.count()
    if found < cores.FEWEST_FOR_TWO:
        because = f"{found} cores; two processes beside Redis and the client need 4 or more"
        return {"two_processes": None, "two_processes_because": because}
    yard.say("two processes of our API")
    names = [one.external_id for one in contest.asked]
    questions = requests.write(yard.folder / "two", map(requests.question, names))
    first, second = contest.servers[OURS], yard.api("second", contest.store, core=1)
    one = Contender(servers=(first,), requests=(questions,))
    contenders = {1: one, 2: replace(one, servers=(first, second))}
    rounds = take_turns(yard, contenders, times)
    yard.end([second])
    pairs = zip(rounds[1], rounds[2], strict=True)
    return {"two_processes": statistics.median(b.per_second / a.per_second for a, b in pairs)}
