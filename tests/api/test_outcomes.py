"""Outcomes over HTTP: idempotent, late ones welcome, unknown ones refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import UnknownDecision, UnknownTreatment
from engine.ledger.outcomes import Outcome
from tests.support.doors import DECISION_ID, NOW, FakeStack, door

PATH = f"/v1/decisions/{DECISION_ID}/outcomes"
CLICK = {"treatment": "upgrade-fiber.web.hero", "outcome": "click", "id": "o1"}


async def test_an_outcome_is_recorded() -> None:
    stack = FakeStack()
    async with door(stack) as client:
        body = {**CLICK, "at": "2026-02-01T10:00:00+01:00", "value": 12}
        reply = await client.post(PATH, json=body)
    assert (reply.status_code, reply.json()) == (202, {"accepted": 1, "duplicates": 0})
    assert stack.changes == [
        Outcome(
            decision_id=DECISION_ID,
            treatment="upgrade-fiber.web.hero",
            outcome="click",
            id="o1",
            at=datetime(2026, 2, 1, 9, tzinfo=UTC),
            value=12.0,
        )
    ]


async def test_an_answer_too_late_for_what_was_kept_names_what_is_gone() -> None:
    async with door(FakeStack(exhausted=("stock",))) as client:
        reply = await client.post(PATH, json={**CLICK, "outcome": "accept"})
    assert reply.status_code == 202
    assert reply.json() == {"accepted": 1, "duplicates": 0, "exhausted": ["stock"]}


async def test_an_outcome_without_a_time_happened_now() -> None:
    stack = FakeStack()
    async with door(stack) as client:
        await client.post(PATH, json=CLICK)
    assert stack.changes[0].at == NOW


async def test_an_outcome_of_the_future_happened_now() -> None:
    """Its contact would stay inside every window until that day."""
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.post(PATH, json={**CLICK, "at": "2999-01-01T00:00:00Z"})
    assert reply.status_code == 202
    assert stack.changes[0].at == NOW


async def test_the_business_may_name_outcomes_as_it_names_actions() -> None:
    async with door(FakeStack()) as client:
        reply = await client.post(PATH, json={**CLICK, "outcome": "asked-for-a-call"})
    assert reply.status_code == 202


async def test_a_repeated_outcome_is_accepted_as_a_duplicate() -> None:
    async with door(FakeStack(new_outcome=False)) as client:
        reply = await client.post(PATH, json=CLICK)
    assert (reply.status_code, reply.json()) == (202, {"accepted": 0, "duplicates": 1})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnknownDecision("there is no such decision"), 404),
        (UnknownTreatment("this decision offered x.web"), 422),
    ],
)
async def test_an_outcome_of_nothing_is_refused(
    error: UnknownDecision | UnknownTreatment, status: int
) -> None:
    async with door(FakeStack(error=error)) as client:
        reply = await client.post(PATH, json=CLICK)
    assert (reply.status_code, reply.json()["code"]) == (status, error.code)
    assert reply.json()["detail"] == str(error)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"treatment": None}, "treatment"),
        ({"outcome": "Clicked!"}, "outcome"),
        ({"outcome": ""}, "outcome"),
        ({"id": 5}, "id"),
        ({"id": ""}, "id"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-02-01T10:00:00"}, "at"),
        ({"at": 5}, "at"),
        ({"value": "12"}, "value"),
        ({"value": True}, "value"),
        ({"values": 12}, "did you mean value?"),
    ],
)
async def test_an_outcome_out_of_bounds_is_refused_by_name(
    change: dict[str, Any], field: str
) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.post(PATH, json={**CLICK, **change})
    assert reply.status_code == 422
    assert field in reply.json()["detail"]
    assert stack.changes == []
