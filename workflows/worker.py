"""The worker: runs the journeys and what they do. A composition root."""

from __future__ import annotations

import asyncio
import importlib
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from engine.catalog import Bundle
from engine.channels.call_list import CallList
from engine.channels.delivery import Adapter
from engine.channels.inbox import Inbox
from engine.channels.webhook import WebhookChannel
from engine.errors import StackError
from engine.ledger.sends import Sender
from engine.ledger.site import Site
from feature_store.online import OnlineReader
from workflows import deployments, search_attributes
from workflows.activities import JourneyActivities
from workflows.connection import connect
from workflows.journey import Journey
from workflows.parts import Parts, open_parts
from workflows.routing import KINDS
from workflows.trainer import keep_schedule, trainer

_log = logging.getLogger(__name__)

PASSED_THROUGH = (
    "engine",
    "workflows.board",
    "workflows.calls",
    "workflows.clock",
    "workflows.holding",
    "workflows.inbox",
    "workflows.journey",
    "workflows.lasting",
    "workflows.life",
    "workflows.offers",
    "workflows.operated",
    "workflows.orders",
    "workflows.payloads",
    "workflows.people",
    "workflows.search_attributes",
    "workflows.service_clocks",
    "workflows.speaking",
    "workflows.standing",
    "workflows.steps",
    "workflows.talk",
    "workflows.training",
    "workflows.triage",
    "workflows.waiting",
)
"""Pure modules that all runs share instead of importing them each for itself."""

CALL = "call"
"""A message on this channel is for a person who calls, although the channel itself is in-page."""

STICKY_TIMEOUT = timedelta(seconds=1)
"""How long the journeys of a killed worker wait for it, before another one takes them."""

GRACE = timedelta(seconds=10)
WORKFLOW_TASKS_MAXIMUM = 16
"""One process computes one at a time. The more are begun, the longer each takes, and what is urgent
shares the processor with all that was begun before it."""
ACTIVITIES_MAXIMUM = 50
CACHED_WORKFLOWS_MAXIMUM = 2_000

SWITCH_SECONDS = 0.0005
"""How long one thread of Python computes while another wants to. The journal's writer keeps other
processes from writing while it waits for journeys that compute; Python's own 5 ms are too long."""

Ways = Callable[[Parts], AbstractAsyncContextManager[Mapping[str, Adapter]]]
"""Opens the ways out for each channel."""


def journey_of(kind: str) -> type[Journey]:
    """The workflow of a kind of journey, from the module of its name: `order-delay` is in
    `workflows/order_delay.py`. Raises StackError where it is not.
    """
    module = importlib.import_module(f"workflows.{kind.replace('-', '_')}")
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, Journey) and found.kind() == kind:
            return found
    raise StackError(f"{module.__name__} has no journey that is named {kind!r} in its definition")


JOURNEYS = tuple(journey_of(kind) for kind in KINDS)


def hours_missing(bundle: Bundle, journeys: Sequence[type[Journey]] = JOURNEYS) -> list[str]:
    """The business hours that journeys go by and a bundle does not have, a line for each."""
    needed: dict[str, list[str]] = {}
    for journey in journeys:
        for name in journey.hours:
            needed.setdefault(name, []).append(journey.kind())
    there = ", ".join(sorted(bundle.business_hours)) or "none"
    return [
        f"business_hours: {name} is missing, by which {', '.join(kinds)} go: "
        f"without it somebody is always there (it has {there})"
        for name, kinds in sorted(needed.items())
        if name not in bundle.business_hours
    ]


async def run(
    site: Site,
    ready: Callable[[], None],
    *,
    journeys: Sequence[type] = JOURNEYS,
    adapters: Ways | None = None,
) -> None:
    """Works until SIGTERM or SIGINT, then ends gracefully. Raises JourneysUnavailable."""
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with open_parts(site) as parts, (adapters or open_adapters)(parts) as ways:
        client = await connect(site)
        await search_attributes.register(client)
        activities = JourneyActivities(
            decider=parts.decider,
            sender=Sender(parts.ledger, ways, parts.bundle, OnlineReader()),
            book=parts.ledger,
            client=client,
            bundle=parts.bundle,
        )
        for line in hours_missing(parts.bundle()):
            _log.error("%s", line)
        await keep_schedule(client, site)
        async with worker(client, site, activities, journeys), trainer(client, site, sandbox()):
            await deployments.join(client, site)
            ready()
            await stop.wait()


def worker(
    client: Client,
    site: Site,
    activities: JourneyActivities,
    journeys: Sequence[type] = JOURNEYS,
) -> Worker:
    """A worker of all journeys on the stack's task queue."""
    return Worker(
        client,
        task_queue=site.task_queue,
        workflows=journeys,
        activities=activities.all(),
        workflow_runner=sandbox(),
        deployment_config=deployments.config(site),
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        max_concurrent_workflow_tasks=WORKFLOW_TASKS_MAXIMUM,
        max_concurrent_activities=ACTIVITIES_MAXIMUM,
        max_concurrent_local_activities=ACTIVITIES_MAXIMUM,
        max_cached_workflows=CACHED_WORKFLOWS_MAXIMUM,
        graceful_shutdown_timeout=GRACE,
    )


def sandbox() -> SandboxedWorkflowRunner:
    """Where workflow code runs: without clock, dice and I/O of its own."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


@asynccontextmanager
async def open_adapters(parts: Parts) -> AsyncGenerator[Mapping[str, Adapter]]:
    """The way out for each channel: the webhook if there is one, else the inbox for display."""
    outbound = [name for name, channel in parts.bundle().channels.items() if not channel.in_page]
    inbox = Inbox(parts.ledger.journal)
    url = parts.site.webhook_url
    if not url:
        yield {**dict.fromkeys([*outbound, "inbox"], inbox), CALL: CallList()}
        return
    # settings let only allowed hosts pass, and one's own receiver may well be a private address
    webhook = WebhookChannel(url, parts.site.webhook_secret, allow_private=True)
    try:
        adapters: dict[str, Adapter] = dict.fromkeys([*outbound, CALL], webhook)
        yield adapters | {"inbox": inbox}
    finally:
        await webhook.aclose()
