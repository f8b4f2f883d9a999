"""Events over HTTP: CloudEvents in three modes, checked whole before any of them counts."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from engine.errors import JournalUnavailable
from engine.ledger.references import reference
from tests.support.builders import KEY
from tests.support.doors import NOW, FakeStack, a_cloud_event, door
from workflows.acceptance import Accepted

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCHED = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
JSON = {"Content-Type": "application/json"}


async def sent(
    body: object, headers: dict[str, str] = STRUCTURED, stack: FakeStack | None = None
) -> tuple[int, dict[str, Any], FakeStack]:
    """The status and reply of one call, and the stack behind it."""
    stack = stack or FakeStack()
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    async with door(stack) as client:
        reply = await client.post("/v1/events", content=content, headers=headers)
    if 400 <= reply.status_code < 500:
        assert reply.headers["content-type"] == "application/problem+json"
        assert stack.changes == []
        assert stack.names == {}
    return reply.status_code, reply.json(), stack


async def test_a_structured_event_is_accepted() -> None:
    status, told, stack = await sent(a_cloud_event())
    assert status == 202
    assert told == {"accepted": 1, "duplicates": 0, "journeys": ["j"], "routing": "done"}
    [event] = stack.changes
    assert (event.source, event.id, event.type) == ("/crm", "e1", "complaint.opened")
    assert event.customer == reference(KEY, "7590-VHVEG")
    assert (event.data, event.at) == ({"case": "4711"}, NOW)
    assert stack.names[event.customer] == "7590-VHVEG"


async def test_a_binary_event_is_the_same_event() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "e1",
        "CE-Source": "/crm",
        "ce-type": "complaint.opened",
        "ce-subject": "J%C3%BCrgen%20%E2%82%AC",
        "ce-time": "2026-03-01T12:00:00+02:00",
        "ce-partitionkey": "x",
        **JSON,
    }
    status, _, stack = await sent({"case": "4711"}, headers)
    assert status == 202
    assert stack.names[stack.changes[0].customer] == "Jürgen €"
    assert stack.changes[0].data == {"case": "4711"}


async def test_a_binary_event_without_data_needs_no_body() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/s",
        "ce-type": "customer.joined",
    }
    status, _, stack = await sent(b"", {**headers, "ce-subject": "c"})
    assert (status, stack.changes[0].data) == (202, {})


async def test_a_batch_is_accepted_in_order() -> None:
    stack = FakeStack(accepted=Accepted(accepted=2, duplicates=1, journeys=(), pending=True))
    events = [a_cloud_event(id=str(n), subject=f"c{n % 2}") for n in range(3)]
    status, told, stack = await sent(events, BATCHED, stack)
    assert (status, told["duplicates"], told["routing"]) == (202, 1, "pending")
    assert [event.id for event in stack.changes] == ["0", "1", "2"]


async def test_an_empty_batch_is_a_batch() -> None:
    stack = FakeStack(accepted=Accepted(accepted=0, duplicates=0, journeys=(), pending=False))
    assert (await sent([], BATCHED, stack))[0] == 202


async def test_one_bad_event_refuses_its_whole_batch() -> None:
    events = [a_cloud_event(id="good"), a_cloud_event(id="bad", data={})]
    status, told, _ = await sent(events, BATCHED)
    assert (status, told["code"]) == (422, "invalid_event")
    assert told["detail"] == (
        'event 2 (id "bad"): data.case is missing; complaint.opened needs it.'
    )


async def test_an_event_that_cannot_be_kept_is_a_503() -> None:
    status, told, _ = await sent(a_cloud_event(), stack=FakeStack(error=JournalUnavailable("full")))
    assert (status, told["code"]) == (503, "journal_unavailable")


async def test_unknown_types_and_extensions_are_taken_as_they_are() -> None:
    event = a_cloud_event(type="weather.changed", data={"wind": {"ms": 4}}, traceparent="00-1")
    status, _, stack = await sent(event)
    assert (status, stack.changes[0].data) == (202, {"wind": {"ms": 4}})


async def test_known_types_may_carry_more_than_they_need() -> None:
    status, _, stack = await sent(a_cloud_event(data={"case": "1", "agent": "Ann"}))
    assert (status, stack.changes[0].data["agent"]) == (202, "Ann")


async def test_data_in_base_64_is_read_as_json() -> None:
    encoded = base64.b64encode(b'{"case": "4711"}').decode()
    status, _, stack = await sent(a_cloud_event(data=None, data_base64=encoded))
    assert (status, stack.changes[0].data) == (202, {"case": "4711"})


@pytest.mark.parametrize("attribute", ["id", "source", "type", "subject", "specversion"])
async def test_an_event_without_what_it_needs_is_refused_by_name(attribute: str) -> None:
    status, told, _ = await sent(a_cloud_event(**{attribute: None}))
    assert (status, told["code"]) == (422, "invalid_event")
    assert attribute in told["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "0.3"},
        {"specversion": 1.0},
        {"id": ""},
        {"id": " "},
        {"id": 5},
        {"id": "x" * 257},
        {"source": "x" * 513},
        {"type": "x" * 129},
        {"subject": "x" * 257},
        {"subject": {"type": "email"}},
        {"time": "2026-03-01 12:00"},
        {"time": "2026-03-01T12:00:00"},
        {"time": "2026-02-30T12:00:00Z"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"time": 5},
        {"datacontenttype": "text/plain"},
        {"datacontenttype": 5},
        {"data": "text"},
        {"data": [1]},
        {"data": {"case": "1", "deep": [[[[[[[[[[1]]]]]]]]]]}},
        {"data_base64": "e30="},
        {"data": None, "data_base64": "%%%"},
        {"data": None, "data_base64": 5},
        {"data": None, "data_base64": "é"},
        {"extension": {"nested": 1}},
    ],
)
async def test_an_event_that_breaks_the_format_is_refused(change: dict[str, Any]) -> None:
    event = {**a_cloud_event(), **change}
    status, told, _ = await sent(event)
    assert (status, told["code"]) == (422, "invalid_event"), told


async def test_data_in_base_64_that_is_not_json_is_malformed() -> None:
    status, told, _ = await sent(a_cloud_event(data=None, data_base64="AAAA"))
    assert (status, told["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("name", ["Subject", "sub_ject", "x-y", "x" * 65, ""])
async def test_a_name_that_no_attribute_may_have_is_an_unknown_field(name: str) -> None:
    status, told, _ = await sent({**a_cloud_event(), name: "x"})
    assert (status, told["code"]) == (422, "unknown_field")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("complaint.opened", {"case": 4711}),
        ("complaint.opened", {"case": ""}),
        ("complaint.resolved", {}),
        ("complaint.reopened", {"case": None}),
        ("contract.renewal_due", {}),
        ("contract.renewal_due", {"due": "soon"}),
        ("contract.renewal_due", {"due": "2026-02-30"}),
        ("contract.renewal_due", {"due": "2026-02-01T10:00:00"}),
        ("contract.renewal_due", {"due": 20260201}),
        ("contract.renewal_due", {"due": "9999-12-31"}),
        ("contract.renewal_due", {"due": "0001-01-01T00:00:00Z"}),
        ("message.received", {"channel": "email"}),
        ("agent.replied", {}),
        ("milestone.reached", {"name": 1}),
        ("feedback.given", {"score": "5"}),
        ("feedback.given", {"score": True}),
        ("order.delayed", {"order": "o"}),
        ("order.delayed", {"order": "o", "hours": -1}),
        ("payment.failed", {}),
        ("purchase.made", {"product": "p", "amount": "10"}),
        ("page.viewed", {}),
        ("consent.changed", {"purpose": "sales", "channel": "web"}),
        ("consent.changed", {"purpose": "sales", "channel": "web", "granted": 1}),
    ],
)
async def test_a_known_type_without_its_data_is_refused(kind: str, data: dict[str, Any]) -> None:
    status, told, _ = await sent(a_cloud_event(type=kind, data=data))
    assert (status, told["code"]) == (422, "invalid_event"), told
    assert kind in told["detail"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("customer.joined", None),
        ("complaint.opened", {"case": "1", "text": "It broke", "severity": "high"}),
        ("complaint.resolved", {"case": "1"}),
        ("complaint.reopened", {"case": "1"}),
        ("contract.renewal_due", {"due": "2026-05-01"}),
        ("contract.renewal_due", {"due": "2026-05-01T00:00:00+02:00"}),
        ("message.received", {"channel": "email", "text": ""}),
        ("agent.replied", {"channel": "call"}),
        ("milestone.reached", {"name": "activated"}),
        ("feedback.given", {}),
        ("feedback.given", {"score": 4, "text": "fine"}),
        ("order.delayed", {"order": "o", "hours": 4.5}),
        ("payment.failed", {"invoice": "i"}),
        ("purchase.made", {"product": "p", "amount": 10}),
        ("page.viewed", {"page": "billing"}),
        ("consent.changed", {"purpose": "sales", "channel": "email", "granted": False}),
    ],
)
async def test_every_type_of_the_contract_is_accepted(
    kind: str, data: dict[str, Any] | None
) -> None:
    assert (await sent(a_cloud_event(type=kind, data=data)))[0] == 202


@pytest.mark.parametrize(
    ("change", "code"),
    [({"purpose": "spam"}, "unknown_purpose"), ({"channel": "fax"}, "unknown_channel")],
)
async def test_a_consent_for_what_there_is_not_is_refused(
    change: dict[str, str], code: str
) -> None:
    data = {"purpose": "sales", "channel": "web", "granted": True, **change}
    status, told, _ = await sent(a_cloud_event(type="consent.changed", data=data))
    assert (status, told["code"]) == (422, code)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
async def test_an_event_in_no_mode_at_all_is_refused_with_all_three(kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    status, told, _ = await sent(a_cloud_event(), headers)
    assert (status, told["code"]) == (415, "unsupported_media_type")
    assert "application/cloudevents-batch+json" in told["detail"]


async def test_binary_data_of_another_type_is_refused() -> None:
    headers = {"ce-specversion": "1.0", "Content-Type": "text/plain"}
    assert (await sent(b"hello", headers))[0] == 415


async def test_a_header_that_is_not_text_is_refused() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "%FF", **JSON}
    status, told, _ = await sent({}, headers)
    assert (status, told["code"]) == (422, "invalid_event")


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"5", b'"x"'])
async def test_a_body_that_is_no_event_is_refused(body: bytes) -> None:
    assert (await sent(body))[0] in (400, 422)
    assert (await sent(body.replace(b"[]", b"[1]"), BATCHED))[0] in (400, 422)


async def test_a_batch_of_too_many_events_is_refused() -> None:
    status, told, _ = await sent([a_cloud_event(data=None)] * 1001, BATCHED)
    assert (status, told["code"]) == (422, "invalid_event")


async def test_events_are_counted_without_names_that_callers_made_up() -> None:
    stack = FakeStack()
    async with door(stack) as client:
        for kind in ("complaint.opened", "made.up.1", "made.up.2"):
            body = orjson.dumps(a_cloud_event(type=kind))
            await client.post("/v1/events", content=body, headers=STRUCTURED)
        metrics = (await client.get("/metrics")).text
    assert 'tactful_events_total{result="accepted",type="complaint.opened"} 1.0' in metrics
    assert 'tactful_events_total{result="accepted",type="other"} 2.0' in metrics
    assert "made.up" not in metrics
