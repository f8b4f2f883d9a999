"""What `tactful bench journeys` tells: every measure, whether it holds, and what is behind it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks import unhurried
from benchmarks.fairness import Beside
from benchmarks.load import at_share
from benchmarks.report import Target, busy_machine, measure_line, value_of
from benchmarks.rush import Rushed
from benchmarks.silence import Silenced
from benchmarks.unhurried import Counts
from benchmarks.walk_parts import BARE, KIT

TARGETS: Mapping[str, Target] = {
    "journeys.steps_vs_bare": Target(
        least=True, holds_at=0.7, reach=0.9, meaning="steps/s of a bare workflow's"
    ),
    "journeys.events_vs_bare": Target(
        holds_at=1.3, reach=1.2, meaning="history events per step, of a bare workflow's"
    ),
    "journeys.event_to_hold_p99_ms": Target(
        holds_at=50, reach=25, meaning="ms to a complaint's hold, 1,000 journeys running, p99"
    ),
    "journeys.event_to_hold_dead_p99_ms": Target(
        holds_at=1_000, reach=100, meaning="the same with every worker dead"
    ),
    "journeys.complaint_delay_in_campaign": Target(
        holds_at=1, reach=0.25, meaning="s by which a campaign delays a complaint's first message"
    ),
}


def put_together(
    *,
    events: Counts,
    rounds: Sequence[Mapping[str, Rushed]],
    alone: Beside,
    beside: Beside,
    alive: Sequence[Silenced],
    dead: Sequence[Silenced],
    crowd_steps_per_second: float,
) -> dict[str, Any]:
    """The measures, and all that they come from."""
    by_walk = unhurried.ratios(events)
    return {
        "journeys": {
            "steps_vs_bare": statistics.median(
                one[KIT].steps_per_second / one[BARE].steps_per_second for one in rounds
            ),
            "events_vs_bare": by_walk["all"],
            "event_to_hold_p99_ms": at_share(sorted(one.held for one in alive), 0.99),
            "event_to_hold_dead_p99_ms": at_share(sorted(one.held for one in dead), 0.99),
            "complaint_delay_in_campaign": beside.median - alone.median,
        },
        "raw": {
            "events_per_step": {name: dict(found) for name, found in events.items()},
            "events_vs_bare": by_walk,
            "rounds": [{name: asdict(one) for name, one in found.items()} for found in rounds],
            "to_hold": {"alive": _shares(alive), "dead": _shares(dead)},
            "crowd_steps_per_second": crowd_steps_per_second,
            "first_message": {"alone": _plain(alone), "beside_a_campaign": _plain(beside)},
        },
    }


def verdicts(result: Mapping[str, Any]) -> dict[str, str]:
    """Each measure in one word or three."""
    return {name: target.verdict(value_of(result, name)) for name, target in TARGETS.items()}


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as tables for people."""
    raw = result["raw"]
    yield from _rushes(raw["rounds"])
    yield ""
    yield f"{'history events per step':<26}{'ours':>8}{'bare':>8}{'times':>8}"
    for name, found in raw["events_per_step"].items():
        times = raw["events_vs_bare"][name]
        yield f"{name:<26}{found[KIT]:>8.2f}{found[BARE]:>8.2f}{times:>8.2f}"
    yield ""
    yield from _waits(raw, result["setting"])
    yield ""
    yield f"{'measure':<38}{'found':>9}{'holds at':>10}{'reach':>8}"
    for name, target in TARGETS.items():
        yield measure_line(name, target, value_of(result, name), width=38)
    yield from busy_machine(result)


def _rushes(rounds: Sequence[Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    parts = list(rounds[0][KIT]["spent"])
    heads = "".join(f"{name:>14}" for name in parts)
    yield f"{'steps, CPU ms of each':<26}{'per second':>12}{heads}"
    for name in (KIT, BARE):
        found = [one[name] for one in rounds]
        rate = statistics.median(one["steps_per_second"] for one in found)
        spent = [statistics.median(one["spent"][part] for one in found) for part in parts]
        yield f"{name:<26}{rate:>12.1f}" + "".join(f"{ms:>14.2f}" for ms in spent)


def _waits(raw: Mapping[str, Any], setting: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'a complaint, ms':<40}{'p50':>9}{'p99':>9}{'worst':>9}"
    crowd = f"{setting['crowd']:,} journeys, {raw['crowd_steps_per_second']:.0f} steps/s"
    for name, title in (("alive", crowd), ("dead", "every worker dead")):
        for what, found in raw["to_hold"][name].items():
            numbers = "".join(f"{found[one]:>9.1f}" for one in ("p50", "p99", "worst"))
            yield f"{f'{what}, {title}':<40}{numbers}"
    for name, found in raw["first_message"].items():
        numbers = f"{1000 * found['median']:>9.0f}{'':>9}{1000 * found['worst']:>9.0f}"
        waiting = f"   {found['waiting']:,} starts still waited" if found["waiting"] else ""
        yield f"{'first message, ' + name.replace('_', ' '):<40}{numbers}{waiting}"


def _shares(found: Sequence[Silenced]) -> dict[str, dict[str, float]]:
    def of(times: Sequence[float]) -> dict[str, float]:
        taken = sorted(times)
        return {"p50": at_share(taken, 0.5), "p99": at_share(taken, 0.99), "worst": taken[-1]}

    return {"hold": of([one.held for one in found]), "202": of([one.answered for one in found])}


def _plain(found: Beside) -> dict[str, float]:
    return {"median": found.median, "worst": max(found.taken), "waiting": found.waiting}
