"""Contenders take turns, round by round, so that noise of the machine hits all alike."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.load import Measured, Plan, measure
from benchmarks.stack import Server, Yard, clear_stream

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Servers side by side, usually one, over one store; `requests`: files, a round each."""

    servers: tuple[Server, ...]
    requests: tuple[Path, ...]
    connections: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How many rounds, and the seconds of each turn."""

    rounds: int
    seconds: float
    warm_up: float


def take_turn(yard: Yard, contender: Contender, times: Times, number: int = 0) -> Measured:
    """One turn; what was decided in it is archived behind it, as in a running stack."""
    plan = Plan(
        protocol="http",
        ports=tuple(server.port for server in contender.servers),
        connections=contender.connections,
        seconds=times.seconds,
        warm_up=times.warm_up,
        requests=str(contender.requests[number % len(contender.requests)]),
    )
    found = measure(plan, yard.client, [server.pid for server in contender.servers])
    place = contender.servers[0].site
    if place is not None:
        asyncio.run(clear_stream(place))
    return found


def take_turns(
    yard: Yard, contenders: Mapping[Name, Contender], times: Times
) -> dict[Name, list[Measured]]:
    """All of them in every round; each round begins with another one."""
    found: dict[Name, list[Measured]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(times.rounds):
        start = number % len(names)
        for name in (*names[start:], *names[:start]):
            found[name].append(take_turn(yard, contenders[name], times, number))
    return found
