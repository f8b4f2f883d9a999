"""`tactful query`: the log in SQL, as a table, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from engine.errors import InvalidInput


def run(folder: Path, *words: str) -> Result:
    result = CliRunner().invoke(app, ["query", *words, "--data-dir", str(folder)])
    if isinstance(result.exception, InvalidInput):
        raise result.exception
    return result


SQL = "select * from (values ('a,b', 1.5, null), ('ü', 2, date '2026-11-22')) as t(name, n, day)"


def test_a_table_aligns_and_leaves_out_what_is_too_much(tmp_path: Path) -> None:
    lines = run(tmp_path, SQL, "--rows", "1").stdout.splitlines()
    assert lines[0].split() == ["name", "n", "day"]
    assert lines[2].split() == ["a,b", "1.5"]
    assert lines[3].startswith("… and 1 more rows")


def test_csv_and_json_say_all_of_it(tmp_path: Path) -> None:
    told = list(csv.reader(io.StringIO(run(tmp_path, SQL, "--format", "csv").stdout)))
    assert told == [["name", "n", "day"], ["a,b", "1.5", ""], ["ü", "2.0", "2026-11-22"]]
    for words in (("--format", "json"), ("--json",)):
        told = json.loads(run(tmp_path, SQL, *words).stdout)
        assert told[1] == {"name": "ü", "n": 2.0, "day": "2026-11-22"}


def test_without_a_question_it_says_what_there_is(tmp_path: Path) -> None:
    lines = run(tmp_path).stdout.splitlines()
    assert any(line.split()[:2] == ["features", "age_seconds"] for line in lines)


def test_a_log_that_is_empty_has_no_rows(tmp_path: Path) -> None:
    assert run(tmp_path, "select action from drops").stdout.splitlines()[-1] == "no rows"


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There are the tables"):
        run(tmp_path, "select * from customers")
