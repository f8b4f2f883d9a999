"""The worker: runs the journeys' code. A composition root."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from engine.errors import JourneysUnavailable
from engine.ledger.site import Site
from workflows.activities import JourneyActivities
from workflows.complaint import Complaint

JOURNEYS = (Complaint,)

PASSED_THROUGH = (
    "engine",
    "workflows.board",
    "workflows.calls",
    "workflows.clock",
    "workflows.inbox",
    "workflows.search_attributes",
    "workflows.steps",
)
"""Pure modules that every run may share instead of importing them again."""

STICKY_TIMEOUT = timedelta(seconds=1)
"""After a worker was killed, its journeys answer again this much later (10 s is Temporal's default)."""

GRACE = timedelta(seconds=10)
WORKFLOW_TASKS_MAXIMUM = 50
ACTIVITIES_MAXIMUM = 50
CACHED_WORKFLOWS_MAXIMUM = 2_000


async def connect(site: Site, *, lazy: bool = False) -> Client:
    """A client of the stack's Temporal. Raises JourneysUnavailable; a lazy one connects at its first call."""
    try:
        return await Client.connect(
            site.temporal_address,
            namespace=site.temporal_namespace,
            data_converter=pydantic_data_converter,
            lazy=lazy,
        )
    except RuntimeError as error:
        raise JourneysUnavailable(
            f"Temporal does not answer at {site.temporal_address}: {error}"
        ) from error


def worker(client: Client, site: Site, activities: JourneyActivities) -> Worker:
    """A worker of all journeys on the stack's task queue."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return Worker(
        client,
        task_queue=site.task_queue,
        workflows=JOURNEYS,
        activities=activities.all(),
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        max_concurrent_workflow_tasks=WORKFLOW_TASKS_MAXIMUM,
        max_concurrent_activities=ACTIVITIES_MAXIMUM,
        max_concurrent_local_activities=ACTIVITIES_MAXIMUM,
        max_cached_workflows=CACHED_WORKFLOWS_MAXIMUM,
        graceful_shutdown_timeout=GRACE,
    )
