"""The app as a whole: its OpenAPI document, health, readiness and metrics."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

from fastapi.routing import APIRoute

from api.app import create_app, decisions_of
from engine.timings import Timings
from tests.support.doors import FakeStack, door
from workflows.orders import Act

CONTRACT = {
    ("post", "/v1/decisions"),
    ("post", "/v1/decisions:batch"),
    ("get", "/v1/decisions/{decision_id}"),
    ("get", "/v1/decisions/{decision_id}/replay"),
    ("get", "/v1/customers/{customer}/why-not/{action}"),
    ("get", "/v1/customers/{customer}/silenced"),
    ("post", "/v1/decisions/{decision_id}/outcomes"),
    ("post", "/v1/events"),
    ("get", "/v1/customers/{customer}"),
    ("get", "/v1/customers/{customer}/inbox"),
    ("get", "/v1/customers/{customer}/timeline"),
    ("get", "/v1/customers/{customer}/status"),
    ("get", "/v1/customers/{customer}/status/page"),
    ("get", "/v1/holds"),
    ("put", "/v1/customers/{customer}/consents"),
    ("get", "/v1/customers/{customer}/memberships"),
    ("put", "/v1/customers/{customer}/memberships"),
    ("post", "/v1/customers/{customer}/holds"),
    ("delete", "/v1/customers/{customer}/holds/{hold}"),
    ("get", "/v1/journeys"),
    ("get", "/v1/journeys/{journey}"),
    *(("post", f"/v1/journeys/{{journey}}/{act}") for act in Act),
    ("post", "/v1/journeys:intervene"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}
WITH_BODY = {"/v1/decisions", "/v1/decisions:batch", "/v1/events"}


async def the_document() -> dict[str, Any]:
    """The OpenAPI document as a client gets it."""
    async with door(FakeStack()) as client:
        reply = await client.get("/openapi.json")
        assert (await client.get("/docs")).status_code == 200
    assert reply.status_code == 200
    document: dict[str, Any] = reply.json()
    return document


async def test_the_document_lists_every_route_of_the_contract() -> None:
    document = await the_document()
    listed = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert listed == CONTRACT


def test_the_app_has_no_route_that_the_document_hides() -> None:
    parts = FakeStack().parts()
    app = create_app(parts, decisions_of(parts))
    documented = {path for _, path in CONTRACT}
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes} <= documented


async def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = await the_document()
    schemas = document["components"]["schemas"]
    references = set(re.findall(r"'\$ref': '([^']+)'", str(document)))
    assert references
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in schemas


async def test_every_body_and_every_answer_is_described() -> None:
    document = await the_document()
    for method, path in CONTRACT - {("get", "/metrics"), ("get", "/healthz"), ("get", "/readyz")}:
        operation = document["paths"][path][method]
        assert operation.get("description"), path
        answers = cast("dict[str, Any]", operation["responses"])
        good = next(answers[status] for status in answers if status.startswith("2"))
        assert next(iter(good["content"].values()))["schema"]["$ref"], path
        assert "4XX" in answers, path
        assert ("requestBody" in operation) == (method in ("post", "put")), path


async def test_alive_is_alive_whatever_is_missing() -> None:
    async with door(FakeStack(required={"redis": says("gone")})) as client:
        reply = await client.get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "alive"})


def says(reason: str | None) -> Any:
    """A check that finds this."""

    async def check() -> str | None:
        return reason

    return check


async def test_ready_with_everything_there() -> None:
    stack = FakeStack(required={"redis": says(None)}, desired={"temporal": says(None)})
    async with door(stack) as client:
        reply = await client.get("/readyz")
    assert (reply.status_code, reply.json()) == (
        200,
        {"ready": True, "missing": [], "degraded": []},
    )


async def test_ready_but_degraded_without_temporal() -> None:
    async with door(FakeStack(desired={"temporal": says("away")})) as client:
        reply = await client.get("/readyz")
    assert (reply.status_code, reply.json()["degraded"]) == (200, ["temporal: away"])


async def test_not_ready_with_all_reasons_when_parts_are_missing() -> None:
    async def breaks() -> str | None:
        raise ConnectionError("refused")

    async def hangs() -> str | None:
        await asyncio.sleep(60)
        return None

    stack = FakeStack(required={"redis": says("gone"), "journal": breaks, "bundle": hangs})
    async with door(stack) as client:
        reply = await client.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["missing"] == [
        "redis: gone",
        "journal: ConnectionError: refused",
        "bundle: no answer within 1 s",
    ]


async def test_decisions_are_counted_by_level_and_channel() -> None:
    async with door(FakeStack()) as client:
        for channel in ("web", "web", "email", "made-up"):
            await client.post("/v1/decisions", json={"customer": "a", "channel": channel})
        reply = await client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert 'tactful_decisions_total{channel="web",level="full"} 2.0' in reply.text
    assert 'tactful_decisions_total{channel="email",level="full"} 1.0' in reply.text
    assert "tactful_decision_seconds_count 3.0" in reply.text
    assert 'tactful_requests_in_flight{kind="decision"} 0.0' in reply.text
    assert "made-up" not in reply.text


async def test_every_stage_of_a_decision_has_a_histogram() -> None:
    stack = FakeStack(timings=Timings(read=0.002, score=0.00005, decide=0.0002, commit=3.0))
    async with door(stack) as client:
        for _ in range(2):
            await client.post("/v1/decisions", json={"customer": "a", "channel": "web"})
        text = (await client.get("/metrics")).text
    assert "tactful_decision_seconds_count 2.0" in text
    for stage, seconds in (("read", 0.004), ("score", 0.0001), ("decide", 0.0004), ("commit", 6.0)):
        assert f'tactful_decision_stage_seconds_count{{stage="{stage}"}} 2.0' in text
        assert f'tactful_decision_stage_seconds_sum{{stage="{stage}"}} {seconds}' in text
    reached = {'le="0.001"': 0, 'le="0.0025"': 2, 'le="+Inf"': 2}
    for bound, count in reached.items():
        assert f'tactful_decision_stage_seconds_bucket{{{bound},stage="read"}} {count}.0' in text
    assert 'tactful_decision_stage_seconds_bucket{le="2.5",stage="commit"} 0.0' in text
