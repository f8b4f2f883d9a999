"""Where the time of a decision goes: what a process of our API counts of its own stages."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from benchmarks import requests
from benchmarks.comparison import Contest
from benchmarks.load import LOCALHOST
from benchmarks.results import OURS
from benchmarks.stack import Yard
from benchmarks.turns import Contender, Times, take_turn

WHOLE = "tactful_decision_seconds"
STAGE = "tactful_decision_stage_seconds"
REST = "rest"
WHOLE_NAME = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Decisions so far, and the seconds they took by stage and as a whole (`""`)."""

    decisions: float
    seconds: Mapping[str, float]


def ask(port: int) -> Told:
    """What the process at this port has counted so far."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://{LOCALHOST}:{port}/metrics", timeout=10) as reply:
        return read(reply.read().decode())


def read(exposition: str) -> Told:
    """The same from the text that Prometheus reads."""
    seconds, decisions = dict[str, float](), 0.0
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name in (f"{WHOLE}_sum", f"{STAGE}_sum"):
                seconds[sample.labels.get("stage", "")] = sample.value
            elif sample.name == f"{WHOLE}_count":
                decisions = sample.value
    return Told(decisions=decisions, seconds=seconds)


def where_it_goes(yard: Yard, contest: Contest, times: Times) -> dict[str, dict[str, float]]:
    """The mean microseconds of each stage, by the number of connections."""
    yard.say("where the time goes")
    names = [one.external_id for one in contest.asked]
    questions = requests.write(yard.folder / "stages", map(requests.question, names))
    server, found = contest.servers[OURS], dict[str, dict[str, float]]()
    for connections in (1, 16):
        before = ask(server.port)
        contender = Contender(servers=(server,), requests=(questions,), connections=connections)
        take_turn(yard, contender, times)
        found[str(connections)] = between(before, ask(server.port))
    return found


def between(before: Told, after: Told) -> dict[str, float]:
    """The mean microseconds of each stage, of what is in none of them, and of the whole."""
    count = max(after.decisions - before.decisions, 1.0)
    means = {
        stage: 1e6 * (seconds - before.seconds.get(stage, 0.0)) / count
        for stage, seconds in after.seconds.items()
    }
    stages = {stage: mean for stage, mean in means.items() if stage}
    whole = means.get("", 0.0)
    return {**stages, REST: whole - sum(stages.values()), WHOLE_NAME: whole}
