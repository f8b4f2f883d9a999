"""One journey over HTTP: where it stands, and what operators do about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import JourneysUnavailable, TactfulError
from tests.support.doors import JOURNEY, LATER, NOW, FakeStack, a_standing, door
from workflows.interventions import InterventionRefused
from workflows.life import Milestone
from workflows.orders import NEEDS, TAKES, Act, Intervention, Task

ORDER = {"author": "olivia", "because": "the customer called"}
VALUES = {"to": "Rita", "until": "2026-03-09T12:00:00+01:00", "choice": "yes"}


def body(act: Act, **more: Any) -> dict[str, Any]:
    """An order with what this act needs."""
    own = {TAKES[act]: VALUES[TAKES[act]]} if act in TAKES else {}
    return {**ORDER, **own, **more}


@pytest.mark.parametrize("act", list(Act))
async def test_every_act_reaches_its_journey_and_tells_where_that_stands(act: Act) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.post(f"/v1/journeys/{JOURNEY}/{act}", json=body(act))
    assert (reply.status_code, reply.json()) == (
        200,
        {
            "id": JOURNEY,
            "stage": "promised",
            "owner": "team-a",
            "waiting_for": "resolution",
            "due": "2026-03-04T12:00:00+00:00",
            "paused": None,
            "task": None,
            "words": ["2026-03-01 12:00 UTC: opened"],
        },
    )
    ((journey, order, key),) = stack.desk.orders
    assert (journey, order.act, order.signed, key) == (
        JOURNEY,
        act,
        "olivia (the customer called)",
        None,
    )
    assert order.until == (datetime(2026, 3, 9, 11, tzinfo=UTC) if act is Act.EXTEND else None)


async def test_the_same_request_has_one_key_and_another_has_another() -> None:
    stack = FakeStack()
    asked = [
        body(Act.REASSIGN, request_id="r1"),
        body(Act.REASSIGN, request_id="r1"),
        body(Act.REASSIGN, request_id="r2"),
        body(Act.REASSIGN, request_id="r1", to="Otto"),
    ]
    async with door(stack) as client:
        for each in asked:
            await client.post(f"/v1/journeys/{JOURNEY}/reassign", json=each)
        await client.post(f"/v1/journeys/{JOURNEY}/pause", json=body(Act.PAUSE, request_id="r1"))
    first, again, *others = [key for _, _, key in stack.desk.orders]
    assert first == again
    assert first is not None
    assert len({first, *others}) == 4


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InterventionRefused(f"{JOURNEY}: it is not paused"), 409, "intervention_refused"),
        (JourneysUnavailable("no worker runs it"), 503, "journeys_unavailable"),
    ],
)
async def test_what_a_journey_refuses_is_told_with_its_reason(
    error: TactfulError, status: int, code: str
) -> None:
    stack = FakeStack()
    stack.desk.failures[JOURNEY] = error
    async with door(stack) as client:
        reply = await client.post(f"/v1/journeys/{JOURNEY}/resume", json=ORDER)
    told = reply.json()
    assert (reply.status_code, told["code"], told["detail"]) == (status, code, str(error))
    assert reply.headers["content-type"] == "application/problem+json"


async def test_a_journey_that_is_not_there_is_a_404() -> None:
    async with door(FakeStack()) as client:
        replies = [
            await client.post("/v1/journeys/onboarding:c2/pause", json=ORDER),
            await client.get("/v1/journeys/onboarding:c2"),
        ]
    assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {
        (404, "unknown_journey")
    }


@pytest.mark.parametrize("act", sorted(NEEDS))
async def test_an_act_without_what_it_needs_is_refused(act: Act) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.post(f"/v1/journeys/{JOURNEY}/{act}", json=ORDER)
    assert (reply.status_code, reply.json()["code"]) == (422, "missing_field")
    assert TAKES[act] in reply.json()["detail"]
    assert stack.desk.orders == []


@pytest.mark.parametrize(
    ("act", "change", "code"),
    [
        ("pause", {"author": ""}, "invalid_field"),
        ("pause", {"because": " "}, "invalid_field"),
        ("pause", {"reason": "x"}, "unknown_field"),
        ("pause", {"to": "Rita"}, "invalid_field"),
        ("escalate", {"until": "2026-03-09T12:00:00Z"}, "invalid_field"),
        ("extend", {"until": "2026-03-09T12:00:00"}, "invalid_field"),
        ("note", {"choice": "yes"}, "invalid_field"),
        ("note", {"request_id": 7}, "invalid_field"),
    ],
)
async def test_an_order_that_makes_no_sense_reaches_nobody(
    act: str, change: dict[str, Any], code: str
) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.post(f"/v1/journeys/{JOURNEY}/{act}", json={**ORDER, **change})
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert next(iter(change)) in reply.json()["detail"]
    assert stack.desk.orders == []


async def test_who_and_why_are_always_said() -> None:
    async with door(FakeStack()) as client:
        for missing in ORDER:
            rest = {name: value for name, value in ORDER.items() if name != missing}
            reply = await client.post(f"/v1/journeys/{JOURNEY}/pause", json=rest)
            assert (reply.status_code, reply.json()["code"]) == (422, "missing_field")


async def test_there_is_no_other_act() -> None:
    async with door(FakeStack()) as client:
        reply = await client.post(f"/v1/journeys/{JOURNEY}/terminate", json=ORDER)
        asked = await client.get(f"/v1/journeys/{JOURNEY}/pause")
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_route")
    assert (asked.status_code, asked.json()["code"]) == (405, "method_not_allowed")


async def test_a_journey_is_shown_with_all_that_an_operator_looks_for() -> None:
    stack = FakeStack(names={"c1": "7590-VHVEG"})
    paused = Intervention(author="olivia", because="we look into it", act=Act.PAUSE)
    planned = Milestone(name="activated", owner="team-a", due=LATER, metric="first login")
    stack.desk.standing[JOURNEY] = a_standing(
        paused=paused.signed,
        task=Task(question="refund?", owner="Rita", choices=("yes", "no"), default="no"),
        milestones=(planned, replace(planned, name="welcomed", reached=NOW)),
        aside=("number.said: ValueError: half of what?",),
    )
    async with door(stack) as client:
        told = (await client.get(f"/v1/journeys/{JOURNEY}")).json()
    milestone = {
        "name": "activated",
        "owner": "team-a",
        "due": "2026-03-04T12:00:00+00:00",
        "reached": None,
        "metric": "first login",
    }
    reached = {**milestone, "name": "welcomed", "reached": "2026-03-01T12:00:00+00:00"}
    assert told == {
        "id": JOURNEY,
        "customer": "7590-VHVEG",
        "kind": "complaint",
        "status": "running",
        "attention": None,
        "stage": "promised",
        "owner": "team-a",
        "waiting_for": "resolution",
        "due": "2026-03-04T12:00:00+00:00",
        "paused": "olivia (we look into it)",
        "task": {"question": "refund?", "owner": "Rita", "choices": ["yes", "no"], "default": "no"},
        "words": ["2026-03-01 12:00 UTC: opened"],
        "milestones": [milestone, reached],
        "aside": ["number.said: ValueError: half of what?"],
        "temporal_ui": "http://ui/namespaces/default/workflows/complaint%3Ac1%3A4711/r-1",
    }
