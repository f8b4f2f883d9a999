"""Service clocks on the log of a real service desk, which judged its tickets itself."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from engine.service_clocks import ClockState, reading
from engine.service_runs import Happening
from tests.support.tickets import ANY_LIMIT, LOG, Ticket, agreement, shuffled, tickets


@pytest.fixture(scope="module")
def log() -> list[Ticket]:
    if not LOG.exists():
        pytest.skip(f"{LOG.name} is not there")
    return tickets()


def test_clocks_agree_with_the_log_where_they_count_as_it_does(log: list[Ticket]) -> None:
    """It counts weekdays until the ticket is closed, and does not pause: 99.65 %."""
    found = agreement(log, pauses=False, until_closed=True)
    assert found.asked == 12_459
    assert found.share > 0.996
    assert found.limits["3"] == timedelta(hours=160), "twenty days of eight hours"


@pytest.mark.parametrize(
    ("pauses", "until_closed", "at_most"),
    [
        pytest.param(False, False, 0.962, marks=pytest.mark.long),
        pytest.param(True, True, 0.927, marks=pytest.mark.long),
        (True, False, 0.908),
    ],
    ids=["until resolved", "with pauses", "until resolved, with pauses"],
)
def test_clocks_that_count_otherwise_agree_less(
    log: list[Ticket], pauses: bool, until_closed: bool, at_most: float
) -> None:
    found = agreement(log, pauses=pauses, until_closed=until_closed)
    assert 0.9 < found.share < at_most


def test_a_ticket_that_is_told_in_any_order_has_the_same_clock(log: list[Ticket]) -> None:
    dice = random.Random(5)
    long = [ticket for ticket in log if len(ticket.marks) > 2]
    assert len(long) > 500
    for ticket in long:
        marks = list(ticket.marks)
        dice.shuffle(marks)
        assert shuffled(ticket, marks) == ticket.clock(ANY_LIMIT, pauses=True, until_closed=False)


def test_a_reopened_ticket_is_late_at_once_if_its_time_had_passed(log: list[Ticket]) -> None:
    """Time in which a ticket seemed resolved counts; most are reopened long after an hour."""
    states = list[ClockState]()
    for ticket in log:
        again = [mark.at for mark in ticket.marks if mark.what is Happening.REOPENED]
        if again:
            clock = ticket.clock(timedelta(hours=8), pauses=True, until_closed=False)
            states.append(reading(clock, again[0]).state)
    assert len(states) == 273
    assert set(states) <= {ClockState.RUNNING, ClockState.BREACHED}
    assert states.count(ClockState.BREACHED) > states.count(ClockState.RUNNING)
