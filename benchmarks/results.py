"""The rounds of a run, and what they come to: ratios, medians, every number."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.load import Measured

CONTESTANTS = ("tactful", "empty_route", "tutorial_stack")
OURS, EMPTY, TUTORIAL = CONTESTANTS
CONNECTIONS = (1, 16, 64)


@dataclass(slots=True, kw_only=True)
class Round:
    """What one round measured."""

    decisions: dict[tuple[str, int], Measured] = field(
        default_factory=dict[tuple[str, int], Measured]
    )
    redis: Measured
    socket: Measured
    ours_read_ms: float
    feast_read_ms: float


def ratios(rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    """The ratios by group and name."""

    def rate(name: str) -> Callable[[Round], float]:
        return lambda one: one.decisions[OURS, 16].per_second / one.decisions[name, 16].per_second

    found: dict[str, Callable[[Round], float]] = {
        "vs_tutorial": rate(TUTORIAL),
        "vs_empty_route": rate(EMPTY),
        "p99_vs_empty_route": lambda one: (
            one.decisions[OURS, 16].p99_ms / one.decisions[EMPTY, 16].p99_ms
        ),
        "p50_vs_redis": lambda one: one.decisions[OURS, 1].p50_ms / one.redis.p50_ms,
        "p50_vs_redis_socket": lambda one: one.decisions[OURS, 1].p50_ms / one.socket.p50_ms,
    }
    return {
        "decisions": {name: _median(rounds, of) for name, of in found.items()},
        "features": {"vs_feast": _median(rounds, lambda one: one.ours_read_ms / one.feast_read_ms)},
    }


def raw(rounds: Sequence[Round]) -> dict[str, Any]:
    """The medians behind the ratios, and every round."""
    decisions = {
        name: {
            str(connections): _medians([one.decisions[name, connections] for one in rounds])
            for connections in CONNECTIONS
        }
        for name in CONTESTANTS
    }
    return {
        "decisions": decisions,
        "redis": _medians([one.redis for one in rounds]),
        "redis_socket": _medians([one.socket for one in rounds]),
        "features": {
            "ours_p50_ms": _median(rounds, lambda one: one.ours_read_ms),
            "feast_p50_ms": _median(rounds, lambda one: one.feast_read_ms),
        },
        "rounds": [_plain(one) for one in rounds],
    }


def _medians(found: Sequence[Measured]) -> dict[str, float | None]:
    names = ("per_second", "p50_ms", "p99_ms", "client_busy")
    medians = {name: statistics.median(getattr(one, name) for one in found) for name in names}
    spent = [one.server_us for one in found if one.server_us is not None]
    return {
        **medians,
        "server_us": statistics.median(spent) if spent else None,
        "poor": sum(one.poor for one in found),
    }


def _median(rounds: Sequence[Round], of: Callable[[Round], float]) -> float:
    return statistics.median(map(of, rounds))


def _plain(one: Round) -> dict[str, Any]:
    turns = [
        {"name": name, "connections": connections, **asdict(measured)}
        for (name, connections), measured in one.decisions.items()
    ]
    reads = {"ours_p50_ms": one.ours_read_ms, "feast_p50_ms": one.feast_read_ms}
    redis = {"redis": asdict(one.redis), "redis_socket": asdict(one.socket)}
    return {"turns": turns, **redis, "features": reads}
