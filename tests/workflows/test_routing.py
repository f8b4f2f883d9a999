"""Which event goes to which journey, what it carries along, and Temporal being away."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from api.ports import free_port
from engine.catalog import JourneyTerms
from engine.errors import InvalidEvent, JourneysUnavailable
from engine.ledger.clock import Clock
from engine.ledger.site import Site
from engine.types import Event, JourneyState
from workflows.connection import connect
from workflows.fakes import a_bundle
from workflows.parts import TemporalJourneys
from workflows.reconciler import RELAY_PATIENCE
from workflows.routing import (
    CAREFUL_TERMS,
    DOOR_PATIENCE,
    PASSED_ON,
    TABLE,
    Route,
    allowed,
    concerns,
    hand_over,
    heard,
    hold_for,
    opening,
    routes,
)

CUSTOMER = "c" + "a" * 26
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_event(event_type: str, **data: object) -> Event:
    return Event(
        source="shop", id="1", type=event_type, customer=CUSTOMER, at=AT, data=data, seq=17
    )


def a_site(address: str = "127.0.0.1:7233") -> Site:
    return Site(
        data_dir=Path(os.devnull),
        key=b"k" * 32,
        clock=Clock(anchor=5.0, lapse=60.0),
        temporal_address=address,
    )


def running(kind: str, journey_id: str) -> JourneyState:
    return JourneyState(id=journey_id, kind=kind, stage="open", since=AT)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (an_event("customer.joined"), ("onboarding", f"onboarding:{CUSTOMER}", True)),
        (an_event("customer.joined"), ("pulse", f"pulse:{CUSTOMER}", True)),
        (an_event("feedback.given", score=3), ("feedback", f"feedback:{CUSTOMER}", True)),
        (
            an_event("page.viewed", page="checkout"),
            ("purchase-help", f"purchase-help:{CUSTOMER}", True),
        ),
        (
            an_event("complaint.opened", case="4711"),
            ("complaint", f"complaint:{CUSTOMER}:4711", True),
        ),
        (
            an_event("complaint.resolved", case="4711"),
            ("complaint", f"complaint:{CUSTOMER}:4711", True),
        ),
        (
            an_event("contract.renewal_due", due="2026-05-01T00:00:00Z"),
            ("renewal", f"renewal:{CUSTOMER}:2026-05-01", True),
        ),
    ],
)
def test_an_event_opens_its_journey(event: Event, expected: tuple[str, str, bool]) -> None:
    kind, journey_id, starts = expected
    assert Route(kind=kind, journey_id=journey_id, starts=starts) in routes(event)


def test_an_event_for_several_journeys_feeds_the_open_ones_only() -> None:
    open_ones = (
        running("renewal", "renewal:1"),
        running("renewal", "renewal:2"),
        running("complaint", "complaint:3"),
    )
    found = routes(an_event("purchase.made", product="renewal"), open_ones)
    assert [route.journey_id for route in found if route.kind == "renewal"] == [
        "renewal:1",
        "renewal:2",
    ]
    assert not any(route.starts for route in found)


def test_a_journey_that_the_bundle_does_not_let_start_is_not_opened() -> None:
    due = an_event("contract.renewal_due", due="2026-05-01")
    terms = JourneyTerms(kind="renewal", not_while=("onboarding",), starts_maximum=1)
    bundle = replace(a_bundle(), journeys={"renewal": terms})
    (route,) = routes(due)
    onboarding = running("onboarding", f"onboarding:{CUSTOMER}")
    assert allowed(due, bundle) == (route,)
    assert allowed(due, bundle, [onboarding]) == ()
    assert allowed(due, bundle, starts={"renewal": [AT - timedelta(days=29)]}) == ()
    assert allowed(due, bundle, starts={"renewal": [AT - timedelta(days=30)]}) == (route,)


def test_a_journey_that_runs_is_reached_whatever_may_start_and_a_complaint_always_starts() -> None:
    due = an_event("contract.renewal_due", due="2026-05-01")
    opened = an_event("complaint.opened", case="4711")
    never = {k: JourneyTerms(kind=k, starts_maximum=0) for k in ("renewal", "complaint")}
    bundle = replace(a_bundle(), journeys=never)
    assert allowed(due, bundle) == ()
    assert allowed(due, bundle, [running("renewal", routes(due)[0].journey_id)]) == routes(due)
    assert allowed(opened, bundle) == routes(opened)


def test_an_event_that_no_journey_wants_goes_nowhere() -> None:
    event = an_event("page.viewed", page="billing")
    assert routes(event) == ()
    assert not concerns(event)
    assert concerns(an_event("page.viewed", page="checkout"))


@pytest.mark.parametrize("data", [{}, {"due": ""}, {"due": "soon"}, {"due": "2026-13-45"}])
def test_a_renewal_without_a_date_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(InvalidEvent, match=r"data\.due as a date"):
        routes(an_event("contract.renewal_due", **data))


def test_a_complaint_without_a_case_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r"data\.case"):
        routes(an_event("complaint.opened"))


@pytest.mark.parametrize("case", ["a/b", "ä", "x" * 65, "jane@example.com", "4711 ", "a:b"])
def test_odd_cases_never_get_into_ids(case: str) -> None:
    event = an_event("complaint.opened", case=case)
    (route,) = routes(event)
    hold = hold_for(event, a_bundle())
    assert hold is not None
    assert case not in route.journey_id
    assert case not in hold.id
    assert case not in str(heard(event))
    assert hold.owner == route.journey_id


def test_only_a_complaint_that_is_opened_or_reopened_holds() -> None:
    for event_type in ("complaint.opened", "complaint.reopened"):
        hold = hold_for(an_event(event_type, case="1"), a_bundle())
        assert hold is not None
        assert (hold.id, hold.seq, hold.purposes) == ("complaint:1", 17, ("sales",))
        assert hold.until == AT + timedelta(days=90)
    assert hold_for(an_event("complaint.resolved", case="1"), a_bundle()) is None
    assert hold_for(an_event("customer.joined"), a_bundle()) is None


def test_a_bundle_without_terms_for_complaints_silences_all_the_same() -> None:
    hold = hold_for(an_event("complaint.opened", case="1"), a_bundle(holds=()))
    assert hold is not None
    assert (hold.purposes, hold.tags) == (CAREFUL_TERMS.purposes, CAREFUL_TERMS.tags)


def test_journeys_hear_nothing_but_what_the_table_names() -> None:
    event = an_event("complaint.opened", case="1", severity="high", text="secret", name="Jane")
    assert dict(heard(event).data) == {"case": "1", "severity": "high"}
    long = heard(an_event("milestone.reached", name="x" * 1000))
    assert len(long.text("name")) == 64
    assert "text" not in {name for names in PASSED_ON.values() for name in names}
    assert {event_type for event_type, _, _ in TABLE} - set(PASSED_ON) == {"customer.joined"}


def test_the_same_source_and_id_have_the_same_key() -> None:
    one, other = an_event("customer.joined"), an_event("complaint.opened", case="1")
    assert heard(one).key == heard(other).key
    assert heard(one).key != heard(replace(one, source="web")).key


def test_an_opening_carries_the_clock_and_the_terms() -> None:
    event = an_event("complaint.opened", case="1")
    (route,) = routes(event)
    begun = opening(a_site(), event, a_bundle(), route)
    assert (begun.clock.anchor, begun.clock.lapse) == (5.0, 60.0)
    assert begun.terms is not None
    assert begun.terms.cool_down == timedelta(days=3)


async def test_with_temporal_away_it_says_so_quickly() -> None:
    site = a_site(f"127.0.0.1:{free_port()}")
    client = await connect(site, lazy=True)
    started = time.monotonic()
    with pytest.raises(JourneysUnavailable):
        await hand_over(client, site, an_event("customer.joined"), a_bundle())
    assert time.monotonic() - started < 5.0


class BusyTemporal(Client):
    """A Temporal that takes two seconds for each call, by no clock: the impatient never get in."""

    def __init__(self) -> None:
        self.started: list[str] = []

    async def start_workflow(self, *_: Any, id: str, rpc_timeout: timedelta, **__: Any) -> Any:
        if rpc_timeout < timedelta(seconds=2):
            raise RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"")
        self.started.append(id)


async def test_what_a_busy_temporal_does_not_take_at_the_door_the_relay_gets_in() -> None:
    client, event = BusyTemporal(), an_event("complaint.opened", case="1")
    door = TemporalJourneys(client, a_site(), a_bundle, DOOR_PATIENCE)
    relay = TemporalJourneys(client, a_site(), a_bundle, RELAY_PATIENCE)
    with pytest.raises(JourneysUnavailable):
        await door.hand_over(event, (), {})
    assert await relay.hand_over(event, (), {}) == tuple(client.started)
    assert client.started == [f"complaint:{CUSTOMER}:1"]


async def test_connecting_to_nothing_names_the_address() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(JourneysUnavailable, match=address):
        await connect(a_site(address))
