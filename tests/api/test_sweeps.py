"""One intervention in many journeys over HTTP: counted, done once each, told line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from api.journeys import JourneyRun
from api.sweeps import AT_ONCE
from engine.errors import JourneysUnavailable
from engine.ledger.references import reference
from tests.support.builders import KEY
from tests.support.doors import FakeDesk, FakeStack, a_run, a_standing, door
from workflows.interventions import InterventionRefused
from workflows.life import Progress
from workflows.orders import Act, Intervention

ORDER = {"act": "pause", "author": "olivia", "because": "the depot burns"}
PATH = "/v1/journeys:intervene"


def journeys(count: int) -> list[str]:
    """The ids of so many journeys."""
    return [f"onboarding:c{number}" for number in range(count)]


def a_stack(count: int) -> FakeStack:
    """A stack in which so many journeys run, all of which answer."""
    stack = FakeStack(runs=[a_run(journey) for journey in journeys(count)])
    stack.desk.standing = {journey: a_standing() for journey in journeys(count)}
    return stack


async def swept(stack: FakeStack, **asked: Any) -> tuple[list[Any], Any]:
    """The lines of the journeys in the order of their ids, and the counts."""
    async with door(stack) as client:
        reply = await client.post(PATH, json={**ORDER, **asked})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/x-ndjson"
    *lines, last = map(orjson.loads, reply.content.splitlines())
    return sorted(lines, key=lambda line: line["id"]), last["counts"]


async def test_each_journey_has_a_line_and_the_last_line_counts() -> None:
    stack = a_stack(3)
    stack.desk.failures["onboarding:c1"] = InterventionRefused("it is paused already")
    lines, counts = await swept(stack, kind="onboarding", request_id="r")
    assert lines == [
        {"id": "onboarding:c0", "done": True, "stage": "promised"},
        {
            "id": "onboarding:c1",
            "done": False,
            "code": "intervention_refused",
            "because": "it is paused already",
        },
        {"id": "onboarding:c2", "done": True, "stage": "promised"},
    ]
    assert counts == {"journeys": 3, "done": 2, "refused": 1}
    assert {order.act for _, order, _ in stack.desk.orders} == {Act.PAUSE}
    (key,) = {key for _, _, key in stack.desk.orders}
    assert key is not None


async def test_only_running_journeys_are_looked_for() -> None:
    stack = a_stack(0)
    asked = {"customer": "a@b.c", "kind": "complaint", "stage": "open", "attention": "paused"}
    await swept(stack, **asked, owner="Rita")
    await swept(stack, view="late")
    await swept(stack, all=True)
    assert [query for query, _, _ in stack.queries] == [
        "JourneyKind = 'complaint' AND Stage = 'open'"
        f" AND Customer = '{reference(KEY, 'a@b.c')}' AND Owner = 'Rita'"
        " AND Attention = 'paused' AND ExecutionStatus = 'Running'",
        "JourneyKind IS NOT NULL AND ExecutionStatus = 'Running' AND Due < '2026-03-01T12:00:00Z'",
        "JourneyKind IS NOT NULL AND ExecutionStatus = 'Running'",
    ]


@dataclass(slots=True)
class Paged(FakeStack):
    """Lists two journeys a page; the first of each page was on the one before it, too."""

    async def page(
        self, query: str, limit: int, token: bytes
    ) -> tuple[Sequence[JourneyRun], bytes]:
        start = int(token or b"0")
        following = str(start + 1).encode() if start + 2 < len(self.runs) else b""
        return self.runs[start : start + 2], following


async def test_all_pages_are_read_and_nobody_is_met_twice() -> None:
    stack = Paged(runs=[a_run(journey) for journey in journeys(5)])
    stack.desk.standing = {journey: a_standing() for journey in journeys(5)}
    _, counts = await swept(stack, all=True)
    assert counts == {"journeys": 5, "done": 5, "refused": 0}
    assert sorted(journey for journey, _, _ in stack.desk.orders) == journeys(5)


async def test_a_dry_run_only_counts() -> None:
    stack = a_stack(4)
    assert await swept(stack, kind="onboarding", dry_run=True) == (
        [],
        {"journeys": 4, "done": 0, "refused": 0},
    )
    assert stack.desk.orders == []


@dataclass(slots=True)
class Crowded(FakeDesk):
    """Counts how many interventions are under way at the same time."""

    now: int = 0
    most: int = 0

    async def intervene(self, journey: str, order: Intervention, key: str | None) -> Progress:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return self._found(journey)


async def test_many_are_spoken_to_at_the_same_time_but_not_all() -> None:
    stack = a_stack(5 * AT_ONCE)
    stack.desk = Crowded(standing=stack.desk.standing)
    _, counts = await swept(stack, all=True)
    assert counts["done"] == 5 * AT_ONCE
    assert stack.desk.most == AT_ONCE


async def test_where_nobody_answers_not_everybody_is_waited_for() -> None:
    stack = a_stack(10 * AT_ONCE)
    stack.desk.failures = {
        journey: JourneysUnavailable("no worker runs it") for journey in journeys(10 * AT_ONCE)
    }
    lines, counts = await swept(stack, all=True)
    assert counts == {"journeys": 10 * AT_ONCE, "done": 0, "refused": 10 * AT_ONCE}
    tried = [line for line in lines if line["because"] == "no worker runs it"]
    assert AT_ONCE <= len(tried) < 3 * AT_ONCE
    assert all("not tried" in line["because"] for line in lines if line not in tried)


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({}, "invalid_field", "all: true"),
        ({"all": True, "kind": "complaint"}, "invalid_field", "kind"),
        ({"act": "terminate", "all": True}, "invalid_field", "act"),
        ({"act": "extend", "all": True}, "missing_field", "until"),
        ({"to": "Rita", "all": True}, "invalid_field", "to"),
        ({"view": "old"}, "invalid_field", "view"),
        ({"kind": "' OR 1=1"}, "invalid_field", "kind"),
        ({"attention": "bored"}, "invalid_field", "attention"),
        ({"journeys": ["a"]}, "unknown_field", "journeys"),
    ],
)
async def test_what_might_be_meant_for_others_is_refused(
    change: dict[str, Any], code: str, named: str
) -> None:
    stack = a_stack(2)
    async with door(stack) as client:
        reply = await client.post(PATH, json={**ORDER, **change})
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert named in reply.json()["detail"]
    assert (stack.desk.orders, stack.queries) == ([], [])


async def test_without_temporal_it_is_a_503_before_anything_is_done() -> None:
    stack = a_stack(2)
    stack.error = JourneysUnavailable("Temporal can't be reached.")
    async with door(stack) as client:
        reply = await client.post(PATH, json={**ORDER, "all": True})
    assert (reply.status_code, reply.json()["code"]) == (503, "journeys_unavailable")
    assert stack.desk.orders == []
