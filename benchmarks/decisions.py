"""`tactful bench decisions`: everything that is measured, in one run.

Contenders are measured in turns, round by round, so that noise of the machine hits all alike. A
ratio is the median of the rounds' ratios; a raw number is the median of the rounds' numbers.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import comparison, cores, growth, plot, report
from benchmarks.batches import batch_vs_single
from benchmarks.bundles import write_example
from benchmarks.comparison import Contest
from benchmarks.memory import customer_bytes
from benchmarks.results import OURS, Round, ratios, raw
from benchmarks.scale import two_processes
from benchmarks.stack import Yard, open_yard
from benchmarks.stages import where_it_goes
from benchmarks.turns import Times
from engine.ledger import open_ledger

CONTACTS_IN_MEMORY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured: `contest` for the comparison, `curves` for growth."""

    customers: int
    reads: int
    contest: Times
    curves: Times
    sizes: growth.Sizes


FULL = Effort(
    customers=5_000,
    reads=400,
    contest=Times(rounds=3, seconds=4.0, warm_up=1.0),
    curves=Times(rounds=3, seconds=2.0, warm_up=0.5),
    sizes=growth.Sizes(actions=(24, 100, 300, 1_000), customers=(100_000, 1_000_000)),
)
QUICK = Effort(
    customers=5_000,
    reads=200,
    contest=Times(rounds=1, seconds=2.0, warm_up=0.5),
    curves=Times(rounds=1, seconds=1.0, warm_up=0.3),
    sizes=growth.Sizes(actions=(24, 1_000), customers=(10_000,)),
)


def run(*, quick: bool = False, effort: Effort | None = None) -> dict[str, Any]:
    """Measures, and returns ratios, raw numbers and facts. Progress goes to stderr.

    Takes under 15 minutes; with `quick` under 3, and no million customers.
    """
    effort = effort or (QUICK if quick else FULL)
    facts = report.machine()
    started, before = time.monotonic(), cores.share()
    with (
        tempfile.TemporaryDirectory(prefix="tactful-bench-") as folder,
        open_yard(Path(folder), say) as yard,
    ):
        result = _measure(yard, effort)
    result["setting"]["took_seconds"] = round(time.monotonic() - started)
    result["machine"] = {**facts, "withheld": before.withheld_until(cores.share())}
    return {**result, "verdicts": report.verdicts(result)}


def lines(result: Mapping[str, Any]) -> Iterable[str]:
    """The result as tables for people."""
    return report.lines(result)


def picture(result: Mapping[str, Any]) -> str:
    """The growth curves as SVG."""
    return plot.picture(result["raw"]["growth"])


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{line}\n")


def _measure(yard: Yard, effort: Effort) -> dict[str, Any]:
    folder = write_example(yard.folder / "example")
    contest = comparison.prepare(yard, folder, effort.customers, growth.others_needed())
    rounds = comparison.compare(yard, contest, effort.contest, effort.reads)
    spent = where_it_goes(yard, contest, effort.curves)
    batch = batch_vs_single(yard, contest, effort.curves)
    resident = cores.resident_mib(contest.servers[OURS].pid)
    curves, contacted = growth.by_contacts_and_features(yard, contest, effort.curves)
    held = asyncio.run(_held(contest, contacted[CONTACTS_IN_MEMORY]))
    curves["connections"] = growth.by_connections(yard, contest, effort.curves)
    scale = two_processes(yard, contest, effort.contest)
    yard.end([*contest.servers.values()])
    small = growth.small_store(yard, folder, contest.store)
    curves["actions"] = growth.by_actions(
        yard, small, contest.asked, effort.sizes.actions, effort.curves
    )
    curves |= growth.by_customers(yard, folder, small, effort.sizes.customers, effort.curves)
    return {
        **_ratios(rounds, curves, batch),
        "scale": scale,
        "memory": {"customer_bytes": held, "api_mib": resident},
        "raw": {**raw(rounds), "stages": spent, "growth": growth.plain(curves)},
        "setting": _setting(contest, effort),
    }


async def _held(contest: Contest, customers: Sequence[str]) -> float:
    async with open_ledger(contest.store.site) as ledger:
        return await customer_bytes(ledger, customers)


def _ratios(
    rounds: Sequence[Round], curves: Mapping[str, growth.Curve], batch: Mapping[str, float]
) -> dict[str, Any]:
    grown = {
        "actions_1000_vs_24": growth.at(curves["actions"], 1_000),
        "customers_1m_vs_1k": growth.at(curves["customers"], 1_000_000),
        "contacts_500_vs_0": growth.at(curves["contacts"], 500),
    }
    found = ratios(rounds)
    return {**found, "decisions": {**found["decisions"], **batch}, "growth": grown}


def _setting(contest: Contest, effort: Effort) -> dict[str, Any]:
    return {
        **asdict(effort),
        "candidate_actions": contest.candidates,
        "features_read": len(contest.asked[0].features),
        "bundle": contest.bundle.hash,
        "append_only_file": True,
        "api_processes": 1,
        "server_has_own_core": bool(cores.split().others),
    }


def main() -> None:
    """`python -m benchmarks.decisions [--quick]`."""
    result = run(quick="--quick" in sys.argv)
    sys.stdout.write("\n".join(lines(result)) + "\n")


if __name__ == "__main__":
    main()
