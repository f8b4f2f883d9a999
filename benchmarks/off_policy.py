"""`tactful bench off_policy`: estimates of other policies, and whom to contact, beside truths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import coverage, hillstrom
from benchmarks.open_bandit import LOGS, open_bandit

QUICK_RUNS, QUICK_SPLITS = 50, 3


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measures; real data that is not beside the source tree is left out."""
    runs = QUICK_RUNS if quick else coverage.RUNS
    count = QUICK_SPLITS if quick else hillstrom.SPLITS
    found: dict[str, Any] = {
        "coverage": {"runs": runs, "worlds": coverage.coverage(runs)},
        "planted": hillstrom.told(hillstrom.splits(hillstrom.planted(), count)),
    }
    if LOGS.exists():
        found["open_bandit"] = open_bandit()
    if hillstrom.TABLE.exists():
        told = hillstrom.told(hillstrom.splits(hillstrom.trial_of(), count))
        found["hillstrom"] = {"cost": hillstrom.COST, **told}
    return found


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as tables for people."""
    yield from _coverage(result["coverage"])
    if "open_bandit" in result:
        yield from _open_bandit(result["open_bandit"])
    for name in ("hillstrom", "planted"):
        if name in result:
            yield from _uplift(name, result[name])


def _coverage(found: Mapping[str, Any]) -> Iterator[str]:
    worlds = found["worlds"]
    methods = list(next(iter(worlds.values())))
    head = "".join(f"{name:>9}" for name in methods)
    yield f"{'truth within 95 % intervals, of ' + str(found['runs']) + ' runs':<44}{head}"
    for world, shares in worlds.items():
        yield f"{world:<44}" + "".join(f"{shares[name]:>9.1%}" for name in methods)


def _open_bandit(found: Mapping[str, Any]) -> Iterator[str]:
    for direction in ("bts_from_random", "random_from_bts"):
        told = found[direction]
        yield ""
        yield (
            f"{direction.replace('_', ' '):<20}{'value':>9}{'low':>9}{'high':>9}"
            f"{'off by':>9}{'effective':>11}   the other log's mean {told['truth']['value']:.4f}"
        )
        for name, one in told["methods"].items():
            yield _estimate(name, one)
    read = found["replayed"]
    yield (
        f"BTS as read off its log: median error {read['median_error']:.0%}, log-likelihood "
        f"{read['likelihood']:.2f} (logged {read['likelihood_logged']:.2f}, "
        f"uniform {read['likelihood_uniform']:.2f})"
    )


def _estimate(name: str, one: Mapping[str, Any]) -> str:
    if "refused" in one:
        return f"{name:<20}refused: {one['words']}"
    numbers = "".join(f"{one[key]:>9.4f}" for key in ("value", "low", "high"))
    verdict = "holds it" if one["covers"] else "does not hold it"
    return f"{name:<20}{numbers}{one['relative_error']:>9.0%}{one['effective']:>11,.0f}   {verdict}"


def _uplift(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    earned = ", ".join(f"{policy} {value:.4f}" for policy, value in found["earned"].items())
    yield f"{name}: earned a customer: {earned}; {found['contacted']:.0%} contacted"
    for rival, told in found["against"].items():
        yield (
            f"    learned less {rival:<12}{told['gain']:>9.4f} ({told['low']:.4f} to "
            f"{told['high']:.4f}); of {len(told['splits'])} splits {told['splits_above']} "
            f"significantly above, {told['splits_below']} below"
        )
