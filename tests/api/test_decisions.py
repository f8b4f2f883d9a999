"""Decisions over HTTP: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_door
from api.batches import AT_ONCE, Lines
from api.decision_reply import render
from api.questions import Questions
from engine.errors import InvalidInput, JournalUnavailable, RequestIdReused
from engine.ledger.references import reference
from engine.live import Answer, Ask
from engine.types import Level, Offer, Placement
from tests.support.builders import KEY
from tests.support.doors import DECISION_ID, FakeStack, a_decision, door

ASKED = {"customer": "7590-VHVEG", "channel": "web"}


async def refused(body: Any, stack: FakeStack | None = None) -> dict[str, Any]:
    """What the refusal of a decision request says; nothing was decided for it."""
    stack = stack or FakeStack()
    async with door(stack) as client:
        reply = await client.post("/v1/decisions", json=body)
    assert 400 <= reply.status_code < 500, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert stack.changes == []
    problem: dict[str, Any] = reply.json()
    assert problem["status"] == reply.status_code
    assert problem["type"] == f"urn:tactful:problem:{problem['code']}"
    return problem


async def test_a_decision_is_answered_as_the_contract_says() -> None:
    async with door(FakeStack()) as client:
        reply = await client.post("/v1/decisions", json=ASKED)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == {
        "decision_id": DECISION_ID,
        "customer": "7590-VHVEG",
        "at": "2026-03-01T12:00:00+00:00",
        "level": "full",
        "because": [],
        "placements": {
            "main": [
                {
                    "action": "upgrade-fiber",
                    "treatment": "upgrade-fiber.web.hero",
                    "purpose": "sales",
                    "tags": ["commercial"],
                    "group": "internet",
                    "rank": 1,
                    "propensity": 0.12,
                    "priority": 3.4,
                    "content": {"title": "Faster"},
                    "part_of": None,
                    "selection": 1.0,
                }
            ]
        },
        "holds": [
            {
                "id": "complaint:4711",
                "purposes": ["sales"],
                "tags": ["commercial"],
                "since": "2026-03-01T12:00:00+00:00",
                "until": None,
                "state": "active",
                "because": "complaint 4711 is open",
            }
        ],
        "bundle": "sha256:0",
        "took_ms": 0.812,
    }


async def test_the_question_reaches_the_engine_whole() -> None:
    stack = FakeStack()
    body = {
        **ASKED,
        "placements": [{"name": "hero"}, {"name": "rail", "limit": 3}],
        "context": {"page": "billing", "basket": {"items": [1, 2.5, None]}},
        "deadline_ms": 20,
        "explain": True,
        "dry_run": True,
        "request_id": "r1",
    }
    async with door(stack) as client:
        assert (await client.post("/v1/decisions", json=body)).status_code == 200
    [ask] = stack.changes
    assert ask.customer == reference(KEY, "7590-VHVEG")
    assert ask.placements == (Placement(name="hero"), Placement(name="rail", limit=3))
    assert ask.context == {"page": "billing", "basket": {"items": [1, 2.5, None]}}
    assert (ask.deadline_ms, ask.explain, ask.dry_run, ask.request_id) == (20, True, True, "r1")


def test_every_part_of_an_offer_is_shown() -> None:
    told = orjson.loads(render("a", a_decision(), 0.1, explain=False))
    [offer] = told["placements"]["main"]
    assert set(offer) == {each.name for each in fields(Offer)}


async def test_a_question_asked_again_is_the_same_question_of_another_customer() -> None:
    stack = FakeStack()
    body = {**ASKED, "placements": [{"name": "hero"}], "context": {"page": "billing"}}
    async with door(stack) as client:
        for customer in ("a", "b"):
            await client.post("/v1/decisions", json={**body, "customer": customer})
    first, second = stack.changes
    assert (first.customer, second.customer) == (reference(KEY, "a"), reference(KEY, "b"))
    assert first.placements is second.placements
    assert replace(first, customer="") == replace(second, customer="")


@pytest.mark.parametrize("spoiled", [1, 1.0, True, "1", None])
async def test_what_only_looks_like_a_question_asked_before_is_checked_on_its_own(
    spoiled: Any,
) -> None:
    stack = FakeStack()
    good, other = ({**ASKED, "placements": [{"name": "a", "limit": each}]} for each in (1, spoiled))
    async with door(stack) as client:
        assert (await client.post("/v1/decisions", json=good)).status_code == 200
        reply = await client.post("/v1/decisions", json=other)
        again = await client.post("/v1/decisions", json=other)
    wanted = 200 if type(spoiled) is int else 422
    assert (reply.status_code, again.status_code) == (wanted, wanted)


@given(st.text(max_size=3) | st.integers(-9, 9) | st.none() | st.just({"type": "email", "id": "x"}))
def test_a_known_question_takes_the_customers_that_a_new_one_takes(customer: Any) -> None:
    body = orjson.dumps({**ASKED, "customer": customer})
    known = Questions()
    known.read(orjson.dumps(ASKED))
    told = [_read(questions, body) for questions in (Questions(), known)]
    assert told[0] == told[1]


def _read(questions: Questions, body: bytes) -> Any:
    try:
        return questions.read(body)
    except InvalidInput as error:
        return str(error)


async def test_more_than_is_remembered_is_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.questions._KNOWN_QUESTIONS", 2)
    stack = FakeStack()
    async with door(stack) as client:
        for n in (1, 2, 3, 1):
            await client.post("/v1/decisions", json={**ASKED, "context": {"n": n}})
    assert [ask.context["n"] for ask in stack.changes] == [1, 2, 3, 1]


async def test_candidates_come_only_when_asked_for() -> None:
    async with door(FakeStack()) as client:
        explained = await client.post("/v1/decisions", json={**ASKED, "explain": True})
    [candidate] = explained.json()["candidates"]
    assert candidate["status"] == "dropped"
    [drop] = candidate["drops"]
    assert drop == {"stage": "hold", "rule": "complaint:4711", "detail": "held", "until": None}
    assert {"propensity", "context_weight", "value", "lever", "priority"} <= set(candidate)


async def test_an_alias_reaches_its_customer_and_is_echoed() -> None:
    stack = FakeStack(aliases={("email", "a@b.c"): "7590-VHVEG"})
    alias = {"type": "email", "id": "a@b.c"}
    async with door(stack) as client:
        reply = await client.post("/v1/decisions", json={**ASKED, "customer": alias})
    assert reply.json()["customer"] == alias
    assert stack.changes[0].customer == reference(KEY, "7590-VHVEG")


async def test_the_digest_knows_bodies_apart_but_not_their_spelling() -> None:
    stack = FakeStack()
    bodies = (
        b'{"customer":"a","channel":"web","request_id":"r"}',
        b'{ "request_id" : "r", "channel":"web", "customer":"a", "explain": false }',
        b'{"customer":"a","channel":"web","request_id":"r","context":{"page":"x"}}',
        b'{"customer":{"type":"id","id":"a"},"channel":"web","request_id":"r"}',
    )
    async with door(stack) as client:
        for body in bodies:
            headers = {"Content-Type": "application/json; charset=utf-8"}
            await client.post("/v1/decisions", content=body, headers=headers)
    same, spelled, other, alias = (ask.digest for ask in stack.changes)
    assert same == spelled
    assert len({same, other, alias}) == 3


async def test_nothing_to_offer_is_an_answer() -> None:
    nothing = a_decision(placements={"main": ()}, holds=(), level=Level.PARTIAL, because=("new",))
    async with door(FakeStack(decision=nothing)) as client:
        told = (await client.post("/v1/decisions", json=ASKED)).json()
    assert (told["placements"], told["level"], told["because"]) == (
        {"main": []},
        "partial",
        ["new"],
    )


async def test_an_unknown_field_is_named_with_the_one_that_was_meant() -> None:
    problem = await refused({**ASKED, "context_": {}})
    assert problem["code"] == "unknown_field"
    assert problem["detail"] == (
        "context_ is not a field of a decision request; did you mean context?"
    )


async def test_an_unknown_field_inside_a_placement_is_found() -> None:
    problem = await refused({**ASKED, "placements": [{"name": "a", "limits": 2}]})
    assert "placements[0].limits" in problem["detail"]
    assert "did you mean limit?" in problem["detail"]


async def test_an_unknown_channel_names_those_there_are() -> None:
    problem = await refused({**ASKED, "channel": "fax"})
    assert (problem["status"], problem["code"]) == (422, "unknown_channel")
    assert "web, email" in problem["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer": ""}, "customer"),
        ({"customer": "  "}, "customer"),
        ({"customer": 5}, "customer"),
        ({"customer": None}, "customer"),
        ({"customer": "x" * 257}, "customer"),
        ({"customer": {"type": "email"}}, "customer.id"),
        ({"customer": {"type": "email", "id": "x", "more": 1}}, "customer.more"),
        ({"channel": ["web"]}, "channel"),
        ({"placements": []}, "placements"),
        ({"placements": [{"name": f"p{n}"} for n in range(21)]}, "placements"),
        ({"placements": [{"name": "a"}, {"name": "a"}]}, "placements"),
        ({"placements": [{}, {"name": "main"}]}, "placements"),
        ({"placements": [{"limit": 0}]}, "placements[0].limit"),
        ({"placements": [{"limit": 51}]}, "placements[0].limit"),
        ({"placements": [{"limit": True}]}, "placements[0].limit"),
        ({"placements": [{"limit": "3"}]}, "placements[0].limit"),
        ({"placements": ["hero"]}, "placements[0]"),
        ({"placements": {}}, "placements"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"deadline_ms": 10_001}, "deadline_ms"),
        ({"deadline_ms": 1.5}, "deadline_ms"),
        ({"explain": 1}, "explain"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": "r" * 129}, "request_id"),
        ({"context": []}, "context"),
        ({"context": {str(n): n for n in range(65)}}, "context"),
        ({"context": {"": 1}}, "context"),
        ({"context": {"a": [[[[[[[[[1]]]]]]]]]}}, "context.a"),
        ({"context": {"a": "\0"}}, "NUL"),
        ({"context": {"a\0": 1}}, "NUL"),
    ],
)
async def test_a_value_out_of_bounds_is_refused_by_name(change: Any, field: str) -> None:
    problem = await refused({**ASKED, **change})
    assert problem["status"] == 422
    assert field in problem["detail"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dry_run": 0}, "dry_run should be true or false, not 0."),
        ({"explain": 1}, "explain should be true or false, not 1."),
        ({"explain": None}, "explain should be true or false, not null."),
        ({"channel": ""}, "channel should not be empty."),
        ({"customer": " "}, 'customer should not be empty, not " ".'),
        ({"placements": []}, "placements should have at least 1 item, not 0."),
        (
            {"placements": [{"limit": 0}]},
            "placements[0].limit should be greater than or equal to 1, not 0.",
        ),
    ],
)
async def test_a_refusal_shows_what_was_sent_in_plain_words(change: Any, told: str) -> None:
    assert (await refused({**ASKED, **change}))["detail"] == told


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"customer": "a", "channel": "web", "context": {"x": NaN}}',
        b'{"customer": "a", "channel": "web", "context": {"x": -Infinity}}',
        b'{"customer": "a", "channel": "web", "context": {"x": 1e999}}',
        b'{"customer": "\\ud800", "channel": "web"}',
        b'{"customer": "\xff", "channel": "web"}',
        b"\xef\xbb\xbf{}",
        b"[" * 5000,
    ],
)
async def test_what_is_not_json_is_refused_with_its_place(body: bytes) -> None:
    stack = FakeStack()
    async with door(stack) as client:
        headers = {"Content-Type": "application/json"}
        reply = await client.post("/v1/decisions", content=body, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (400, "malformed_json")
    assert "line 1 column" in reply.json()["detail"]
    assert stack.changes == []


@pytest.mark.parametrize("body", [[], "text", 5, True])
async def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert "object" in (await refused(body))["detail"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=latin-1"])
async def test_another_content_type_is_refused(kind: str) -> None:
    async with door(FakeStack()) as client:
        headers = {"Content-Type": kind} if kind else {}
        reply = await client.post("/v1/decisions", content=orjson.dumps(ASKED), headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")


async def test_repeated_keys_are_no_error() -> None:
    async with door(FakeStack()) as client:
        body = b'{"customer": "b", "customer": "a", "channel": "web"}'
        headers = {"Content-Type": "application/json"}
        reply = await client.post("/v1/decisions", content=body, headers=headers)
    assert reply.json()["customer"] == "a"


async def test_a_reused_request_id_is_a_conflict() -> None:
    stack = FakeStack(error=RequestIdReused("r1 came with another body"))
    problem = await refused({**ASKED, "request_id": "r1"}, stack)
    assert (problem["status"], problem["code"]) == (409, "request_id_reused")


async def test_what_is_away_is_a_503_that_says_when_to_repeat() -> None:
    async with door(FakeStack(error=JournalUnavailable("the disk is full"))) as client:
        reply = await client.post("/v1/decisions", json=ASKED)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.json()["code"] == "journal_unavailable"


async def test_a_fault_inside_tells_nothing_of_the_inside() -> None:
    class Broken(FakeStack):
        async def decide(self, ask: Ask) -> Answer:
            raise KeyError("secret")

    async with door(Broken()) as client:
        reply = await client.post("/v1/decisions", json=ASKED)
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "secret" not in reply.text


async def test_a_batch_answers_line_by_line_in_order() -> None:
    class Uneven(FakeStack):
        async def decide(self, ask: Ask) -> Answer:
            await asyncio.sleep(0.01 if ask.context["n"] % 7 == 0 else 0)
            return await FakeStack.decide(self, ask)

    lines = [orjson.dumps({**ASKED, "customer": f"c{n}", "context": {"n": n}}) for n in range(100)]
    async with door(Uneven()) as client:
        reply = await batch(client, b"\n".join(lines))
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("application/x-ndjson")
    told = [orjson.loads(line) for line in reply.content.splitlines()]
    assert [one["customer"] for one in told] == [f"c{n}" for n in range(100)]


async def test_an_error_in_a_batch_stays_on_its_own_line() -> None:
    good = orjson.dumps(ASKED)
    lines = [good, b"{", b"", orjson.dumps({**ASKED, "chanel": "web"}), good]
    async with door(FakeStack()) as client:
        told = [
            orjson.loads(each)
            for each in (await batch(client, b"\n".join(lines))).content.splitlines()
        ]
    assert [one.get("code", "decided") for one in told] == [
        *("decided", "malformed_json", "unknown_field", "decided")
    ]
    assert [one.get("line") for one in told] == [None, 2, 4, None]


async def test_a_fault_in_a_batch_stays_on_its_own_line() -> None:
    class Broken(FakeStack):
        async def decide(self, ask: Ask) -> Answer:
            if ask.customer == reference(KEY, "bad"):
                raise KeyError("secret")
            return await FakeStack.decide(self, ask)

    lines = [orjson.dumps({**ASKED, "customer": name}) for name in ("good", "bad", "good")]
    async with door(Broken()) as client:
        told = [
            orjson.loads(each)
            for each in (await batch(client, b"\n".join(lines))).content.splitlines()
        ]
    assert [one.get("code", "decided") for one in told] == ["decided", "internal", "decided"]


async def test_a_batch_keeps_few_decisions_in_flight() -> None:
    class Counting(FakeStack):
        now = 0
        most = 0

        async def decide(self, ask: Ask) -> Answer:
            Counting.now += 1
            Counting.most = max(Counting.most, Counting.now)
            await asyncio.sleep(0)
            Counting.now -= 1
            return await FakeStack.decide(self, ask)

    async with door(Counting()) as client:
        await batch(client, b"\n".join([orjson.dumps(ASKED)] * 500))
    assert 1 < Counting.most <= AT_ONCE


async def batch(client: httpx.AsyncClient, body: bytes) -> httpx.Response:
    """The reply to a batch."""
    headers = {"Content-Type": "application/x-ndjson"}
    return await client.post("/v1/decisions:batch", content=body, headers=headers)


class Conversation:
    """Both ends of one batch, as the server sees them: sent piece by piece, read as it comes."""

    def __init__(self, stack: FakeStack, *, unread: int = 0) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.received: asyncio.Queue[Any] = asyncio.Queue(maxsize=unread)
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": "/v1/decisions:batch",
            "raw_path": b"/v1/decisions:batch",
            "query_string": b"",
            "headers": [(b"content-type", b"application/x-ndjson")],
        }
        door = create_door(stack.parts())
        self.ended = asyncio.ensure_future(door(scope, self.sent.get, self.received.put))

    def say(self, body: bytes, *, more: bool = True) -> None:
        """Send a piece of the body."""
        self.sent.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def heard(self) -> Any:
        """The next message of the answer."""
        return await asyncio.wait_for(self.received.get(), 10)


async def test_a_line_is_answered_before_the_next_one_is_sent() -> None:
    batch = Conversation(FakeStack())
    assert (await batch.heard())["status"] == 200
    line = orjson.dumps(ASKED)
    for piece in (line[:10], line[10:] + b"\n"):
        batch.say(piece)
    first = await batch.heard()
    assert (first["body"].count(b"\n"), first["more_body"]) == (1, True)
    batch.say(line, more=False)
    assert (await batch.heard())["body"].count(b"\n") == 1
    assert (await batch.heard()).get("more_body", False) is False
    await batch.ended


async def test_nothing_more_is_decided_for_a_caller_that_left() -> None:
    class Endless(FakeStack):
        async def decide(self, ask: Ask) -> Answer:
            await FakeStack.decide(self, ask)
            await asyncio.Event().wait()
            raise AssertionError("nobody allowed it")

    stack = Endless()
    batch = Conversation(stack)
    await batch.heard()
    batch.say(b"\n".join([orjson.dumps(ASKED)] * 500))
    while len(stack.changes) < AT_ONCE:  # noqa: ASYNC110
        await asyncio.sleep(0)
    batch.sent.put_nowait({"type": "http.disconnect"})
    await asyncio.wait_for(batch.ended, 10)
    assert len(stack.changes) == AT_ONCE


async def test_a_caller_may_send_everything_before_it_reads_an_answer() -> None:
    batch = Conversation(FakeStack(), unread=1)  # it can't send a second message
    for number in range(50):
        batch.say(orjson.dumps(ASKED) + b"\n", more=number < 49)
    while not batch.sent.empty():  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert (await batch.heard())["status"] == 200
    body = b""
    while (message := await batch.heard()).get("more_body", False):
        body += message["body"]
    assert body.count(b"\n") == 50


async def test_a_line_that_is_too_long_is_refused_and_the_next_one_answered() -> None:
    body = b'{"customer": "' + b"x" * 200_000 + b'"}\n' + orjson.dumps(ASKED)
    async with door(FakeStack()) as client:
        told = (await batch(client, body)).content.splitlines()
    assert orjson.loads(told[0])["code"] == "body_too_large"
    assert orjson.loads(told[1])["customer"] == ASKED["customer"]


async def test_a_batch_holds_no_more_of_its_body_than_it_may() -> None:
    lines, given = Lines(ahead_bytes=1_000), 0

    async def receive() -> Any:
        nonlocal given
        given += 1
        return {"type": "http.request", "body": b"x" * 99 + b"\n", "more_body": True}

    reading = asyncio.create_task(lines.read(receive))
    for _ in range(50):
        await asyncio.sleep(0)
    assert given == 11
    for _ in range(3):
        lines.next()
    for _ in range(50):
        await asyncio.sleep(0)
    assert given == 14
    reading.cancel()
