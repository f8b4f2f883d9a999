"""Histories of earlier runs replay on the code as it is: running journeys survive an update."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from workflows.worker import JOURNEYS, sandbox

HISTORIES = sorted((Path(__file__).parents[1] / "histories").glob("**/*.json"))


def test_there_is_a_history_of_every_journey() -> None:
    kinds = {path.stem.partition("_")[0] for path in HISTORIES}
    assert kinds == {journey.__name__.lower() for journey in JOURNEYS}


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_stored_history_replays(path: Path) -> None:
    replayer = Replayer(
        workflows=JOURNEYS, workflow_runner=sandbox(), data_converter=pydantic_data_converter
    )
    history = WorkflowHistory.from_json("stored", path.read_text())
    asyncio.run(replayer.replay_workflow(history))
