"""How decisions slow down as things grow: actions, contacts, features, customers, connections."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import copies, requests
from benchmarks.bundles import write_generated
from benchmarks.comparison import Contest
from benchmarks.lives import contact, live_through, widen
from benchmarks.load import Measured
from benchmarks.population import Known
from benchmarks.results import OURS
from benchmarks.stack import Store, Yard, beside, bundle_of, with_models_of
from benchmarks.turns import Contender, Times, take_turns
from engine.ledger import open_ledger

GROUP = 200
"""How many customers each point of contacts and features is measured on, in turn."""
CONTACTS = (0, 50, 500)
FEATURES = (0, 10, 50, 100, 200)
CONNECTIONS = (1, 4, 16, 64)
STORED = 1_000
"""How many customers the small store holds, and how many are asked for in every store."""

_FRESH_A_SECOND = 6_000
_MOST_FRESH = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How far each thing grows."""

    actions: tuple[int, ...]
    customers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was measured at one size; `times`: how much longer a decision takes than at the first
    size, the median of the rounds.
    """

    size: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float | None
    poor: int
    times: float


Curve = tuple[Point, ...]


def curve(found: Mapping[int, Sequence[Measured]]) -> Curve:
    """The points of one curve, by size; the first size is what the others are compared with."""
    first = next(iter(found.values()))
    return tuple(_point(size, rounds, first) for size, rounds in found.items())


def _point(size: int, rounds: Sequence[Measured], first: Sequence[Measured]) -> Point:
    pairs = zip(first, rounds, strict=True)
    known = [one.server_us for one in rounds if one.server_us is not None]
    return Point(
        size=size,
        per_second=statistics.median(one.per_second for one in rounds),
        p50_ms=statistics.median(one.p50_ms for one in rounds),
        p99_ms=statistics.median(one.p99_ms for one in rounds),
        server_us=statistics.median(known) if known else None,
        poor=sum(one.poor for one in rounds),
        times=statistics.median(a.per_second / b.per_second for a, b in pairs),
    )


def plain(curves: Mapping[str, Curve]) -> dict[str, list[dict[str, Any]]]:
    """The curves for JSON."""
    return {name: [asdict(point) for point in points] for name, points in curves.items()}


def at(points: Curve, size: int) -> float | None:
    """How much longer a decision takes at this size; None where it was not measured."""
    return next((point.times for point in points if point.size == size), None)


# -- on the store of the contest


def others_needed() -> int:
    """How many customers the groups of contacts and features need; they share the first one."""
    return GROUP * (len(CONTACTS) + len(FEATURES) - 1)


def by_contacts_and_features(
    yard: Yard, contest: Contest, times: Times
) -> tuple[dict[str, Curve], Mapping[int, Sequence[str]]]:
    """The two curves, and the references of the customers with so many contacts each."""
    others = contest.store.customers[len(contest.asked) :]
    groups = [others[start : start + GROUP] for start in range(0, len(others), GROUP)]
    contacts = dict(zip(CONTACTS, groups, strict=False))
    features = dict(zip(FEATURES, [groups[0], *groups[len(CONTACTS) :]], strict=True))
    references = {n: [one.customer for one in group] for n, group in contacts.items()}
    wide = {n: [one.customer for one in group] for n, group in features.items()}
    asyncio.run(_prepare(contest, references, wide))
    found: dict[str, Curve] = {}
    for name, grown in (("contacts", contacts), ("features", features)):
        yard.say(f"growth by {name}")
        contenders = {
            size: Contender(
                servers=(contest.servers[OURS],),
                requests=(_questions(yard, f"{name}-{size}", [one.external_id for one in group]),),
            )
            for size, group in grown.items()
        }
        found[name] = curve(take_turns(yard, contenders, times))
    return found, references


async def _prepare(
    contest: Contest, contacts: Mapping[int, Sequence[str]], features: Mapping[int, Sequence[str]]
) -> None:
    async with open_ledger(contest.store.site) as ledger:
        for size, customers in contacts.items():
            await contact(ledger, contest.bundle, [(customer, size) for customer in customers])
        for size, customers in features.items():
            if size:
                await widen(ledger, customers, size)


def by_connections(yard: Yard, contest: Contest, times: Times) -> Curve:
    """Decisions over more and more connections."""
    yard.say("growth by connections")
    questions = _questions(yard, "connections", [one.external_id for one in contest.asked])
    contenders = {
        size: Contender(servers=(contest.servers[OURS],), requests=(questions,), connections=size)
        for size in CONNECTIONS
    }
    return curve(take_turns(yard, contenders, times))


# -- on a small store of their own


def small_store(yard: Yard, folder: Path, trained: Store) -> Store:
    """A store of 1,000 customers to whom things have happened, with the models of the contest."""
    store = yard.store("small", folder, STORED)
    with_models_of(store, trained)
    asyncio.run(_live_through(store, folder))
    return store


async def _live_through(store: Store, folder: Path) -> None:
    async with open_ledger(store.site) as ledger:
        customers = [one.customer for one in store.customers]
        await live_through(ledger, bundle_of(folder), customers)


def by_actions(
    yard: Yard, small: Store, taught: Sequence[Known], sizes: Sequence[int], times: Times
) -> Curve:
    """Bundles of so many candidate actions, each with models of its own in a process of its own.

    `taught`: the customers whose answers the models learn from.
    """
    yard.say("growth by actions")
    names = [one.external_id for one in small.customers]
    questions = _questions(yard, "actions", names)
    contenders: dict[int, Contender] = {}
    for size in sizes:
        folder = write_generated(yard.folder / "bundles" / str(size), size)
        store = beside(small, yard.folder / f"actions-{size}", folder)
        yard.train(store, bundle_of(folder), taught)
        server = yard.api(f"actions-{size}", store)
        contenders[size] = Contender(servers=(server,), requests=(questions,))
    found = curve(take_turns(yard, contenders, times))
    yard.end([contender.servers[0] for contender in contenders.values()])
    return found


def by_customers(
    yard: Yard, folder: Path, small: Store, sizes: Sequence[int], times: Times
) -> dict[str, Curve]:
    """A thousand customers asked for in turn, among so many; and each asked for only once."""
    large = yard.store("large", folder, STORED)
    with_models_of(large, small)
    asyncio.run(_live_through(large, folder))
    few, many = yard.api("small", small), yard.api("large", large)
    base = _questions(yard, "small", [one.external_id for one in small.customers])
    points: dict[str, list[Curve]] = {"customers": [], "customers_once": []}
    have = 0
    for size in sizes:
        yard.say(f"copying customers until there are {size:,}")
        asyncio.run(_fill(large, have, size - STORED))
        have = size - STORED
        same = [copies.name_of(number) for number in range(0, have, max(1, have // STORED))]
        asked = {
            "customers": (_questions(yard, f"same-{size}", same[:STORED]),),
            "customers_once": _fresh(yard, have, times),
        }
        for name, files in asked.items():
            contenders = {
                STORED: Contender(servers=(few,), requests=(base,)),
                size: Contender(servers=(many,), requests=files),
            }
            points[name].append(curve(take_turns(yard, contenders, times)))
    yard.end([few, many])
    return {name: (found[0][0], *(both[1] for both in found)) for name, found in points.items()}


def _fresh(yard: Yard, have: int, times: Times) -> tuple[Path, ...]:
    """For each round, customers from all over the store that were never asked for before."""
    wanted = round(_FRESH_A_SECOND * (times.seconds + times.warm_up))
    step = max(1, have // min(have, wanted * times.rounds))
    names = [copies.name_of(number) for number in range(1, have, step)]
    each = max(1, len(names) // times.rounds)
    return tuple(
        _questions(yard, f"fresh-{have}-{number}", names[number * each : (number + 1) * each])
        for number in range(times.rounds)
    )


async def _fill(store: Store, first: int, end: int) -> None:
    originals = [one.customer for one in store.customers]
    async with open_ledger(store.site) as ledger:
        copies.without_file(ledger)
        await copies.add_copies(ledger, originals, first, end)
        copies.with_file(ledger)


def _questions(yard: Yard, name: str, customers: Sequence[str]) -> Path:
    return requests.write(yard.folder / f"asked-{name}", map(requests.question, customers))
