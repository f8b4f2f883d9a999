"""Keeps what is in force in line with what is true: rebuild, relay, archive, holds, journeys."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from engine.errors import TactfulError
from engine.ledger import Ledger, facts, live
from engine.ledger.archive import archive_stream, compact
from engine.ledger.operators import OPERATOR
from engine.ledger.outcome_log import OutcomeLog
from engine.ledger.site import Site
from engine.types import Hold, HoldState
from feature_store.pushed_log import PushedLog
from workflows import search_attributes
from workflows.parts import Parts, open_parts
from workflows.rebuild import RUNNING, rebuild, reconciled

_log = logging.getLogger(__name__)

COMPARE_EVERY = timedelta(seconds=30)
RELAY_PATIENCE = timedelta(seconds=5)
"""Nobody waits for the relay. With the haste of the door, a Temporal that is busy rather than away
would never get what waits for it."""
_MARKER_SECONDS = 0.25
_RELAY_SECONDS = 0.5
_ARCHIVE_SECONDS = 2.0
_MERGE_SECONDS = 60.0
_PUSHED_SECONDS = 5.0
_SHORTEST_SECONDS = 2.0
_RPC_TIMEOUT = timedelta(seconds=5)
_LOST = frozenset(
    {
        WorkflowExecutionStatus.CANCELED,
        WorkflowExecutionStatus.FAILED,
        WorkflowExecutionStatus.TERMINATED,
        WorkflowExecutionStatus.TIMED_OUT,
    }
)


async def run(site: Site, ready: Callable[[], None]) -> None:
    """Runs all duties until cancelled. What fails is logged and tried again."""
    async with open_parts(site, RELAY_PATIENCE) as parts:
        holds = HoldCheck(parts.ledger, parts.client)
        outcomes, pushed = OutcomeLog(parts.ledger), PushedLog(parts.ledger)
        every = max(_SHORTEST_SECONDS, site.clock.wall_seconds(COMPARE_EVERY))
        async with asyncio.TaskGroup() as group:
            group.create_task(_repeat("rebuild", _MARKER_SECONDS, lambda: keep_reconciled(parts)))
            group.create_task(_repeat("relay", _RELAY_SECONDS, parts.acceptance.carry_on))
            group.create_task(
                _repeat("archive", _ARCHIVE_SECONDS, lambda: archive_stream(parts.ledger))
            )
            group.create_task(
                _repeat("merge archive", _MERGE_SECONDS, lambda: compact(parts.ledger))
            )
            group.create_task(_repeat("outcome log", _ARCHIVE_SECONDS, outcomes.copy))
            group.create_task(_repeat("pushed features", _PUSHED_SECONDS, pushed.copy))
            group.create_task(_repeat("merge pushed features", _MERGE_SECONDS, pushed.merge))
            group.create_task(_repeat("merge outcomes", _MERGE_SECONDS, outcomes.merge))
            group.create_task(_repeat("holds", every, holds.compare))
            group.create_task(_repeat("journeys", every, lambda: drop_closed(parts, every)))
            ready()


async def _repeat(duty: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    failing = ""
    while True:
        try:
            await work()
            if failing:
                _log.info("%s works again", duty)
            failing = ""
        except TactfulError as error:
            if str(error) != failing:
                _log.warning("%s: %s", duty, error)
            failing = str(error)
        except Exception:
            _log.exception("%s failed; it is tried again", duty)
        await asyncio.sleep(seconds)


async def keep_reconciled(parts: Parts) -> None:
    """Rebuilds Redis when the marker is missing."""
    if await reconciled(parts.ledger):
        return
    _log.warning("Redis is not reconciled: rebuilding; nothing commercial until it is through")
    started = time.monotonic()
    rebuilt = await rebuild(parts.ledger, parts.client, parts.bundle())
    _log.info("rebuilt in %.1f s: %s", time.monotonic() - started, rebuilt)


async def drop_closed(parts: Parts, seconds: float) -> None:
    """Takes journeys that were ended from outside, and could not do it, out of the snapshots."""
    since = time.time() - 10 * max(seconds, 60.0)
    query = f"CloseTime > '{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(since))}'"
    try:
        closed = [
            (execution.typed_search_attributes.get(search_attributes.CUSTOMER), execution.id)
            async for execution in parts.client.list_workflows(query)
        ]
    except (RPCError, RuntimeError):
        return  # Temporal is away: the next turn does it
    for customer, journey in closed:
        if customer is None or not await _shown(parts.ledger, customer, journey):
            continue
        if await _status(parts.client, journey) is not WorkflowExecutionStatus.RUNNING:
            await parts.ledger.drop_journey(customer, journey)


async def _shown(ledger: Ledger, customer: str, journey: str) -> bool:
    return any(one.id == journey for one in await ledger.journeys(customer))


class HoldCheck:
    """Compares holds with the workflows that own them.

    Only the owning workflow itself ends a hold: one that says it completed, twice and 30 seconds
    apart. A hold whose owner was terminated, failed or is not there is orphaned: still in force,
    for an operator to end, unless a later run of the owner places it again.
    """

    def __init__(self, ledger: Ledger, client: Client) -> None:
        self._ledger = ledger
        self._client = client
        self._closed_before: set[tuple[str, str, int]] = set()

    async def compare(self) -> None:
        """One comparison of all open holds. Raises LiveStateUnavailable and JournalUnavailable."""
        held = await self._ledger.open_holds()
        running = await self._running() if held else frozenset[str]()
        closed: set[tuple[str, str, int]] = set()
        standing: list[tuple[str, Hold]] = []
        for customer, hold in held:
            known = hold.owner in running
            stands = hold if known else await self._as_it_stands(customer, hold)
            if stands is None:
                closed.add((customer, hold.id, hold.seq))
            else:
                standing.append((customer, stands))
        for customer, hold in await self._ledger.enforce_again(standing):
            _log.warning("put %s of %s back in force: Redis had lost it", hold.id, customer)
        for customer, hold_id, seq in closed & self._closed_before:
            because = "its journey is over"
            await self._ledger.release_hold(customer, hold_id, seq, "reconciler", because)
            _log.info("released %s: %s", hold_id, because)
        self._closed_before = closed - self._closed_before

    async def _running(self) -> frozenset[str]:
        """The owners that a list calls running; the others are asked one by one."""
        try:
            listed = self._client.list_workflows(RUNNING)
            return frozenset([execution.id async for execution in listed])
        except (RPCError, RuntimeError):
            return frozenset()

    async def _as_it_stands(self, customer: str, hold: Hold) -> Hold | None:
        """The hold, orphaned where its owner was lost; None where its owner says it is over."""
        if hold.owner.startswith(OPERATOR):
            return hold
        try:
            status = await _status(self._client, hold.owner)
        except (RPCError, RuntimeError):
            return hold  # Temporal is away: nothing is known, nothing changes
        over = status is None or status is WorkflowExecutionStatus.COMPLETED or status in _LOST
        if not over or await self._on_its_way(hold):
            return hold
        if hold.state is HoldState.ORPHANED:
            return hold  # a later run of its name, which did not place it, does not end it either
        if status is WorkflowExecutionStatus.COMPLETED:
            return None
        await self._ledger.orphan_hold(customer, hold)
        _log.warning("%s is orphaned: %s was lost; an operator must end it", hold.id, hold.owner)
        return live.orphan(hold)

    async def _on_its_way(self, hold: Hold) -> bool:
        """Whether the event that placed the hold has not reached Temporal yet."""
        return await self._ledger.journal.read(
            lambda connection: facts.awaits_journey(connection, hold.seq)
        )


async def _status(client: Client, workflow: str) -> WorkflowExecutionStatus | None:
    try:
        description = await client.get_workflow_handle(workflow).describe(rpc_timeout=_RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return description.status
