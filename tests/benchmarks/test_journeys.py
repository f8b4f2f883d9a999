"""What the benchmark of journeys says: ratios by hand, walks that are equal, one result in all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from benchmarks import everything, journey_report
from benchmarks.cores import Share
from benchmarks.fairness import Beside
from benchmarks.journey_report import TARGETS, put_together
from benchmarks.rush import Rushed
from benchmarks.silence import Silenced
from benchmarks.walk_parts import ALL, BARE, HEAR, KIT, TALK, Errand, errand_of, steps_of

MACHINE = {"load_before": 0.1}
EVENTS = {"all": {KIT: 6.0, BARE: 5.0}, "wait_for": {KIT: 7.0, BARE: 6.0}}


def rushed(rate: float) -> Rushed:
    return Rushed(steps_per_second=rate, spent={"temporal": 5.0, "walk-worker": 10.0})


def a_round(ours: float, bare: float) -> Mapping[str, Rushed]:
    return {KIT: rushed(ours), BARE: rushed(bare)}


def held(count: int, slowest: float) -> list[Silenced]:
    """So many complaints, each a millisecond later than the one before, and a slow one."""
    quick = [Silenced(held=float(number), answered=2.0 * number) for number in range(1, count)]
    return [Silenced(held=slowest, answered=slowest), *quick]


def a_result(**changes: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "events": EVENTS,
        "rounds": [a_round(80, 100), a_round(90, 100), a_round(10, 100)],
        "alone": Beside(taken=[0.3, 0.2, 0.4]),
        "beside": Beside(taken=[0.5, 0.9, 0.4], waiting=700),
        "alive": held(200, slowest=400.0),
        "dead": held(200, slowest=400.0),
        "crowd_steps_per_second": 40.0,
    }
    found = put_together(**{**parts, **changes})
    setting = {"crowd": 1_000, "starts": 1_000, "took_seconds": 1}
    return {**found, "setting": setting, "machine": MACHINE}


def test_the_ratio_of_steps_is_the_median_of_the_rounds() -> None:
    assert a_result()["journeys"]["steps_vs_bare"] == 0.8


def test_events_are_compared_over_all_steps_and_told_for_each_kind() -> None:
    found = a_result()
    assert found["journeys"]["events_vs_bare"] == 1.2
    assert found["raw"]["events_vs_bare"]["wait_for"] == pytest.approx(7 / 6)  # pyright: ignore[reportUnknownMemberType]


def test_the_p99_is_that_of_the_holds_not_of_the_answers() -> None:
    """Of 200 two are above it: 199 and 400."""
    found = a_result()
    assert found["journeys"]["event_to_hold_p99_ms"] == 198.0
    assert found["raw"]["to_hold"]["alive"]["202"]["p99"] == 396.0
    assert found["raw"]["to_hold"]["dead"]["hold"]["worst"] == 400.0


def test_the_delay_in_a_campaign_is_what_comes_on_top_of_the_usual() -> None:
    found = a_result()["journeys"]["complaint_delay_in_campaign"]
    assert found == pytest.approx(0.2)  # pyright: ignore[reportUnknownMemberType]


def test_what_does_not_hold_is_said_beside_its_bound() -> None:
    result = a_result(rounds=[a_round(60, 100)])
    told = journey_report.verdicts(result)
    assert told["journeys.steps_vs_bare"] == "does not hold"
    assert told["journeys.events_vs_bare"] == "reached"
    (line,) = (one for one in journey_report.lines(result) if one.startswith(next(iter(TARGETS))))
    assert "0.60" in line
    assert "does not hold" in line


def test_a_host_that_gives_the_processors_to_others_is_told() -> None:
    assert Share(every=100, withheld=5).withheld_until(Share(every=300, withheld=65)) == 0.3
    robbed = {**a_result(), "machine": {"load_before": 0.1, "withheld": 0.3}}
    assert any(
        "30% of the processors to other machines" in line for line in journey_report.lines(robbed)
    )
    quiet = {**a_result(), "machine": {"load_before": 0.1, "withheld": 0.001}}
    assert not any("other machines" in line for line in journey_report.lines(quiet))


def test_a_busy_machine_is_told() -> None:
    busy = {**a_result(), "machine": {"load_before": 2.0}}
    assert "other work ran on this machine" in "\n".join(journey_report.lines(busy))
    assert "other work ran on this machine" not in "\n".join(journey_report.lines(a_result()))


@pytest.mark.parametrize("parts", [ALL, (TALK, HEAR)])
def test_both_walks_are_sent_on_the_same_errand(parts: tuple[str, ...]) -> None:
    errand = Errand(laps=3, parts=parts, pause=timedelta(seconds=0.2), before=timedelta(minutes=2))
    assert errand_of(errand.told()) == errand
    assert errand.steps == 3 * steps_of(parts)


def test_one_result_holds_decisions_and_journeys_apart() -> None:
    result = a_result()
    journeys = {**result, "verdicts": journey_report.verdicts(result)}
    decisions: dict[str, Any] = {
        "decisions": {"vs_tutorial": 7.0},
        "raw": {"growth": {}},
        "setting": {"reads": 4},
        "machine": MACHINE,
        "verdicts": {"decisions.vs_tutorial": "holds"},
    }
    found = everything.together(decisions, journeys)
    assert found["decisions"]["vs_tutorial"] == 7.0
    assert found["journeys"] == result["journeys"]
    assert found["raw"]["growth"] == {}
    assert found["raw"]["journeys"] == result["raw"]
    assert found["setting"]["journeys"]["crowd"] == 1_000
    assert set(found["verdicts"]) == {"decisions.vs_tutorial", *TARGETS}
