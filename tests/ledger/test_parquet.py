"""Files that are merged and dropped: a kill at any moment loses nothing and doubles nothing."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownLambdaType=false
from __future__ import annotations

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.ledger.parquet import Kind, day_folder, drop_before, merge, put

DAY = date(2026, 11, 20)
TODAY = date(2026, 11, 22)
SCHEMA = pa.schema([("id", pa.string()), ("said", pa.string())])


def kind(folder: Path) -> Kind:
    return Kind(folder=folder, key="id", schema=lambda: SCHEMA, anew=lambda table: table)


def a_file(folder: Path, *ids: str, day: date = DAY) -> Path:
    path = day_folder(folder, day) / f"{ids[0]}-{len(ids)}.parquet"
    put(pa.table({"id": [*ids], "said": [f"of {each}" for each in ids]}, SCHEMA), path)
    return path


def kept(folder: Path, day: date = DAY) -> list[str]:
    """The ids in all files of a day, as often as they are there."""
    files = day_folder(folder, day).glob("*.parquet")
    return sorted(each for path in files for each in pq.read_table(path)["id"].to_pylist())


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.ledger.test_parquet import TODAY, kind
from engine.ledger.parquet import merge

steps = int(sys.argv[2])

def counted(step):
    def instead(*args, **more):
        global steps
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        steps -= 1
        return step(*args, **more)
    return instead

Path.replace, Path.unlink = counted(Path.replace), counted(Path.unlink)
merge(kind(Path(sys.argv[1])), TODAY)
"""


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_merge_that_is_killed_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, steps: int
) -> None:
    every = ["a1", "a2", "b1", "c1", "c2"]
    for ids in (("a1", "a2"), ("b1",), ("c1", "c2")):
        a_file(tmp_path, *ids)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(steps)]
    assert subprocess.run(command, cwd=root, check=False).returncode == -signal.SIGKILL
    assert set(kept(tmp_path)) == set(every)
    merge(kind(tmp_path), TODAY)
    assert kept(tmp_path) == every
    assert len(list(day_folder(tmp_path, DAY).glob("*.parquet"))) == 1
    assert not list(day_folder(tmp_path, DAY).glob("*.merging"))


def test_a_row_in_two_files_is_kept_once(tmp_path: Path) -> None:
    a_file(tmp_path, "a", "b")
    a_file(tmp_path, "b", "c")
    assert merge(kind(tmp_path), TODAY) == 1
    assert kept(tmp_path) == ["a", "b", "c"]


def test_a_damaged_file_stays_and_stops_nobody(tmp_path: Path) -> None:
    damaged = a_file(tmp_path, "a")
    for each in "bc":
        a_file(tmp_path, each)
    damaged.write_bytes(b"PAR1")
    assert merge(kind(tmp_path), TODAY) == 1
    assert damaged.exists()
    assert merge(kind(tmp_path), TODAY) == 0


def test_a_file_that_is_full_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.ledger.parquet.SMALL_ROWS", 2)
    full = [a_file(tmp_path, "a1", "a2"), a_file(tmp_path, "b1", "b2")]
    a_file(tmp_path, "c1")
    assert merge(kind(tmp_path), TODAY) == 0
    assert all(path.exists() for path in full)


def test_today_waits_until_there_are_many(tmp_path: Path) -> None:
    for each in "ab":
        a_file(tmp_path, each, day=TODAY)
    assert merge(kind(tmp_path), TODAY) == 0


def test_old_days_go_and_others_stay(tmp_path: Path) -> None:
    a_file(tmp_path, "old", day=date(2026, 1, 1))
    a_file(tmp_path, "new")
    assert drop_before(tmp_path, DAY) == 1
    assert kept(tmp_path) == ["new"]
    assert not day_folder(tmp_path, date(2026, 1, 1)).exists()
