"""Histories of earlier runs replay on the code as it is: running journeys survive an update."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.histories.record import STORIES, Released, folder
from workflows.maps.source import kind_of
from workflows.payloads import DATA_CONVERTER
from workflows.worker import JOURNEYS, sandbox

HISTORIES = sorted((Path(__file__).parents[1] / "histories").glob("**/*.json"))


def kind(path: Path) -> str:
    """The kind of journey that a stored history is of."""
    started = json.loads(path.read_text())["events"][0]["workflowExecutionStartedEventAttributes"]
    return str(started["workflowType"]["name"])


def test_there_is_a_history_of_every_journey() -> None:
    assert {kind(path) for path in HISTORIES} == {kind_of(journey) for journey in JOURNEYS}


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_stored_history_replays(path: Path) -> None:
    replayer = Replayer(
        workflows=JOURNEYS, workflow_runner=sandbox(), data_converter=DATA_CONVERTER
    )
    history = WorkflowHistory.from_json("stored", path.read_text())
    result = asyncio.run(replayer.replay_workflow(history, raise_on_replay_failure=False))
    assert result.replay_failure is None, (
        f"{path.stem} of {path.parent.name} no longer replays: {result.replay_failure}\nIf that"
        " version is released, journeys still run on it: see `workflow.patched` in CONTRIBUTING.md."
        f" If not, record it anew: python -m tests.histories.record {path.stem}"
    )


def test_every_story_of_the_version_in_work_is_recorded() -> None:
    try:
        into = folder()
    except Released:
        return  # nothing new to record: all that is stored stays
    assert {path.stem for path in into.glob("*.json")} == {story.__name__ for story in STORIES}


def a_tree(path: Path, changelog: str) -> Path:
    (path / "pyproject.toml").write_text('[project]\nversion = "1.4.0"\n')
    (path / "CHANGELOG.md").write_text(changelog)
    return path


@pytest.mark.parametrize("heading", ["## [1.4.0] - 2027-01-31", "## 1.4.0"])
def test_what_is_released_is_never_recorded_again(tmp_path: Path, heading: str) -> None:
    with pytest.raises(Released, match="raise the version"):
        folder(a_tree(tmp_path, f"# Changelog\n\n## Unreleased\n\n{heading}\n"))


def test_what_is_in_work_is_recorded_under_its_version(tmp_path: Path) -> None:
    tree = a_tree(
        tmp_path, "# Changelog\n\n## Unreleased\n\n## [1.4.0-rc] - 2027-01-30\n\n## 1.3.9\n"
    )
    assert folder(tree) == tmp_path / "tests" / "histories" / "1.4.0"
