"""Our decisions beside the empty route, the tutorials' stack, a bare Redis and Feast's reader."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import forests, requests, tutorial_features
from benchmarks.bundles import candidates
from benchmarks.feature_reads import FeatureReads
from benchmarks.lives import live_through
from benchmarks.load import LOCALHOST, Measured, Plan, measure
from benchmarks.population import Known
from benchmarks.results import CONNECTIONS, CONTESTANTS, EMPTY, OURS, TUTORIAL, Round
from benchmarks.stack import Server, Store, Yard, bundle_of
from benchmarks.turns import Contender, Times, take_turn
from engine.catalog import Bundle
from engine.errors import StackError
from engine.ledger import open_ledger
from models.dataset import encoded, feature_columns

FEWEST_CANDIDATES = 24
FIRST_SECONDS = 3.0
SEED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """The contestants on one store. `asked`: those of its customers who are asked for in turn."""

    store: Store
    bundle: Bundle
    asked: tuple[Known, ...]
    servers: Mapping[str, Server]

    @property
    def candidates(self) -> int:
        """How many actions the web may show."""
        return len(candidates(self.bundle))


def prepare(yard: Yard, folder: Path, asked: int, others: int) -> Contest:
    """Everything loaded, trained and started; `others`: customers that nothing happened to yet."""
    bundle = bundle_of(folder)
    if len(candidates(bundle)) < FEWEST_CANDIDATES:
        raise StackError(f"{FEWEST_CANDIDATES} actions for the web are needed")
    store = yard.store("contest", folder, asked + others)
    known = store.customers[:asked]
    asyncio.run(_live_through(store, bundle, [one.customer for one in known]))
    yard.train(store, bundle, known)
    tutorial = _teach_tutorial(yard, store, known)
    yard.say("starting our API, the empty route and the tutorials' stack")
    servers = {
        OURS: yard.api(OURS, store),
        EMPTY: yard.app(EMPTY, store, {}),
        TUTORIAL: yard.app(TUTORIAL, store, tutorial),
    }
    return Contest(store=store, bundle=bundle, asked=known, servers=servers)


async def _live_through(store: Store, bundle: Bundle, customers: Sequence[str]) -> None:
    async with open_ledger(store.site) as ledger:
        await live_through(ledger, bundle, customers)


def _teach_tutorial(yard: Yard, store: Store, known: Sequence[Known]) -> Mapping[str, str]:
    """The Feast repository and the model of the tutorials' stack; the variables that name them."""
    import numpy as np

    yard.say("writing the same customers for the tutorials' stack, by the Feast SDK")
    folder, model = yard.folder / "tutorial", yard.folder / "tutorial.txt"
    columns = feature_columns([one.features for one in known])
    values = tutorial_features.numbers(encoded(columns, [one.features for one in known]))
    names = [one.external_id for one in known]
    tutorial_features.build(folder, f"{LOCALHOST}:{store.port}", names, values)
    draw = np.random.default_rng(SEED)
    offered = draw.normal(size=(len(values), tutorial_features.ACTION_FEATURES))
    model.write_text(forests.grow(np.hstack([values, offered]), draw.random(len(values)) < 0.3))
    return {
        tutorial_features.FOLDER_VARIABLE: str(folder),
        tutorial_features.MODEL_VARIABLE: str(model),
    }


def compare(yard: Yard, contest: Contest, times: Times, reads: int) -> list[Round]:
    """All rounds; every contestant answers for a while before anything counts."""
    names = [one.external_id for one in contest.asked]
    references = [one.customer for one in contest.asked]
    questions = requests.write(yard.folder / "questions", map(requests.question, names))
    pipelines = requests.write(yard.folder / "pipelines", map(requests.pipeline, references))
    readers = FeatureReads(contest.store.site)
    first = replace(times, seconds=max(FIRST_SECONDS, times.seconds), warm_up=0.0)
    for name in CONTESTANTS:
        take_turn(yard, _contender(contest, name, questions, 16), first)
    rounds: list[Round] = []
    for number in range(times.rounds):
        yard.say(f"round {number + 1} of {times.rounds}")
        ours, feast = readers.measure(references[:reads])
        one = Round(
            redis=_ask_redis(yard, contest, times, "redis-py", pipelines),
            socket=_ask_redis(yard, contest, times, "redis", pipelines),
            ours_read_ms=ours,
            feast_read_ms=feast,
        )
        _play(yard, contest, times, questions, number, one)
        rounds.append(one)
    return rounds


def _play(
    yard: Yard, contest: Contest, times: Times, questions: Path, number: int, one: Round
) -> None:
    """Every contestant at every number of connections; each round begins with another one."""
    start = number % len(CONTESTANTS)
    for connections in CONNECTIONS:
        for name in (*CONTESTANTS[start:], *CONTESTANTS[:start]):
            contender = _contender(contest, name, questions, connections)
            one.decisions[name, connections] = take_turn(yard, contender, times)


def _contender(contest: Contest, name: str, questions: Path, connections: int) -> Contender:
    server = contest.servers[name]
    return Contender(servers=(server,), requests=(questions,), connections=connections)


def _ask_redis(
    yard: Yard, contest: Contest, times: Times, protocol: str, pipelines: Path
) -> Measured:
    plan = Plan(
        protocol=protocol,
        ports=(contest.store.port,),
        connections=1,
        seconds=times.seconds / 2,
        warm_up=times.warm_up / 2,
        requests=str(pipelines),
    )
    return measure(plan, yard.client)
