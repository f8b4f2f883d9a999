"""Recreates Redis from the journal, Temporal and the offline features, and marks it reconciled."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from redis.exceptions import RedisError
from sqlalchemy import Connection, select
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from engine import contact
from engine.catalog import Bundle
from engine.errors import JourneysUnavailable, LiveStateUnavailable
from engine.ledger import Ledger, evidence, facts, keys, live, tables
from engine.ledger.arrivals import histories
from engine.ledger.clock import milliseconds
from engine.ledger.consents import latest_consents
from engine.ledger.memberships import all_circles, latest_memberships
from engine.ledger.script import unavailable
from engine.types import Contact, Event, Hold, JourneyState
from feature_store.online import Row, write_rows
from feature_store.push import HISTORY, changed_view, pushed
from workflows import search_attributes

BATCH = 500
RUNNING = 'ExecutionStatus = "Running"'
"""The next bundle may have longer windows than the one in force."""
_LEASE_MILLISECONDS = 5_000
_RENEW_SECONDS = 1.0

Progress = Callable[[str], None]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """How much was put back."""

    customers: int
    holds: int
    journeys: int
    features: int


async def reconciled(ledger: Ledger) -> bool:
    """Whether Redis is known to hold everything. Raises LiveStateUnavailable."""
    try:
        return bool(await cast(Awaitable[Any], ledger.redis.exists(keys.MARKER)))
    except (RedisError, OSError) as error:
        raise unavailable(error) from error


async def rebuild(
    ledger: Ledger, client: Client, bundle: Bundle, progress: Progress = lambda _: None
) -> Rebuilt:
    """Puts everything back and sets the marker; until then nothing commercial is offered.

    What arrives meanwhile is journalled before it is put in force, so it is either read here or
    written after. Raises LiveStateUnavailable when another process rebuilds already, or when Redis
    was wiped or restarted once more (call it again then), and JourneysUnavailable.
    """
    try:
        return await _rebuild(ledger, client, bundle, progress)
    except (RedisError, OSError) as error:
        raise unavailable(error) from error


async def _rebuild(ledger: Ledger, client: Client, bundle: Bundle, progress: Progress) -> Rebuilt:
    rebuild_id = secrets.token_hex(8)
    run_id = (await live.RUN_ID(ledger.redis, ())).decode()
    claimed = await cast(
        Awaitable[Any],
        ledger.redis.set(keys.REBUILDING, rebuild_id, nx=True, px=_LEASE_MILLISECONDS),
    )
    if not claimed:
        raise LiveStateUnavailable("another process is rebuilding")
    renewing = asyncio.create_task(_renew(ledger))
    try:
        await cast(Awaitable[Any], ledger.redis.delete(keys.MARKER))
        rebuilt = await _put_everything_back(ledger, client, bundle, rebuild_id, progress)
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
    names = [keys.MARKER, keys.REBUILDING]
    if await live.FINISH_REBUILD(ledger.redis, names, [run_id, rebuild_id]) != 1:
        raise LiveStateUnavailable("Redis was wiped or restarted during the rebuild")
    return rebuilt


async def _renew(ledger: Ledger) -> None:
    """Keeps the claim alive; never makes it again, because its absence tells of a wipe."""
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        with suppress(RedisError, OSError):
            await cast(Awaitable[Any], ledger.redis.pexpire(keys.REBUILDING, _LEASE_MILLISECONDS))


async def _put_everything_back(
    ledger: Ledger, client: Client, bundle: Bundle, rebuild_id: str, progress: Progress
) -> Rebuilt:
    progress("reading the running journeys")
    journeys = await running_journeys(client)
    customers = await _clear(ledger, {customer for customer, _, _ in journeys}, rebuild_id)
    journeys = await running_journeys(client)  # again: some may have begun before the clearing
    progress(f"putting back {len(customers)} customers")
    holds = await _put_back(ledger, customers, bundle)
    holds += await _put_back_journeys(ledger, journeys)
    await ledger.volumes.put_back()
    await evidence.count_again(ledger.journal, ledger.redis)
    progress("putting back features")
    from feature_store.offline import restore_online  # 40 MiB: only for who rebuilds

    features = await restore_online(ledger.site, ledger.redis)
    features += await _push_again(ledger, customers)
    return Rebuilt(customers=len(customers), holds=holds, journeys=len(journeys), features=features)


# -- what Temporal knows


async def running_journeys(client: Client) -> list[tuple[str, JourneyState, Hold | None]]:
    """The open journeys as (customer, state, hold), from listing and memo: none is woken."""
    found: list[tuple[str, JourneyState, Hold | None]] = []
    try:
        async for execution in client.list_workflows(RUNNING):
            customer = execution.typed_search_attributes.get(search_attributes.CUSTOMER)
            if customer is not None:
                found.append((customer, _journey_of(execution), await _hold_of(execution)))
    except (RPCError, RuntimeError) as error:
        raise JourneysUnavailable(f"Temporal can't list the running journeys: {error}") from error
    return found


def _journey_of(execution: WorkflowExecution) -> JourneyState:
    attributes = execution.typed_search_attributes
    return JourneyState(
        id=execution.id,
        kind=attributes.get(search_attributes.KIND) or execution.workflow_type,
        stage=attributes.get(search_attributes.STAGE) or "started",
        since=execution.start_time,
    )


async def _hold_of(execution: WorkflowExecution) -> Hold | None:
    memo = await execution.memo()
    if "hold" not in memo:
        return None
    return await execution.memo_value("hold", type_hint=Hold)


# -- what the journal knows


async def _clear(ledger: Ledger, also: set[str], rebuild_id: str) -> list[str]:
    """Removes all live state and names its customers: what is read afterwards is put back."""
    customers = sorted(also.union(await ledger.journal.read(_customers)))
    circles = sorted(await ledger.journal.read(all_circles))
    owned = [(keys.live(one), keys.contacts(one)) for one in (*customers, *circles)]
    owned += [(name,) for name in await ledger.volumes.names()]
    for batch in _batches(owned):
        names = [name for each in batch for name in each]
        if await live.CLEAR(ledger.redis, [keys.REBUILDING, *names], [rebuild_id]) != 1:
            raise LiveStateUnavailable("Redis was wiped, or another process rebuilds by now")
    return customers


def _customers(connection: Connection) -> set[str]:
    found: set[str] = set()
    for table in (
        *(tables.events, tables.consents, tables.holds, tables.memberships),
        *(tables.messages, tables.outcomes, tables.reservations),
    ):
        found.update(connection.execute(select(table.c.customer).distinct()).scalars())
    return found


async def _put_back(ledger: Ledger, customers: Sequence[str], bundle: Bundle) -> int:
    since = milliseconds(ledger.clock.now() - max(contact.horizon(bundle), contact.LONGEST_WINDOW))
    held = 0
    for batch in _batches(customers):
        holds = await ledger.journal.read(
            lambda connection, batch=batch: facts.open_holds(connection, batch)
        )
        consents = await ledger.journal.read(lambda c, batch=batch: latest_consents(c, batch))
        contacts = await ledger.journal.read(lambda c, batch=batch: _contacts(c, batch, since))
        members = await ledger.journal.read(lambda c, batch=batch: latest_memberships(c, batch))
        await ledger.enforce_again(holds)
        await ledger.enforce_consents(consents)
        await ledger.memberships.enforce(members)  # before the contacts: circles count them too
        await ledger.add_contacts(contacts)
        held += len(holds)
    return held


def _contacts(
    connection: Connection, customers: Sequence[str], since: int
) -> list[tuple[str, Contact]]:
    messages, outcomes = tables.messages, tables.outcomes
    sent = select(messages).where(
        messages.c.customer.in_(customers),
        messages.c.at > since,
        messages.c.state.in_(facts.COUNTED_STATES),
        messages.c.attempts > 0,  # none: every attempt was taken back before it could deliver
    )
    found = [
        (row.customer, one)
        for row in connection.execute(sent)
        for one in facts.contacts_of_message(row)
    ]
    seen = select(outcomes).where(outcomes.c.customer.in_(customers), outcomes.c.at > since)
    found.extend((row.customer, facts.contact_of_outcome(row)) for row in connection.execute(seen))
    return found


async def _put_back_journeys(
    ledger: Ledger, journeys: Sequence[tuple[str, JourneyState, Hold | None]]
) -> int:
    """The journeys, and any hold in a memo that the journal has neither open nor ended."""
    held = 0
    for customer, journey, hold in journeys:
        await ledger.put_journey(customer, journey, only_new=True)
        if hold is not None and not await ledger.journal.read(
            lambda connection, customer=customer, hold=hold: _known(connection, customer, hold)
        ):
            await ledger.place_hold(customer, hold)
            held += 1
    return held


def _known(connection: Connection, customer: str, hold: Hold) -> bool:
    query = select(tables.holds.c.id).filter_by(customer=customer, id=hold.id)
    return connection.execute(query).first() is not None


async def _push_again(ledger: Ledger, customers: Sequence[str]) -> int:
    """The pushed views, computed again from each customer's events."""
    since = milliseconds(ledger.clock.now() - HISTORY)
    written = 0
    for batch in _batches(customers):
        found = await ledger.journal.read(lambda c, batch=batch: histories(c, batch, since))
        rows = [row for events in found.values() for row in latest_pushed(events).values()]
        if rows:
            written += await write_rows(ledger.redis, rows)
    return written


def latest_pushed(events: Sequence[Event]) -> dict[str, Row]:
    """The latest row of each pushed view after these events, oldest first."""
    rows: dict[str, Row] = {}
    for number, event in reversed(list(enumerate(events))):
        view = changed_view(event.type)
        if view is not None and view not in rows:
            values = pushed(event, events[:number])[view]
            rows[view] = Row(customer=event.customer, view=view, values=values, at=event.at)
    return rows


def _batches(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
