"""The promises under random interleavings: a short seeded run, and a long one."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from engine.ledger import ledger as ledger_module
from tests.promises.machine import Promises
from tests.support.servers import Server

LONG_STEPS = 100_000
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)


@pytest.fixture(autouse=True)
def nobody_waits_long_for_dead_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An acknowledgement waits for deliveries under way; those of dead workers never land."""
    monkeypatch.setattr(ledger_module, "_FLIGHT_SECONDS", 0.02)


def run(server: Server, *, examples: int, seeded: bool) -> int:
    """Runs the machine; says how many things happened."""

    class Run(Promises):
        redis_url = server.url
        steps = 0

    run_state_machine_as_test(
        Run,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            derandomize=seeded,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=SLOW,
        ),
    )
    return Run.steps


def test_the_promises_hold_whatever_happens_in_whatever_order(shared_valkey: Server) -> None:
    assert run(shared_valkey, examples=25, seeded=True) > 1_000


@pytest.mark.long
def test_the_promises_hold_in_a_hundred_thousand_steps(shared_valkey: Server) -> None:
    steps = 0
    while steps < LONG_STEPS:
        steps += run(shared_valkey, examples=200, seeded=False)
    assert steps >= LONG_STEPS
