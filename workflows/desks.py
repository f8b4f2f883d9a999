"""Who could take a case: how much each team has on its desk, and who has the complaint.

Temporal knows it from the owners that journeys show; what it can't tell now is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from engine.types import JourneyState
from workflows.complaint import DESK
from workflows.search_attributes import OWNER
from workflows.starting import COMPLAINT

Count = Callable[[Client, str], Awaitable[int]]
"""How many running journeys a team owns. Raises RPCError."""

PATIENCE = timedelta(seconds=2)
SETTLED = ("resolved", "resolved before it was opened", "cooling down", "closed", "cancelled")
"""The stages of a complaint whose customer waits for nothing."""


async def owned_by(client: Client, team: str) -> int:
    """As Temporal counts them."""
    query = f"{OWNER.name} = '{team}' AND ExecutionStatus = 'Running'"
    return (await client.count_workflows(query, rpc_timeout=PATIENCE)).count


async def busy(client: Client, teams: Sequence[str], count: Count = owned_by) -> dict[str, int]:
    """How many running journeys each team owns, without the teams of which that is not known."""
    found = await asyncio.gather(*(_counted(client, team, count) for team in teams))
    return {team: number for team, number in zip(teams, found, strict=True) if number is not None}


async def complaint_owner(client: Client, running: Sequence[JourneyState]) -> str:
    """Who owns the customer's open complaint, its desk if nobody can say; empty without one."""
    open_ones = [one for one in running if one.kind == COMPLAINT and one.stage not in SETTLED]
    if not open_ones:
        return ""
    handle = client.get_workflow_handle(max(open_ones, key=lambda one: (one.since, one.id)).id)
    try:
        found = await handle.describe(rpc_timeout=PATIENCE)
    except RPCError:
        return DESK
    return found.typed_search_attributes.get(OWNER) or DESK


async def _counted(client: Client, team: str, count: Count) -> int | None:
    try:
        return await count(client, team)
    except RPCError:
        return None
