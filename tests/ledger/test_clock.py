"""The one clock of a stack."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import StackError
from engine.ledger.clock import Clock, from_milliseconds, milliseconds, open_clock


def test_with_lapse_one_it_is_the_wall_clock(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    now = open_clock(tmp_path).now()
    assert before <= now <= datetime.now(UTC)


def test_with_a_lapse_it_runs_faster_from_its_anchor() -> None:
    clock = Clock(anchor=1_000_000.0, lapse=60.0)
    assert clock.at(1_000_000.0).timestamp() == 1_000_000.0
    assert clock.at(1_000_010.0) - clock.at(1_000_000.0) == timedelta(minutes=10)
    assert clock.wall_seconds(timedelta(hours=1)) == 60.0


def test_a_restart_goes_on_where_the_clock_was(tmp_path: Path) -> None:
    first = open_clock(tmp_path, 1000.0)
    again = open_clock(tmp_path)
    assert again == first == open_clock(tmp_path, 1000.0)
    assert abs(first.anchor - time.time()) < 10


def test_another_lapse_is_refused(tmp_path: Path) -> None:
    open_clock(tmp_path, 1000.0)
    with pytest.raises(StackError, match=r"--lapse 1000, not 1:"):
        open_clock(tmp_path, 1.0)


def test_processes_that_start_at_once_agree_on_the_anchor(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        clocks = list(pool.map(open_clock, [tmp_path] * 32, [50.0] * 32))
    assert len(set(clocks)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["clock.json"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"anchor": "x", "lapse": 1}', "\x00"])
def test_a_broken_clock_file_is_one_clear_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "clock.json").write_text(content)
    with pytest.raises(StackError, match=r"clock\.json can't be read") as caught:
        open_clock(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_file_is_for_people_too(tmp_path: Path) -> None:
    open_clock(tmp_path)
    assert json.loads((tmp_path / "clock.json").read_text()) == {"anchor": 0.0, "lapse": 1.0}


@given(st.integers(0, 10**13))
def test_milliseconds_survive_both_ways(number: int) -> None:
    assert milliseconds(from_milliseconds(number)) == number
