"""Which event starts or feeds which journey: one table, and the hand-over to Temporal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from engine.catalog import Bundle
from engine.errors import JourneysUnavailable
from engine.journeys import stopped
from engine.ledger.site import Site
from engine.types import Event, Hold, JourneyState, Scalar
from workflows.clock import JourneyClock
from workflows.connection import tell
from workflows.life import journey_id, key_of
from workflows.naming import NAMES, TEXT_MAXIMUM, case_of, name_of, safe_name
from workflows.starting import (
    CAREFUL_TERMS,
    COMPLAINT,
    INQUIRY,
    hours_of,
    promises_of,
    start,
    terms_of,
)
from workflows.steps import Heard, Opening

__all__ = ["CAREFUL_TERMS", "COMPLAINT", "terms_of"]

_log = logging.getLogger(__name__)

NO_STARTS: Mapping[str, Sequence[datetime]] = {}
ONBOARDING = "onboarding"
RENEWAL = "renewal"
CALLBACK = "callback"
FEEDBACK = "feedback"
PULSE = "pulse"
PURCHASE_HELP = "purchase-help"
ORDER_DELAY = "order-delay"
FAILED_PAYMENT = "failed-payment"

STARTS = True
FEEDS = False

TABLE: tuple[tuple[str, str, bool], ...] = (
    # event                  journey     opens it, or only feeds an open one
    ("customer.joined", ONBOARDING, STARTS),
    ("milestone.reached", ONBOARDING, FEEDS),
    ("complaint.opened", COMPLAINT, STARTS),
    ("complaint.reopened", COMPLAINT, STARTS),
    ("complaint.resolved", COMPLAINT, STARTS),  # may overtake its opening, and then waits for it
    ("contract.renewal_due", RENEWAL, STARTS),
    ("milestone.reached", RENEWAL, FEEDS),
    ("purchase.made", RENEWAL, FEEDS),
    ("feedback.given", FEEDBACK, STARTS),
    ("agent.replied", FEEDBACK, FEEDS),
    ("customer.joined", PULSE, STARTS),
    ("milestone.reached", PULSE, FEEDS),
    ("feedback.given", PULSE, FEEDS),
    ("page.viewed", PURCHASE_HELP, STARTS),  # only the pages below
    ("purchase.made", PURCHASE_HELP, FEEDS),
    ("message.received", INQUIRY, STARTS),
    ("agent.replied", INQUIRY, FEEDS),
    ("feedback.given", INQUIRY, FEEDS),
    ("order.delayed", ORDER_DELAY, STARTS),
    ("milestone.reached", ORDER_DELAY, FEEDS),
    ("payment.failed", FAILED_PAYMENT, STARTS),
    ("milestone.reached", FAILED_PAYMENT, FEEDS),
    ("purchase.made", FAILED_PAYMENT, FEEDS),
    ("message.received", FAILED_PAYMENT, FEEDS),
)

ONLY_IF: Mapping[tuple[str, str], tuple[str, frozenset[str]]] = {
    ("page.viewed", PURCHASE_HELP): ("page", frozenset({"checkout", "cart", "basket"})),
}
"""Where an event concerns a journey only with one of these values in its data."""

KINDS: Mapping[str, str] = {
    ONBOARDING: "",
    COMPLAINT: "case",
    RENEWAL: "due",
    CALLBACK: "",  # other journeys start it, and name it
    FEEDBACK: "",
    PULSE: "",
    PURCHASE_HELP: "",
    INQUIRY: "",
    ORDER_DELAY: "order",
    FAILED_PAYMENT: "invoice",
}
"""Every kind of journey, in `workflows/<kind>.py`, and which of an event's data tells the journeys
of one customer apart: "" where a customer has one at a time. The worker runs what is here.
"""

PASSED_ON = {
    "complaint.opened": ("case", "severity"),
    "complaint.reopened": ("case", "severity"),
    "complaint.resolved": ("case",),
    "contract.renewal_due": ("due",),
    "milestone.reached": ("name", "order", "invoice"),
    "purchase.made": ("product", "amount", "invoice"),
    "feedback.given": ("score",),
    "page.viewed": ("page",),
    "message.received": ("channel", "topic", "language"),
    "agent.replied": ("channel", "by", "resolved"),
    "order.delayed": ("order", "hours"),
    "payment.failed": ("invoice",),
}
"""The data that journeys may see; anything else, free text above all, stays in the journal."""

DOOR_PATIENCE = timedelta(milliseconds=500)
"""How long a caller who waits for an answer waits for each call to Temporal."""
TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A journey that an event goes to. `starts`: it begins with this event unless it runs."""

    kind: str
    journey_id: str
    starts: bool


def routes(event: Event, journeys: Sequence[JourneyState] = ()) -> tuple[Route, ...]:
    """The journeys that an event goes to, given the customer's running ones.

    Raises InvalidEvent when the event lacks what names its journey.
    """
    found: dict[str, Route] = {}
    for event_type, kind, starts in TABLE:
        if event_type == event.type and _concerns(event, kind):
            for journey_id in _journey_ids(kind, starts, event, journeys):
                found[journey_id] = Route(kind=kind, journey_id=journey_id, starts=starts)
    return tuple(found.values())


def concerns(event: Event) -> bool:
    """Whether any journey may want this event."""
    return any(name == event.type and _concerns(event, kind) for name, kind, _ in TABLE)


def allowed(
    event: Event,
    bundle: Bundle,
    running: Sequence[JourneyState] = (),
    starts: Mapping[str, Sequence[datetime]] = NO_STARTS,
) -> tuple[Route, ...]:
    """The routes of an event, without the journeys that the bundle does not let start now.

    A journey that runs is always reached, and a complaint always starts.
    """
    known = {journey.id for journey in running}
    found: list[Route] = []
    for route in routes(event, running):
        why = None
        if route.starts and route.kind != COMPLAINT and route.journey_id not in known:
            began = starts.get(route.kind, ())
            why = stopped(route.kind, running, began, bundle, event.at)
        if why is None:
            found.append(route)
        else:
            _log.info("%s of %s opens no journey: %s", event.type, event.customer, why)
    return tuple(found)


def hold_for(event: Event, bundle: Bundle) -> Hold | None:
    """The hold that an event implies: a complaint, opened or reopened, silences all selling."""
    if event.type not in ("complaint.opened", "complaint.reopened"):
        return None
    case = case_of(event)
    terms = terms_of(COMPLAINT, bundle)
    return Hold(
        id=f"complaint:{case}",
        purposes=terms.purposes,
        tags=terms.tags,
        since=event.at,
        because=f"complaint {case} is open",
        owner=f"complaint:{event.customer}:{case}",
        seq=event.seq,
        until=event.at + terms.maximum,
    )


async def hand_over(
    client: Client,
    site: Site,
    event: Event,
    bundle: Bundle,
    journeys: Sequence[JourneyState] = (),
    starts: Mapping[str, Sequence[datetime]] = NO_STARTS,
    patience: timedelta = DOOR_PATIENCE,
) -> tuple[str, ...]:
    """Bring an event to its journeys; answers the ids of those reached. Repeating it is safe.

    `patience` is for each call, and three times as much for all of them.
    Raises JourneysUnavailable when Temporal can't be reached in time, and InvalidEvent for an event
    that lacks what names its journey.
    """
    wanted = allowed(event, bundle, journeys, starts)
    try:
        async with asyncio.timeout(TRIES * patience.total_seconds()):
            reached = await asyncio.gather(
                *(_deliver(client, site, event, bundle, route, patience) for route in wanted)
            )
    except (RPCError, RuntimeError, TimeoutError) as error:
        raise JourneysUnavailable(
            f"Temporal at {site.temporal_address} took no event: {error}"
        ) from error
    return tuple(route.journey_id for route, done in zip(wanted, reached, strict=True) if done)


def heard(event: Event) -> Heard:
    """An event as journeys hear it: without anything personal."""
    allowed = PASSED_ON.get(event.type, ())
    data = {name: _plain(event.data[name]) for name in allowed if name in event.data}
    data |= {name: safe_name(str(event.data[name])) for name in NAMES if data.get(name)}
    key = key_of(event.source, event.id)
    return Heard(key=key, type=event.type, at=event.at, seq=event.seq, data=data)


def opening(site: Site, event: Event, bundle: Bundle, route: Route) -> Opening:
    """The input of a journey that this event opens."""
    return new_opening(
        kind=route.kind,
        customer=event.customer,
        name=name_of(event, KINDS.get(route.kind, "")),
        clock=JourneyClock(anchor=site.clock.anchor, lapse=site.clock.lapse),
        event=heard(event),
        bundle=bundle,
    )


def new_opening(
    *, kind: str, customer: str, name: str, clock: JourneyClock, event: Heard, bundle: Bundle
) -> Opening:
    """The input of a journey that begins now."""
    return Opening(
        customer=customer,
        kind=kind,
        journey=journey_id(kind, customer, name),
        clock=clock,
        event=event,
        terms=terms_of(kind, bundle) if kind == COMPLAINT else None,
        name=name,
        openers=tuple(one for one, opened, starts in TABLE if opened == kind and starts),
        business_hours=hours_of(bundle, event.at.year),
        promises=promises_of(kind, event, bundle),
    )


def first_state(event: Event, route: Route) -> JourneyState:
    """Where a journey stands before any worker has looked at it."""
    return JourneyState(id=route.journey_id, kind=route.kind, stage="started", since=event.at)


def _concerns(event: Event, kind: str) -> bool:
    name, values = ONLY_IF.get((event.type, kind), ("", frozenset[str]()))
    return not name or str(event.data.get(name)) in values


def _journey_ids(
    kind: str, starts: bool, event: Event, journeys: Sequence[JourneyState]
) -> tuple[str, ...]:
    key = KINDS.get(kind, "")
    if starts or not key or key in event.data:
        return (journey_id(kind, event.customer, name_of(event, key)),)
    return tuple(journey.id for journey in journeys if journey.kind == kind)


async def _deliver(
    client: Client, site: Site, event: Event, bundle: Bundle, route: Route, patience: timedelta
) -> bool:
    if not route.starts:
        return await tell(client, route.journey_id, heard(event), patience)
    hold, begun = hold_for(event, bundle), opening(site, event, bundle, route)
    memo = {"hold": hold} if hold else {}
    await start(
        client,
        site.task_queue,
        begun,
        first=begun.event,
        memo=memo,
        again=True,
        patience=patience,
    )
    return True


def _plain(value: object) -> Scalar:
    if isinstance(value, bool | int | float):
        return value
    return str(value)[:TEXT_MAXIMUM]
