"""The proof of decisions over HTTP: records in words, replay, why not, what is silenced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from engine.catalog import Bundle
from engine.decide import decide
from engine.errors import LiveStateUnavailable
from engine.live import Ask
from engine.record import record, seal_key
from engine.types import Snapshot
from tests.support.builders import (
    KEY,
    NOW,
    a_bundle,
    a_contact,
    a_customer,
    a_hold,
    a_limit,
    a_request,
    a_rule,
    a_snapshot,
    an_action,
)
from tests.support.doors import FakeStack, door
from tests.support.ledgers import NoModels

DECISION_ID = "01KJMK6G00ABCDEFGHJKMNPQRS"
RULE = a_rule("contract.age >= 18", name="adult")
BUNDLE = a_bundle(
    an_action("fiber", value=20, rules=[RULE]),
    an_action("tv"),
    an_action("tip", purpose="nurture"),
    limits=[a_limit("monthly", maximum=1, window=timedelta(days=30))],
)
OTHER = replace(BUNDLE, hash="sha256:" + "0" * 64, actions={"tv": BUNDLE.actions["tv"]})
HELD = a_snapshot(features={"contract.age": 30}, holds=(a_hold(),))
FREE = a_snapshot(features={"contract.age": 30})


def a_stack(snapshot: Snapshot = FREE, bundle: Bundle = BUNDLE, **more: Any) -> FakeStack:
    """A stack with one decision in it."""
    request = a_request("web")
    decision = decide(request, snapshot, bundle, NoModels())
    kept = record(request, snapshot, decision, seal_key(KEY))
    return FakeStack(
        record=more.pop("record", kept),
        bundle=bundle,
        archived={bundle.hash: bundle, OTHER.hash: OTHER},
        names={a_customer(): "7590-VHVEG"},
        snapshot=snapshot,
        **more,
    )


async def get(stack: FakeStack, path: str) -> httpx.Response:
    """One reply; whatever is asked, nothing is changed."""
    async with door(stack) as client:
        reply = await client.get(path)
    assert stack.changes == []
    return reply


# -- the record


async def test_a_record_is_shown_with_the_customer_by_name_in_words_and_as_a_grid() -> None:
    told = (await get(a_stack(HELD), f"/v1/decisions/{DECISION_ID}")).json()
    assert (told["customer"], told["seal"]) == ("7590-VHVEG", "intact")
    words = " ".join(told["words"])
    assert "customer 7590-VHVEG on the channel web" in words
    assert "The hold complaint:4711 was in force" in words
    assert "tip.web" in words
    assert [column["stage"] for column in told["grid"]["stages"]][:2] == ["availability", "channel"]
    assert {row["action"] for row in told["grid"]["rows"]} == {"fiber", "tv", "tip"}


async def test_an_action_that_is_asked_about_is_told_of() -> None:
    told = (await get(a_stack(), f"/v1/decisions/{DECISION_ID}?about=mortgage")).json()
    assert any("mortgage was not among the actions" in sentence for sentence in told["words"])


async def test_a_record_that_was_changed_says_so() -> None:
    stack = a_stack()
    stack.record = (stack.record or b"").replace(b'"contract.age":30', b'"contract.age":31')
    told = (await get(stack, f"/v1/decisions/{DECISION_ID}")).json()
    assert told["seal"] == "tampered"


@pytest.mark.parametrize("left", [b"", b"no JSON", b"[]", b"{}", b'{"request": {"customer": 5}}'])
async def test_a_record_that_can_not_be_read_any_more_is_shown_as_tampered_with(
    left: bytes,
) -> None:
    reply = await get(a_stack(record=left), f"/v1/decisions/{DECISION_ID}")
    told = reply.json()
    assert (reply.status_code, told["seal"], told["customer"]) == (200, "tampered", "")
    assert "can't be read" in told["words"][0]


@pytest.mark.parametrize("decision_id", ["nothing", "%FF", "%00", "x" * 300, "..%2F.."])
@pytest.mark.parametrize("end", ["", "/replay"])
async def test_a_decision_that_is_not_there_is_a_problem(decision_id: str, end: str) -> None:
    reply = await get(FakeStack(), f"/v1/decisions/{decision_id}{end}")
    assert reply.status_code in (404, 422)
    assert reply.json()["code"] in ("unknown_decision", "invalid_field")


# -- replay


async def test_a_decision_is_made_again_byte_for_byte() -> None:
    told = (await get(a_stack(), f"/v1/decisions/{DECISION_ID}/replay")).json()
    assert (told["identical"], told["sealed"], told["own"]) == (True, True, True)
    assert told["differences"] == []
    assert told["scores"]["compared"] == 0
    assert "byte for byte" in told["words"][0]


async def test_under_another_bundle_it_says_what_changes_and_at_which_stage() -> None:
    path = f"/v1/decisions/{DECISION_ID}/replay?bundle={OTHER.hash}"
    told = (await get(a_stack(), path)).json()
    assert (told["identical"], told["own"]) == (False, False)
    placements = told["changes"]["placements"]
    assert placements[0]["before"] == ["fiber.web"]
    assert placements[0]["after"] == ["tv.web"]
    assert any(
        "fiber: was offered in main; under the new bundle not among the actions" in sentence
        for sentence in told["words"]
    )


async def test_current_is_the_bundle_in_force() -> None:
    stack = a_stack()
    stack.bundle = OTHER
    told = (await get(stack, f"/v1/decisions/{DECISION_ID}/replay?bundle=current")).json()
    assert told["bundle"] == OTHER.hash


@pytest.mark.parametrize("bundle", ["sha256:1", "..%2Fjournal", "nonsense"])
async def test_a_bundle_that_is_not_there_is_a_problem(bundle: str) -> None:
    reply = await get(a_stack(), f"/v1/decisions/{DECISION_ID}/replay?bundle={bundle}")
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_bundle")


async def test_a_tampered_record_is_noticed_even_where_it_can_not_be_read_any_more() -> None:
    stack = a_stack()
    stack.record = (stack.record or b"").replace(b'"channel":"web"', b'"channel":"fax"')
    told = (await get(stack, f"/v1/decisions/{DECISION_ID}/replay")).json()
    assert (told["identical"], told["sealed"], told["seal"]) == (False, False, "tampered")


# -- why not


async def test_why_not_says_what_stops_it_what_would_help_and_when() -> None:
    held = replace(HELD, holds=(a_hold(until=NOW + timedelta(days=900)),))
    told = (await get(a_stack(held), "/v1/customers/7590-VHVEG/why-not/fiber?channel=web")).json()
    assert (told["customer"], told["status"]) == ("7590-VHVEG", "stopped")
    assert told["stopped_by"][0]["rule"] == "hold:complaint:4711"
    assert told["smallest"][0]["kind"] == "hold"
    assert told["earliest"]["when"] == "unknown"


async def test_why_not_asks_for_the_placement_that_is_meant() -> None:
    class Asking(FakeStack):
        async def ask_about(self, ask: Ask) -> Any:
            assert [place.name for place in ask.placements] == ["hero"]
            return await FakeStack.ask_about(self, ask)

    stack = Asking(bundle=BUNDLE, snapshot=FREE)
    reply = await get(stack, "/v1/customers/x/why-not/fiber?channel=web&placement=hero")
    assert reply.json()["status"] == "offered"


async def test_an_action_that_is_not_there_is_a_problem_that_names_the_nearest() -> None:
    reply = await get(a_stack(), "/v1/customers/7590-VHVEG/why-not/fibre?channel=web")
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_action")
    assert "fiber" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("channel=fax", "unknown_channel"),
        ("", "missing_field"),
        ("channel=web&place=hero", "unknown_field"),
        ("channel=", "invalid_field"),
    ],
)
async def test_what_why_not_can_not_be_asked_is_refused(query: str, code: str) -> None:
    reply = await get(a_stack(), f"/v1/customers/7590-VHVEG/why-not/fiber?{query}")
    assert (reply.status_code, reply.json()["code"]) == (422, code)


async def test_without_live_state_why_not_says_so() -> None:
    stack = a_stack(error=LiveStateUnavailable("Redis is away"))
    reply = await get(stack, "/v1/customers/7590-VHVEG/why-not/fiber?channel=web")
    assert reply.status_code == 503


# -- what is silenced


async def test_what_is_silenced_is_told_by_channel_with_its_end() -> None:
    sent = (a_contact("m1", at=NOW - timedelta(days=10)),)
    snapshot = replace(HELD, contacts=sent, consents={"nurture:email": False})
    told = (await get(a_stack(snapshot), "/v1/customers/7590-VHVEG/silenced?channel=email")).json()
    found = {one["rule"]: one for one in told["silenced"]}
    assert set(found) == {"hold:complaint:4711", "consent:nurture:email", "limit:monthly"}
    assert found["hold:complaint:4711"]["actions"] == ["fiber", "tv"]
    assert found["hold:complaint:4711"]["until"] is None
    assert found["limit:monthly"]["until"] == "2026-03-22T12:00:00+00:00"


async def test_without_a_channel_all_are_told() -> None:
    told = (await get(a_stack(HELD), "/v1/customers/7590-VHVEG/silenced")).json()
    assert {one["channel"] for one in told["silenced"]} == set(BUNDLE.channels)


async def test_an_unknown_channel_is_refused_there_too() -> None:
    reply = await get(a_stack(), "/v1/customers/7590-VHVEG/silenced?channel=fax")
    assert (reply.status_code, reply.json()["code"]) == (422, "unknown_channel")


async def test_the_document_of_the_api_carries_these_routes() -> None:
    async with door(FakeStack()) as client:
        document = orjson.loads((await client.get("/openapi.json")).content)
    paths = document["paths"]
    assert "/v1/decisions/{decision_id}/replay" in paths
    assert "/v1/customers/{customer}/why-not/{action}" in paths
    assert "/v1/customers/{customer}/silenced" in paths
    assert {"ReplayReply", "WhyNotReply", "SilencedReply"} <= set(document["components"]["schemas"])
