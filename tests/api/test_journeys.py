"""The list of journeys: its question to Temporal, its pages, its links."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from api.app import create_door
from engine.errors import JourneysUnavailable
from engine.ledger.references import reference
from tests.support.builders import KEY
from tests.support.doors import LATER, NOW, FakeStack, a_run, door

RUN = "JourneyKind IS NOT NULL AND ExecutionStatus = 'Running'"


async def test_a_journey_is_shown_with_its_customer_by_name_and_a_link() -> None:
    async with door(FakeStack(runs=(a_run(),), names={"c1": "7590-VHVEG"})) as client:
        told = (await client.get("/v1/journeys")).json()
    assert told == {
        "journeys": [
            {
                "id": "complaint:c1:4711",
                "customer": "7590-VHVEG",
                "kind": "complaint",
                "stage": "promised",
                "owner": "team-a",
                "waiting_for": "resolution",
                "due": "2026-03-04T12:00:00+00:00",
                "attention": None,
                "status": "running",
                "temporal_ui": "http://ui/namespaces/default/workflows/complaint%3Ac1%3A4711/r-1",
            }
        ],
        "cursor": None,
        "temporal_ui": "http://ui/namespaces/default/workflows?query=JourneyKind%20IS%20NOT%20NULL",
    }


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ("", "JourneyKind IS NOT NULL"),
        ("kind=complaint&open=true", "JourneyKind = 'complaint' AND ExecutionStatus = 'Running'"),
        ("open=false", "JourneyKind IS NOT NULL AND ExecutionStatus != 'Running'"),
        (
            "kind=renewal&stage=offer&customer=a%40b.c",
            "JourneyKind = 'renewal' AND Stage = 'offer'"
            f" AND Customer = '{reference(KEY, 'a@b.c')}'",
        ),
        (
            "owner=Rita%20O'Neill&attention=set%20aside&kind=complaint",
            "JourneyKind = 'complaint' AND Owner = 'Rita O\\'Neill' AND Attention = 'set aside'",
        ),
        ("view=late", f"{RUN} AND Due < '2026-03-01T12:00:00Z'"),
        ("view=attention&open=true", f"{RUN} AND Attention IS NOT NULL"),
        (
            "view=stuck&days=3",
            f"{RUN} AND Moved < '2026-02-26T12:00:00Z'"
            " AND (Due IS NULL OR Due < '2026-03-01T12:00:00Z')",
        ),
    ],
)
async def test_filters_become_the_question_to_temporal(parameters: str, query: str) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        await client.get(f"/v1/journeys?{parameters}")
    assert stack.queries == [(query, 100, b"")]


async def test_the_cursor_of_one_page_leads_to_the_next() -> None:
    stack = FakeStack(following=b"\xffnext?")
    async with door(stack) as client:
        cursor = (await client.get("/v1/journeys?limit=1")).json()["cursor"]
        await client.get("/v1/journeys", params={"limit": 1, "cursor": cursor})
    assert stack.queries[1][1:] == (1, b"\xffnext?")


@pytest.mark.parametrize(
    "parameters",
    [
        "limit=0",
        "limit=1001",
        "limit=many",
        "open=perhaps",
        "kind=' OR 1=1",
        "stage=a'b",
        "cursor=%C3%A9",
        "cursor=abc",
        "customer=",
        "costumer=x",
        "view=old",
        "view=late&open=false",
        "attention=yes",
        "owner=",
        "owner=a%00b",
        "owner=the%20%22fixers%22",
        "owner=a%5Cb",
        "days=-1",
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(parameters: str) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.get(f"/v1/journeys?{parameters}")
    assert reply.status_code == 422
    assert reply.json()["code"] in ("invalid_field", "unknown_field")
    assert parameters.partition("=")[0] in reply.json()["detail"]
    assert stack.queries == []


@pytest.mark.parametrize("change", ["kind=renewal", "open=true", "customer=a"])
async def test_a_cursor_belongs_to_its_question(change: str) -> None:
    stack = FakeStack(following=b"token")
    async with door(stack) as client:
        cursor = (await client.get("/v1/journeys")).json()["cursor"]
        other = await client.get(f"/v1/journeys?cursor={cursor}&{change}")
    assert (other.status_code, other.json()["code"]) == (422, "invalid_field")
    assert len(stack.queries) == 1


async def test_a_cursor_that_was_tampered_with_is_refused() -> None:
    stack = FakeStack(following=b"token")
    async with door(stack) as client:
        cursor: str = (await client.get("/v1/journeys")).json()["cursor"]
        for wrong in (cursor[:-4] + "AAA=", cursor[4:], cursor + "AAAA", cursor.upper()):
            reply = await client.get("/v1/journeys", params={"cursor": wrong})
            assert reply.status_code == 422
    assert len(stack.queries) == 1


async def test_without_temporal_the_list_is_a_503() -> None:
    async with door(FakeStack(error=JourneysUnavailable("Temporal can't be reached."))) as client:
        reply = await client.get("/v1/journeys")
    assert (reply.status_code, reply.json()["code"]) == (503, "journeys_unavailable")


async def test_the_pages_of_a_view_belong_together_although_time_goes_on() -> None:
    stack, times = FakeStack(following=b"token"), iter((NOW, LATER))
    app = create_door(replace(stack.parts(), now=lambda: next(times)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tactful") as client:
        cursor = (await client.get("/v1/journeys?view=late")).json()["cursor"]
        reply = await client.get("/v1/journeys", params={"view": "late", "cursor": cursor})
    assert reply.status_code == 200
    assert [query.rpartition(" ")[2] for query, _, _ in stack.queries] == [
        "'2026-03-01T12:00:00Z'",
        "'2026-03-04T12:00:00Z'",
    ]
