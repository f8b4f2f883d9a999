"""Ratios are what they say they are, whichever side is better."""

from __future__ import annotations

from typing import Any

from benchmarks import report
from benchmarks.load import Measured
from benchmarks.results import CONNECTIONS, CONTESTANTS, Round, ratios, raw


def measured(per_second: float, milliseconds: float) -> Measured:
    return Measured(
        answers=100,
        poor=0,
        asked=120,
        per_second=per_second,
        p50_ms=milliseconds,
        p99_ms=3 * milliseconds,
        client_busy=0.5,
        server_us=None,
    )


def a_round(ours: float) -> Round:
    """We make `ours` decisions a second, the empty route 1,000 and the tutorials' stack 100."""
    rates = dict(zip(CONTESTANTS, (ours, 1000.0, 100.0), strict=True))
    return Round(
        decisions={
            (name, connections): measured(rate, 1000 / rate)
            for name, rate in rates.items()
            for connections in CONNECTIONS
        },
        redis=measured(4000, 0.25),
        socket=measured(20000, 0.05),
        ours_read_ms=0.2,
        feast_read_ms=2.0,
    )


def test_ratios_are_the_medians_of_the_rounds() -> None:
    found = ratios([a_round(500), a_round(600), a_round(5)])
    assert found["decisions"]["vs_tutorial"] == 5.0
    assert found["decisions"]["vs_empty_route"] == 0.5
    assert found["decisions"]["p99_vs_empty_route"] == 2.0
    assert found["decisions"]["p50_vs_redis"] == 8.0
    assert found["features"]["vs_feast"] == 0.1


def a_result(ours: float, **changes: float | None) -> dict[str, Any]:
    """Everything as good as we reach for, but our rate, and what is said otherwise."""
    rounds = [a_round(ours)]
    groups: dict[str, dict[str, Any]] = {}
    for name, target in report.TARGETS.items():
        group, key = name.split(".")
        groups.setdefault(group, {})[key] = changes.get(key, target.reach)
    decisions = {**ratios(rounds)["decisions"]}
    decisions |= {"batch_vs_1_connection": 3.0, "batch_vs_16_connections": 1.0}
    found: dict[str, Any] = {**raw(rounds), "growth": {}, "stages": {}}
    return {**groups, "decisions": decisions, "raw": found, "machine": {"load_before": 0.1}}


def test_every_measure_of_the_table_says_whether_it_holds() -> None:
    verdicts = report.verdicts(a_result(500, api_mib=150.0, contacts_500_vs_0=1.31))
    assert verdicts["decisions.vs_tutorial"] == "does not hold"
    assert verdicts["decisions.vs_empty_route"] == "holds"
    assert verdicts["features.vs_feast"] == "reached"
    assert verdicts["memory.api_mib"] == "holds"
    assert verdicts["growth.contacts_500_vs_0"] == "does not hold"
    assert verdicts.keys() == report.TARGETS.keys()


def test_the_table_tells_what_was_found_beside_what_is_wanted() -> None:
    table = "\n".join(report.lines(a_result(500)))
    row = next(line for line in table.splitlines() if line.startswith("decisions.vs_tutorial"))
    assert row.split()[:7] == ["decisions.vs_tutorial", "5.00", "6", "10", "does", "not", "hold"]


def test_what_could_not_be_measured_is_null_and_says_why() -> None:
    result = a_result(500, two_processes=None)
    result["scale"]["two_processes_because"] = "2 cores"
    assert report.verdicts(result)["scale.two_processes"] == "not measured"
    assert "scale.two_processes: 2 cores" in list(report.lines(result))


def test_a_busy_load_generator_is_told() -> None:
    result = a_result(500)
    result["raw"]["decisions"]["tactful"]["16"]["client_busy"] = 0.97
    assert any("97%" in line for line in report.lines(result))
