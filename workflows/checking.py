"""Whether the journeys that run would go on with this code: their histories, replayed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, WorkflowReplayResult
from temporalio.workflow import NondeterminismError

from engine.errors import JourneysUnavailable
from workflows.histories import described, stage_at
from workflows.search_attributes import KIND, STAGE
from workflows.worker import JOURNEYS, sandbox

RUNNING = f"{KIND.name} IS NOT NULL AND ExecutionStatus = 'Running'"
LISTED_MAXIMUM = 10_000
PAGE = 1_000
WHY_MAXIMUM = 200

KEEP_ORDER = (
    "take the old steps in their old order where workflow.patched(…) says no, or deploy it as a new"
    " build: what runs stays on the old one until it continues as new"
)
KEEP_SHAPE = "give new fields a default and keep those that were there, or deploy it as a new build"
KEEP_KIND = "keep this journey in the code until all of its kind have ended"

_UNKNOWN_KIND = re.compile(r"not registered|is not a registered|no workflow", re.IGNORECASE)
_MESSAGE = re.compile(r'message: "((?:[^"\\\\]|\\\\.)+)"')
_EVENT = re.compile(r"HistoryEvent\(id: (\d+)|event_id: (\d+)|[Ee]vent id (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A journey that this code could not go on with: where in its history, why, what to do."""

    journey: str
    run_id: str
    kind: str
    stage: str
    where: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found; `running` counts all that run, `replayed` those that were looked at."""

    running: int
    replayed: int
    broken: tuple[Broken, ...]


async def check(
    client: Client,
    *,
    limit: int,
    progress: Callable[[int, int], None],
    journeys: Sequence[type] = JOURNEYS,
) -> Checked:
    """Replay the histories of running journeys, of each kind and stage in turn, up to `limit`.

    Raises JourneysUnavailable.
    """
    try:
        running = (await client.count_workflows(RUNNING)).count
        chosen = _in_turn([run async for run in _running(client)])[:limit]
        broken, replayed = await _replayed(client, chosen, journeys, progress)
    except RPCError as error:
        raise JourneysUnavailable(f"Temporal did not show its journeys: {error.message}") from error
    return Checked(running=running, replayed=replayed, broken=tuple(broken))


async def _running(client: Client) -> AsyncIterator[WorkflowExecution]:
    count = 0
    async for run in client.list_workflows(RUNNING, page_size=PAGE):
        yield run
        count += 1
        if count == LISTED_MAXIMUM:
            return


def _in_turn(runs: Sequence[WorkflowExecution]) -> list[WorkflowExecution]:
    """One of each kind and stage first, then a second of each, and so on."""
    seen: dict[tuple[str, str], int] = {}
    turns: list[tuple[int, WorkflowExecution]] = []
    for run in runs:
        group = (kind_of(run), stage_of(run))
        turns.append((seen.setdefault(group, 0), run))
        seen[group] += 1
    return [run for _, run in sorted(turns, key=lambda turn: turn[0])]


def kind_of(run: WorkflowExecution) -> str:
    """The kind of a journey, as it shows it."""
    return run.typed_search_attributes.get(KIND) or run.workflow_type


def stage_of(run: WorkflowExecution) -> str:
    """The stage of a journey, as it shows it."""
    return run.typed_search_attributes.get(STAGE) or ""


async def _replayed(
    client: Client,
    runs: Sequence[WorkflowExecution],
    journeys: Sequence[type],
    progress: Callable[[int, int], None],
) -> tuple[list[Broken], int]:
    replayer = Replayer(
        workflows=journeys,
        workflow_runner=sandbox(),
        data_converter=client.data_converter,
        runtime=Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter="off"))),
    )
    by_run = {run.run_id: run for run in runs}
    broken: list[Broken] = []
    count = 0
    async with replayer.workflow_replay_iterator(_histories(client, runs)) as results:
        async for result in results:
            count += 1
            progress(count, len(runs))
            if result.replay_failure:
                broken.append(_broken(by_run[result.history.run_id], result))
    return broken, count


async def _histories(
    client: Client, runs: Sequence[WorkflowExecution]
) -> AsyncIterator[WorkflowHistory]:
    for run in runs:
        try:
            yield await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        except RPCError as error:  # it may have ended and be gone by now
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise


def _broken(run: WorkflowExecution, result: WorkflowReplayResult) -> Broken:
    failure = result.replay_failure
    told = _innermost(" ".join(str(failure).split()))
    where = _where(told, result.history)
    if _UNKNOWN_KIND.search(told):
        remedy, where = KEEP_KIND, "its first event"
    else:
        remedy = KEEP_ORDER if isinstance(failure, NondeterminismError) else KEEP_SHAPE
    return Broken(
        journey=run.id,
        run_id=run.run_id,
        kind=kind_of(run),
        stage=stage_of(run),
        where=where,
        why=told[:WHY_MAXIMUM],
        remedy=remedy,
    )


def _innermost(told: str) -> str:
    """The message of the first cause; what is around it are layers of the client."""
    found = _MESSAGE.search(told)
    return found.group(1).removeprefix("[TMPRL1100] ") if found else told


def _where(told: str, history: WorkflowHistory) -> str:
    """The place in the history where the code and what happened part."""
    found = _EVENT.search(told)
    if found is None:
        return f"its history of {len(history.events)} events can't be read"
    number = int(next(group for group in found.groups() if group))
    stage = stage_at(history.events, number)
    words = next((described(one) for one in history.events if one.event_id == number), "")
    place = f"event {number} of {len(history.events)}, {words}"
    return f"{place}, in stage {stage!r}" if stage else place
