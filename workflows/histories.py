"""What the history of a journey tells: its events in words, and the stages it went through."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

from workflows.search_attributes import STAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A stage that was entered, by wall time."""

    event_id: int
    at: datetime
    stage: str


def stages(events: Sequence[HistoryEvent]) -> Iterator[Entered]:
    """The stages of one run, in order, each once until another is entered."""
    last = ""
    for event in events:
        started = event.workflow_execution_started_event_attributes.search_attributes
        changed = event.upsert_workflow_search_attributes_event_attributes.search_attributes
        stage = _stage(changed) or _stage(started)
        if stage and stage != last:
            at = event.event_time.ToDatetime(tzinfo=UTC)
            yield Entered(event_id=event.event_id, at=at, stage=stage)
            last = stage


def stage_at(events: Sequence[HistoryEvent], event_id: int) -> str:
    """The stage in which an event happened; empty before the first."""
    found = [entered.stage for entered in stages(events) if entered.event_id <= event_id]
    return found[-1] if found else ""


def described(event: HistoryEvent) -> str:
    """An event of a history in a few words, such as `activity task scheduled: send`."""
    kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower().replace("_", " ")
    names = (
        event.activity_task_scheduled_event_attributes.activity_type.name,
        event.workflow_execution_signaled_event_attributes.signal_name,
        event.marker_recorded_event_attributes.marker_name,
    )
    name = next((name for name in names if name), "")
    return f"{kind}: {name}" if name else kind


async def check(handle: WorkflowHandle[Any, Any]) -> None:
    """Raises AssertionError for a journey whose code can't go on."""
    why = mistake((await handle.fetch_history()).events)
    if why:
        raise AssertionError(f"the code of {handle.id} can't go on: {why}")


def mistake(events: Sequence[HistoryEvent]) -> str:
    """Why the code of a journey can't go on, by the last workflow task that it failed; or empty."""
    for event in reversed(events):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return ""
        failed = event.workflow_task_failed_event_attributes
        if failed.cause == _BY_ITS_CODE:
            kind = failed.failure.application_failure_info.type
            return f"{kind}: {failed.failure.message}" if kind else failed.failure.message
    return ""


_BY_ITS_CODE = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE


def _stage(attributes: SearchAttributes) -> str:
    payload = attributes.indexed_fields.get(STAGE.name)
    value: object = json.loads(payload.data) if payload and payload.data else None
    return value if isinstance(value, str) else ""
