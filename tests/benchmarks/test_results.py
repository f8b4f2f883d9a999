"""Ratios are what they say they are, whichever side is better."""

from __future__ import annotations

from benchmarks import report
from benchmarks.load import Measured
from benchmarks.results import CONNECTIONS, CONTESTANTS, Round, ratios, raw


def measured(per_second: float, milliseconds: float) -> Measured:
    return Measured(
        answers=100, poor=0, per_second=per_second, p50_ms=milliseconds, p99_ms=3 * milliseconds
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


def test_the_table_says_which_bounds_hold() -> None:
    rounds = [a_round(500)]
    table = "\n".join(report.lines({**ratios(rounds), "raw": raw(rounds)}))
    verdicts = {
        line.split()[0]: "does not hold" not in line for line in table.splitlines() if ": " in line
    }
    assert verdicts["decisions.vs_tutorial"] is False
    assert verdicts["decisions.vs_empty_route"] is True
    assert verdicts["features.vs_feast"] is True
