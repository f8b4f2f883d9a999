"""Gathers the evidence of a month from journal, live state, decision log and Temporal."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionAsyncIterator
from temporalio.service import RPCError, RPCStatusCode

from api.running import at_running_stack
from api.settings import load_settings, site
from engine.ledger import Ledger, open_ledger, tables
from engine.ledger.archive import records
from engine.ledger.clock import Clock, from_milliseconds
from tests.support.evidence import (
    Decided,
    Delivery,
    JournalEvent,
    JournalHold,
    JournalMessage,
    Run,
    is_commercial,
)
from workflows.connection import connect
from workflows.search_attributes import ATTENTION, DUE, KIND, WAITING_FOR

JOURNEYS = f"{KIND.name} IS NOT NULL"
LOOK_SECONDS = 2.0
AT_ONCE = 16
HEARD_MORE = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
"""An event came in while the journey was about to end: it hears that first, as it should."""
RPC_PATIENCE = timedelta(minutes=1)
TROUBLE = re.compile(r"TMPRL1100|ondeterminism|Traceback|Failed activation")


@asynccontextmanager
async def opened(data_dir: Path) -> AsyncGenerator[tuple[Ledger, Client]]:
    """The ledger and the Temporal of the stack that runs on a data directory."""
    place = site(at_running_stack(load_settings({"data_dir": data_dir})))
    async with open_ledger(place) as ledger:
        yield ledger, await connect(place)


async def watch_come_to_rest(
    client: Client, now: Callable[[], datetime], seconds: float
) -> tuple[dict[str, str], dict[str, str]]:
    """The journeys that were seen waiting, for what and until when; those that never were, and how
    they stood last.
    """
    end, waiting = time.monotonic() + seconds, dict[str, str]()
    while True:
        restless: dict[str, str] = {}
        async for run in _listed(client, f"{JOURNEYS} AND ExecutionStatus = 'Running'"):
            if run.id in waiting:
                continue
            how, rests = _standing(run, now())
            (waiting if rests else restless)[run.id] = how
        if not restless or time.monotonic() > end:
            return waiting, restless
        await asyncio.sleep(LOOK_SECONDS)


def _standing(run: WorkflowExecution, now: datetime) -> tuple[str, bool]:
    attributes = run.typed_search_attributes
    what, due = attributes.get(WAITING_FOR), attributes.get(DUE)
    how = f"waits for {what or 'nothing'} until {due or 'somebody acts'}"
    return how, bool(what) and due is not None and due > now


def _listed(client: Client, query: str) -> WorkflowExecutionAsyncIterator:
    """With the patience that a busy server asks for."""
    return client.list_workflows(query, page_size=200, rpc_timeout=RPC_PATIENCE)


async def runs_of(client: Client) -> tuple[Run, ...]:
    """All runs of all journeys, with what went wrong in them."""
    listed = [run async for run in _listed(client, JOURNEYS)]
    limit = asyncio.Semaphore(AT_ONCE)

    async def read(run: WorkflowExecution) -> Run:
        async with limit:
            return await _run_of(client, run)

    return tuple(await asyncio.gather(*(read(run) for run in listed)))


async def _run_of(client: Client, run: WorkflowExecution) -> Run:
    attributes = run.typed_search_attributes
    assert run.status is not None
    return Run(
        journey=run.id,
        kind=attributes.get(KIND) or "",
        run_id=run.run_id,
        status=run.status.name.lower(),
        started=run.start_time,
        closed=run.close_time,
        attention=attributes.get(ATTENTION) or "",
        failures=tuple([failure async for failure in _failures(client, run)]),
    )


async def _failures(client: Client, run: WorkflowExecution) -> AsyncGenerator[str]:
    handle = client.get_workflow_handle(run.id, run_id=run.run_id)
    async for event in handle.fetch_history_events(rpc_timeout=RPC_PATIENCE):
        told = event.workflow_task_failed_event_attributes
        if (
            event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
            and told.cause != HEARD_MORE
        ):
            yield f"{WorkflowTaskFailedCause.Name(told.cause)} {told.failure.message}"


async def stuck_tasks(client: Client, journeys: Mapping[str, str]) -> dict[str, str]:
    """Of these open journeys, those whose workflow task was begun more than once just now."""
    found: dict[str, str] = {}
    for journey in journeys:
        try:
            described = await client.get_workflow_handle(journey).describe(rpc_timeout=RPC_PATIENCE)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            continue
        attempt = described.raw_description.pending_workflow_task.attempt
        if attempt > 1:
            found[journey] = f"has a workflow task in attempt {attempt}"
    return found


def events(connection: Connection) -> tuple[JournalEvent, ...]:
    """The accepted events."""
    rows = connection.execute(select(tables.events).order_by(tables.events.c.seq))
    return tuple(
        JournalEvent(
            seq=row.seq,
            id=row.id,
            type=row.type,
            customer=row.customer,
            at=from_milliseconds(row.at),
            state=row.state,
            case=str(orjson.loads(row.data).get("case") or ""),
            journeys=tuple(orjson.loads(row.journeys)),
        )
        for row in rows
    )


def messages(connection: Connection) -> tuple[JournalMessage, ...]:
    """The messages that the ledger knows."""
    return tuple(
        JournalMessage(
            message_id=row.message_id, journey=row.journey, step=row.step, state=row.state
        )
        for row in connection.execute(select(tables.messages))
    )


def kept_for_display(clock: Clock) -> Callable[[Connection], tuple[Delivery, ...]]:
    """What the inbox of the app has taken: it is a provider of its own."""

    def read(connection: Connection) -> tuple[Delivery, ...]:
        rows = connection.execute(select(tables.inbox))
        return tuple(
            delivery(orjson.loads(row.message), _wall(clock, row.at), row.customer) for row in rows
        )

    return read


def delivery(told: Mapping[str, Any], at: float, customer: str, status: int = 200) -> Delivery:
    """An attempt to deliver this message."""
    return Delivery(
        at=at,
        message_id=told["message_id"],
        journey=told["journey"],
        step=told["step"],
        customer=customer,
        action=told["action"],
        commercial=is_commercial(told),
        status=status,
    )


async def holds(ledger: Ledger) -> tuple[JournalHold, ...]:
    """The holds of the journal, and whether the live state has them: both at one moment."""
    customers = await ledger.journal.read(
        lambda connection: set(connection.execute(select(tables.holds.c.customer)).scalars())
    )
    return tuple([hold for one in sorted(customers) for hold in await _holds_of(ledger, one)])


async def _holds_of(ledger: Ledger, customer: str) -> tuple[JournalHold, ...]:
    query = select(tables.holds).where(tables.holds.c.customer == customer)

    def read(connection: Connection) -> list[Row[Any]]:
        return list(connection.execute(query))

    rows, live = await ledger.journal.read(read), {one.id for one in await ledger.holds(customer)}
    while (again := await ledger.journal.read(read)) != rows:  # one has begun or ended meanwhile
        rows, live = again, {one.id for one in await ledger.holds(customer)}
    return tuple(
        JournalHold(
            customer=row.customer,
            id=row.id,
            owner=row.owner,
            state=row.state,
            since=from_milliseconds(row.since),
            because=row.because,
            in_force=row.id in live,
            ended_at=None if row.ended_at is None else from_milliseconds(row.ended_at),
            ended_by=row.ended_by or "",
        )
        for row in rows
    )


def names(connection: Connection) -> dict[str, str]:
    """The references of customers by their external ids."""
    rows = connection.execute(select(tables.customers))
    return {row.external_id: row.customer for row in rows}


def decisions(archive: Path) -> tuple[Decided, ...]:
    """The log of decisions, as far as it is archived."""
    return tuple(map(_decided, records(archive)))


def _decided(record: bytes) -> Decided:
    told: dict[str, Any] = orjson.loads(record)
    request, placements = told["request"], told["decision"]["placements"]
    offers = [offer for placed in placements.values() for offer in placed]
    return Decided(
        id=request["decision_id"],
        customer=request["customer"],
        at=datetime.fromisoformat(request["now"]).astimezone(UTC),
        commercial=tuple(offer["action"] for offer in offers if is_commercial(offer)),
    )


def _wall(clock: Clock, milliseconds: int) -> float:
    """The wall time of a time of the stack."""
    return clock.anchor + (milliseconds / 1000 - clock.anchor) / clock.lapse


def trouble(logs: Path) -> Iterator[str]:
    """The lines of the workers' logs that no kill explains."""
    for log in sorted(logs.glob("worker*.log*")):
        for line in log.read_text(errors="replace").splitlines():
            if TROUBLE.search(line):
                yield f"{log.name}: {line[:300]}"
