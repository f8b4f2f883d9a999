"""How journeys start: their input, and Temporal's start that joins the one that runs already."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from engine.business_hours import BusinessHours, with_holidays_until
from engine.catalog import Bundle, HoldTerms
from engine.holds import COMMERCIAL, SALES
from engine.service_terms import Case, Promise, promised
from workflows import search_attributes, steps
from workflows.steps import Heard, Opening

COMPLAINT = "complaint"
INQUIRY = "inquiry"

ANSWERING = (INQUIRY,)
"""Journeys for which every promise of the bundle holds; for others, those that name their kind."""

URGENCY: Mapping[str, int] = {
    COMPLAINT: 1,
    "inquiry": 2,
    "callback": 2,
    "onboarding": 5,
    "pulse": 5,
    "renewal": 5,
}
"""Which journeys go first where many wait for a worker: 1 before 2, and so on. What people wait for
comes first, what is started for many at a time last.
"""
USUAL_URGENCY = 3

CAREFUL_TERMS = HoldTerms(
    name=COMPLAINT,
    purposes=(SALES,),
    tags=(COMMERCIAL,),
    cool_down=timedelta(days=7),
    maximum=timedelta(days=180),
)
"""For a bundle that says nothing about complaints: silence all the same."""


def terms_of(kind: str, bundle: Bundle) -> HoldTerms:
    """The terms of the holds of a kind of journey."""
    return bundle.holds.get(kind, CAREFUL_TERMS)


def priority_of(kind: str) -> Priority:
    """When a kind of journey, and all that it does, has its turn at the workers.

    Kinds of the same urgency take turns, however many journeys of one of them wait.
    """
    return Priority(priority_key=URGENCY.get(kind, USUAL_URGENCY), fairness_key=kind)


def hours_of(bundle: Bundle, year: int) -> dict[str, BusinessHours]:
    """The business hours of a bundle, with the holidays of this year and the next written out."""
    return {name: _fixed(hours, year) for name, hours in bundle.business_hours.items()}


def promises_of(kind: str, event: Heard, bundle: Bundle) -> tuple[Promise, ...]:
    """The service times that hold for a journey of this kind that begins with this event."""
    meant = [one for one in bundle.service_clocks if kind in ANSWERING or kind in one.labels]
    return promised(meant, Case(channel=event.text("channel"), labels=(kind,)))


@lru_cache(maxsize=256)
def _fixed(hours: BusinessHours, year: int) -> BusinessHours:
    since, until = datetime(year, 1, 2, tzinfo=UTC), datetime(year + 1, 12, 30, tzinfo=UTC)
    return with_holidays_until(hours, since, until)


async def start(
    client: Client,
    queue: str,
    opening: Opening,
    *,
    first: Heard,
    memo: Mapping[str, object],
    again: bool,
    patience: timedelta,
) -> None:
    """Start a journey, or join the one of its id that runs; either hears `first`.

    One that has ended starts once more if `again`. Raises RPCError, and WorkflowAlreadyStartedError
    for one that has ended and must not start again.
    """
    reuse = WorkflowIDReusePolicy
    attributes = (
        SearchAttributePair(search_attributes.KIND, opening.kind),
        SearchAttributePair(search_attributes.CUSTOMER, opening.customer),
        SearchAttributePair(search_attributes.STAGE, "started"),
        SearchAttributePair(search_attributes.MOVED, opening.event.at),
    )
    await client.start_workflow(
        opening.kind,
        opening,
        id=opening.journey,
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=reuse.ALLOW_DUPLICATE if again else reuse.REJECT_DUPLICATE,
        start_signal=steps.EVENT,
        start_signal_args=[first],
        memo={"customer": opening.customer, "kind": opening.kind, **memo},
        search_attributes=TypedSearchAttributes(list(attributes)),
        static_summary=opening.title,
        static_details=f"Opened by {opening.event.type} at {opening.event.at:%Y-%m-%d %H:%M} UTC.",
        priority=priority_of(opening.kind),
        rpc_timeout=patience,
    )
