"""Customers over HTTP: all that is known, consents, holds of operators, the inbox."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from engine.errors import HoldOwnedByJourney, UnknownHold
from engine.ledger.references import reference
from engine.types import Contact, ContactKind, JourneyState, Snapshot
from tests.support.builders import KEY
from tests.support.doors import LATER, NOW, FakeStack, a_hold, door

ALICE = "/v1/customers/alice"
CONSENT = {"purpose": "sales", "channel": "email", "granted": False, "source": "call centre"}
HOLD = {"purposes": ["sales"], "tags": ["commercial"], "because": "lawyer", "author": "ann"}


def a_snapshot() -> Snapshot:
    """A customer of whom everything is known."""
    contact = Contact(
        id="m1",
        kind=ContactKind.DISPATCH,
        at=round(NOW.timestamp() * 1000),
        channel="email",
        action="a",
        group="g",
        purpose="sales",
    )
    return Snapshot(
        customer=reference(KEY, "alice"),
        reconciled=True,
        features={"contract.tenure_months": 4, "contract.type": None, "ghost.x": 1},
        feature_times={"contract": NOW},
        holds=(a_hold(),),
        consents={"sales:email": True},
        contacts=(contact,),
        journeys=(JourneyState(id="j", kind="complaint", stage="open", since=NOW),),
    )


async def test_all_that_is_known_of_a_customer_is_shown() -> None:
    async with door(FakeStack(snapshot=a_snapshot(), latest=("d2", "d1"))) as client:
        told = (await client.get(ALICE)).json()
    assert told["customer"] == "alice"
    assert told["features"] == {
        "contract": {
            "at": "2026-03-01T12:00:00+00:00",
            "age_seconds": 0.0,
            "values": {"tenure_months": 4, "type": None},
            "status": {
                "type": "null",
                "tenure_months": "present",
                "paperless": "null",
                "payment_method": "null",
            },
        }
    }
    assert told["absent"] == ["profile", "services", "billing", "behaviour", "service"]
    assert told["holds"][0]["owner"] == "complaint:c1:4711"
    assert told["consents"] == [{"purpose": "sales", "channel": "email", "granted": True}]
    assert told["contacts"][0]["at"] == "2026-03-01T12:00:00+00:00"
    assert told["journeys"][0]["stage"] == "open"
    assert told["decisions"] == ["d2", "d1"]


async def test_a_customer_of_whom_nothing_is_known_is_not_found() -> None:
    async with door(FakeStack()) as client:
        reply = await client.get(ALICE)
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_customer")


async def test_nobody_is_called_unknown_before_the_state_is_reconciled() -> None:
    lost = Snapshot(customer="c", reconciled=False, because=("being rebuilt",))
    async with door(FakeStack(snapshot=lost)) as client:
        reply = await client.get(ALICE)
    assert (reply.status_code, reply.json()["reconciled"]) == (200, False)


@pytest.mark.parametrize(
    "name",
    [
        "a@b.c",
        "acme/42",
        "100%",
        "a%2Fb",
        "Jürgen €",
        "a b+c",
        "x?y#z",
        "holds",
        "a/inbox",
        "..",
        "a;b=c",
        "complaint:1",
    ],
)
async def test_a_path_takes_any_name_percent_encoded(name: str) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.put(f"/v1/customers/{_encoded(name)}/consents", json=CONSENT)
        await client.delete(
            f"/v1/customers/{_encoded(name)}/holds/{_encoded(name)}?author=a&because=b"
        )
    assert reply.status_code == 200, reply.text
    assert reply.json()["customer"] == name
    consent, ended = stack.changes
    assert consent[1] == reference(KEY, name)
    assert ended == ("end", reference(KEY, name), name, "a", "b")


def _encoded(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")


@pytest.mark.parametrize("segment", ["%00", "%FF", "%20", "x" * 257])
async def test_a_path_that_names_nobody_is_refused(segment: str) -> None:
    async with door(FakeStack()) as client:
        reply = await client.get(f"/v1/customers/{segment}")
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_field")


async def test_a_consent_is_recorded_with_its_source() -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.put(f"{ALICE}/consents", json=CONSENT)
    assert reply.status_code == 200
    told = reply.json()
    assert (told["purpose"], told["channel"], told["granted"]) == ("sales", "email", False)
    customer = reference(KEY, "alice")
    assert stack.changes == [("consent", customer, "sales", "email", False, "call centre", NOW)]
    assert stack.names == {customer: "alice"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"purpose": "spam"}, "unknown_purpose"),
        ({"channel": "fax"}, "unknown_channel"),
        ({"granted": "no"}, "invalid_field"),
        ({"granted": None}, "invalid_field"),
        ({"source": ""}, "invalid_field"),
        ({"sauce": "x"}, "unknown_field"),
    ],
)
async def test_a_wrong_consent_changes_nothing(change: dict[str, Any], code: str) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.put(f"{ALICE}/consents", json={**CONSENT, **change})
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert (stack.changes, stack.names) == ([], {})


async def test_an_operator_places_a_hold_and_gets_its_id() -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.post(f"{ALICE}/holds", json={**HOLD, "until": LATER.isoformat()})
    assert (reply.status_code, reply.json()) == (201, {"id": "operator:1"})
    customer = reference(KEY, "alice")
    assert stack.changes == [
        ("hold", customer, ("sales",), ("commercial",), "lawyer", "ann", LATER)
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"purposes": [], "tags": []}, "invalid_field"),
        ({"purposes": ["spam"]}, "unknown_purpose"),
        ({"until": "2026-03-01T12:00:00Z"}, "invalid_field"),
        ({"until": "tomorrow"}, "invalid_field"),
        ({"author": ""}, "invalid_field"),
        ({"because": " "}, "invalid_field"),
        ({"tags": "commercial"}, "invalid_field"),
    ],
)
async def test_a_hold_that_makes_no_sense_is_refused(change: dict[str, Any], code: str) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.post(f"{ALICE}/holds", json={**HOLD, **change})
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert stack.changes == []


async def test_a_hold_is_ended_with_author_and_reason() -> None:
    stack = FakeStack()
    async with door(stack) as client:
        parameters = {"author": "ann", "because": "settled"}
        reply = await client.delete(f"{ALICE}/holds/operator%3A1", params=parameters)
    assert (reply.status_code, reply.json()) == (200, {"id": "operator:1"})
    assert stack.changes == [("end", reference(KEY, "alice"), "operator:1", "ann", "settled")]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("author=ann", "missing_field"),
        ("", "missing_field"),
        ("author=ann&because=", "invalid_field"),
        ("author=ann&because=x&force=1", "unknown_field"),
    ],
)
async def test_a_hold_is_not_ended_without_author_and_reason(query: str, code: str) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        reply = await client.delete(f"{ALICE}/holds/h?{query}")
    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert stack.changes == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(UnknownHold("no hold"), 404), (HoldOwnedByJourney("resolve the case"), 409)],
)
async def test_a_hold_that_is_not_the_operators_stays(
    error: UnknownHold | HoldOwnedByJourney, status: int
) -> None:
    async with door(FakeStack(error=error)) as client:
        reply = await client.delete(f"{ALICE}/holds/h?author=a&because=b")
    assert (reply.status_code, reply.json()["code"]) == (status, error.code)


async def test_the_inbox_shows_what_was_kept() -> None:
    async with door(FakeStack(messages=({"message_id": "m1"},))) as client:
        reply = await client.get(f"{ALICE}/inbox")
    assert reply.json() == {"messages": [{"message_id": "m1"}]}
