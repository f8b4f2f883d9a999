"""`tactful journeys` for operators: list, show, and intervene in one, in some, in all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from engine.errors import TactfulError
from tests.support.doors import JOURNEY, FakeStack, a_run, a_standing
from tests.support.served import served
from workflows.interventions import InterventionRefused
from workflows.orders import NEEDS, TAKES, Act, Task

WHO = ("--author", "olivia", "--because", "the depot burns")
VALUES = {"to": "Rita", "until": "2026-03-09T12:00:00Z", "choice": "yes"}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeStack]:
    """A stack that the command line finds, in which three journeys run."""
    stack = FakeStack(runs=[a_run(JOURNEY), a_run("renewal:c2"), a_run("pulse:c3")])
    stack.desk.standing = {run.id: a_standing() for run in stack.runs}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path))
    with served(stack) as address:
        monkeypatch.setenv("TACTFUL_API_URL", address)
        yield stack


def ran(*words: str, says: str = "") -> Any:
    """What `tactful journeys` did with these words, and this answer to its question."""
    return CliRunner().invoke(app, ["journeys", *words], input=says)


@pytest.mark.parametrize("act", list(Act))
def test_every_act_has_a_command_with_what_it_needs(stack: FakeStack, act: Act) -> None:
    own = (f"--{TAKES[act]}", VALUES[TAKES[act]]) if act in TAKES else ()
    result = ran(act, JOURNEY, *WHO, *own)
    assert result.exit_code == 0, result.output
    assert f"{JOURNEY}: {act} done" in result.output
    assert "promised, owner team-a, waits for resolution until 2026-03-04 12:00" in result.output
    ((journey, order, key),) = stack.desk.orders
    assert (journey, order.act, order.signed) == (JOURNEY, act, "olivia (the depot burns)")
    assert key is not None
    if act in NEEDS:
        lacking = ran(act, JOURNEY, *WHO)
        assert (lacking.exit_code, len(stack.desk.orders)) == (2, 1)


def test_an_act_has_no_option_that_it_has_no_use_for(stack: FakeStack) -> None:
    result = ran("pause", JOURNEY, *WHO, "--until", VALUES["until"])
    assert (result.exit_code, stack.desk.orders) == (2, [])


def test_what_is_refused_is_told_with_the_reason_and_exit_code_1(stack: FakeStack) -> None:
    stack.desk.failures["renewal:c2"] = InterventionRefused("renewal:c2: it is paused already")
    result = ran("pause", JOURNEY, "renewal:c2", "nobody:c9", "--yes", *WHO)
    assert result.exit_code == 1
    assert "renewal:c2  it is paused already" in result.output
    assert "nobody:c9" in result.output
    assert result.output.endswith("1 done, 2 refused\n")


def test_more_than_one_is_asked_for_and_says_how_many(stack: FakeStack) -> None:
    result = ran("pause", "--kind", "complaint", *WHO, says="n\n")
    assert result.exit_code == 1
    assert "pause 3 journeys?" in result.output
    assert stack.desk.orders == []
    assert ran("pause", "--kind", "complaint", *WHO, says="y\n").exit_code == 0
    assert len(stack.desk.orders) == 3


def test_all_is_said_on_purpose(stack: FakeStack) -> None:
    assert ran("pause", *WHO, "--yes").exit_code == 2
    assert ran("pause", JOURNEY, "--all", *WHO, "--yes").exit_code == 2
    assert stack.desk.orders == []
    result = ran("pause", "--all", *WHO, "--yes")
    assert (result.exit_code, len(stack.desk.orders)) == (0, 3)
    assert result.output.endswith("3 done, 0 refused\n")


def test_a_search_narrows_as_in_the_list(stack: FakeStack) -> None:
    words = ("--stage", "open", "--owner", "team-a", "--stuck", "--days", "3", "--yes", *WHO)
    assert ran("escalate", *words).exit_code == 0
    assert {query for query, _, _ in stack.queries} == {
        "JourneyKind IS NOT NULL AND Stage = 'open' AND Owner = 'team-a'"
        " AND ExecutionStatus = 'Running' AND Moved < '2026-02-26T12:00:00Z'"
        " AND (Due IS NULL OR Due < '2026-03-01T12:00:00Z')"
    }


def test_the_same_request_id_is_the_same_request(stack: FakeStack) -> None:
    for _ in range(2):
        assert ran("pause", JOURNEY, *WHO, "--request-id", "r").exit_code == 0
    assert ran("pause", JOURNEY, *WHO).exit_code == 0
    first, again, other = [key for _, _, key in stack.desk.orders]
    assert first == again != other


def test_the_author_is_whoever_is_logged_in_unless_that_is_nobody(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "otto")
    assert ran("note", JOURNEY, "--because", "he called").exit_code == 0
    assert stack.desk.orders[0][1].author == "otto"
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "root")
    result = ran("note", JOURNEY, "--because", "he called")
    assert (result.exit_code, len(stack.desk.orders)) == (2, 1)
    assert "--author" in result.output


def test_for_programs_it_prints_a_line_of_json_for_each(stack: FakeStack) -> None:
    stack.desk.failures["pulse:c3"] = InterventionRefused("pulse:c3: no")
    result = CliRunner().invoke(app, ["journeys", "pause", "--all", "--yes", "--json", *WHO])
    assert result.exit_code == 1
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted((line["id"], line["done"]) for line in told) == [
        (JOURNEY, True),
        ("pulse:c3", False),
        ("renewal:c2", True),
    ]


def test_without_a_stack_it_says_how_to_reach_one(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACTFUL_API_URL", "http://127.0.0.1:9")
    for words in (("pause", JOURNEY), ("pause", "--all", "--yes")):
        result = ran(*words, *WHO)
        assert isinstance(result.exception, TactfulError)
        assert "tactful up" in str(result.exception)


def test_a_journey_is_shown_with_everything(stack: FakeStack) -> None:
    stack.desk.standing[JOURNEY] = a_standing(
        paused="olivia (we look into it)",
        task=Task(question="refund?", owner="Rita", choices=("yes", "no"), default="no"),
        aside=("number.said: half of what?",),
    )
    result = ran("show", JOURNEY)
    assert result.exit_code == 0
    for words in (
        "promised, owner team-a, waits for resolution until 2026-03-04 12:00",
        "paused by olivia (we look into it)",
        "asks Rita: refund? (yes, no; else no)",
        "set aside: number.said: half of what?",
        "2026-03-01 12:00 UTC: opened",
        "http://ui/namespaces/default/workflows/complaint%3Ac1%3A4711/r-1",
    ):
        assert words in result.output


@pytest.mark.parametrize("view", ["late", "stuck", "attention"])
def test_a_saved_search_leads_to_the_same_list_in_the_temporal_ui(
    stack: FakeStack, view: str
) -> None:
    result = ran("list", f"--{view}", "--kind", "complaint")
    assert result.exit_code == 0
    assert "3 journeys" in result.output
    assert "http://ui/namespaces/default/workflows?query=JourneyKind" in result.output
    assert len(stack.queries) == 1


def test_only_one_saved_search_at_a_time(stack: FakeStack) -> None:
    assert ran("list", "--late", "--stuck").exit_code == 2
    assert stack.queries == []
