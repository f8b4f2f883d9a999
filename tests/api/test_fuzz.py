"""Whatever is sent, the answer is never a 500, and a refusal changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from api.app import create_door
from tests.support.doors import DECISION_ID, JOURNEY, FakeStack, a_cloud_event, door

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=200)
DECISION: Mapping[str, Any] = {
    "customer": "a",
    "channel": "web",
    "placements": [{"name": "main", "limit": 1}],
    "context": {"page": "x"},
    "deadline_ms": 50,
    "explain": False,
    "dry_run": False,
    "request_id": "r",
}
OUTCOME = {
    "treatment": "t",
    "outcome": "click",
    "id": "1",
    "at": "2026-01-01T00:00:00Z",
    "value": 1,
}
HOLD = {"purposes": ["sales"], "tags": [], "because": "b", "author": "a", "until": None}
CONSENT = {"purpose": "sales", "channel": "web", "granted": True, "source": "s"}
ORDER = {"author": "a", "because": "b", "request_id": "r"}
EXTENSION = {**ORDER, "until": "2026-01-01T00:00:00Z"}
SWEEP = {**ORDER, "act": "pause", "kind": "complaint", "view": "late", "all": False}
EVENT = a_cloud_event(time="2026-01-01T00:00:00Z", datacontenttype="application/json")
JSON = "application/json"
CALLS: tuple[tuple[str, str, str, Mapping[str, Any]], ...] = (
    ("POST", "/v1/decisions", JSON, DECISION),
    ("POST", "/v1/decisions:batch", "application/x-ndjson", DECISION),
    ("POST", f"/v1/decisions/{DECISION_ID}/outcomes", JSON, OUTCOME),
    ("POST", "/v1/events", "application/cloudevents+json", EVENT),
    ("POST", "/v1/events", "application/cloudevents-batch+json", EVENT),
    ("POST", "/v1/customers/a/holds", JSON, HOLD),
    ("PUT", "/v1/customers/a/consents", JSON, CONSENT),
    ("POST", f"/v1/journeys/{JOURNEY}/extend", JSON, EXTENSION),
    ("POST", "/v1/journeys:intervene", JSON, SWEEP),
    ("PUT", "/v1/customers/a/memberships", JSON, {"account": "a", "household": None}),
)

STACK = FakeStack()
TRANSPORT = httpx.ASGITransport(create_door(STACK.parts()), raise_app_exceptions=False)


def as_json(value: Any) -> bytes:
    """JSON of anything, with what JSON does not have: NaN, halves of characters, huge numbers."""
    return json.dumps(value).encode()


@st.composite
def spoiled_calls(draw: st.DrawFn) -> tuple[str, str, str, bytes]:
    """A call whose body was good until a few of its members were replaced, dropped or added."""
    method, path, kind, good = draw(st.sampled_from(CALLS))
    body = dict(good)
    for name in draw(st.lists(st.sampled_from(sorted(good)), max_size=3)):
        body[name] = draw(ANYTHING)
    for name in draw(st.lists(st.sampled_from(sorted(good)), max_size=1)):
        body.pop(name, None)
    body.update(draw(st.dictionaries(st.text(max_size=8), ANYTHING, max_size=1)))
    return method, path, kind, as_json([body] if "batch+json" in kind else body)


async def call(method: str, path: str, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Make the call and check what must hold of every answer."""
    STACK.changes.clear()
    STACK.names.clear()
    STACK.desk.orders.clear()
    async with httpx.AsyncClient(transport=TRANSPORT, base_url="http://tactful") as client:
        sent = {"Content-Type": kind, **headers}
        reply = await client.request(method, path, content=body, headers=sent)
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        assert (STACK.changes, STACK.names, STACK.desk.orders) == ([], {}, [])
        problem = reply.json()
        assert problem["status"] == reply.status_code
        assert problem["code"]
        assert problem["detail"]


@settings(max_examples=250, deadline=None)
@given(spoiled_calls())
def test_a_spoiled_body_is_answered_in_order(spoiled: tuple[str, str, str, bytes]) -> None:
    asyncio.run(call(*spoiled, {}))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CALLS), ANYTHING.map(as_json) | BODIES, st.text(max_size=40))
def test_any_body_under_any_type_is_answered_in_order(
    target: tuple[str, str, str, Mapping[str, Any]], body: bytes, kind: str
) -> None:
    method, path, right, _ = target
    asyncio.run(call(method, path, right, body, {}))
    strange = kind.encode("ascii", "ignore").decode().replace("\r", "").replace("\n", "")
    asyncio.run(call(method, path, "".join(filter(str.isprintable, strange)), body, {}))


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time"]
        ),
        st.sampled_from(
            ["1.0", "x", "complaint.opened", "%", "%FF", "%00", "2026-01-01T00:00:00Z", ""]
        ),
    ),
    ANYTHING.map(as_json),
)
def test_any_headers_of_an_event_are_answered_in_order(
    headers: dict[str, str], body: bytes
) -> None:
    asyncio.run(call("POST", "/v1/events", JSON, body, headers))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["/v1/customers/", "/v1/decisions/", "/v1/journeys?", "/v1/journeys/", "/v1/"]),
    st.text(alphabet="abc%/?&=.0F2:;+'\"<> ", max_size=20),
)
def test_any_path_is_answered_in_order(start: str, rest: str) -> None:
    asyncio.run(call("GET", start + rest, JSON, b"", {}))


def test_a_good_body_of_each_call_is_accepted() -> None:
    async def all_calls() -> None:
        for method, path, kind, good in CALLS:
            async with door(FakeStack()) as client:
                body = orjson.dumps([good] if "batch+json" in kind else good)
                reply = await client.request(
                    method, path, content=body, headers={"Content-Type": kind}
                )
                assert reply.status_code < 300, (path, reply.text)

    asyncio.run(all_calls())
