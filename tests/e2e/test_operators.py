"""Operators on the real servers: see, pause, resume, for one and for all, and nobody is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.outside import Outside, until

RENEWING = [f"renewing-{number}" for number in range(5)]
ORDER = {"author": "olivia", "because": "the depot burns"}


@pytest.fixture(scope="module")
def renewals(stack: Outside) -> list[str]:
    """Renewals that wait for a day far away."""
    for name in RENEWING:
        stack.event("contract.renewal_due", name, due="2099-01-01")
    found = until(
        lambda: listed(stack, "kind=renewal&stage=scheduled"),
        lambda found: len(found) == len(RENEWING),
        what="all renewals to be scheduled",
    )
    return [one["id"] for one in found]


def listed(stack: Outside, filters: str) -> list[dict[str, Any]]:
    """The open journeys that these filters find."""
    return stack.get(f"/v1/journeys?open=true&{filters}")["journeys"]


def swept(stack: Outside, act: str, **asked: object) -> tuple[list[dict[str, Any]], Any]:
    """What came of an intervention in many: a line each, and the counts."""
    reply = stack.http.post("/v1/journeys:intervene", json={**ORDER, "act": act, **asked})
    assert reply.status_code == 200, reply.text
    *lines, last = map(json.loads, reply.text.splitlines())
    return lines, last["counts"]


def test_all_of_a_kind_are_paused_once_and_resumed(stack: Outside, renewals: list[str]) -> None:
    for _ in range(2):
        lines, counts = swept(stack, "pause", kind="renewal", request_id="depot")
        assert counts == {"journeys": 5, "done": 5, "refused": 0}
        assert {line["id"] for line in lines} == set(renewals)
    _, counts = swept(stack, "pause", kind="renewal", request_id="another")
    assert counts == {"journeys": 5, "done": 0, "refused": 5}
    until(
        lambda: listed(stack, "view=attention"),
        lambda found: {one["id"] for one in found} == set(renewals),
        what="all that are paused to be listed",
    )
    shown = stack.get(f"/v1/journeys/{renewals[0]}")
    assert shown["paused"] == "olivia (the depot burns)"
    assert shown["customer"] in RENEWING
    assert len([words for words in shown["words"] if "paused" in words]) == 1
    _, counts = swept(stack, "resume", attention="paused")
    assert counts == {"journeys": 5, "done": 5, "refused": 0}
    until(
        lambda: listed(stack, "view=attention"),
        lambda found: not found,
        what="nothing to ask for attention",
    )


def test_one_is_given_to_somebody_and_found_there(stack: Outside, renewals: list[str]) -> None:
    moved = stack.post(f"/v1/journeys/{renewals[1]}/reassign", {**ORDER, "to": "Rita O'Neill"})
    assert moved["owner"] == "Rita O'Neill"
    found = until(lambda: listed(stack, "owner=Rita%20O'Neill"), what="it to be listed")
    assert [one["id"] for one in found] == [renewals[1]]
    refused = stack.http.post(f"/v1/journeys/{renewals[1]}/resume", json=ORDER)
    assert (refused.status_code, refused.json()["code"]) == (409, "intervention_refused")
    assert "it is not paused" in refused.json()["detail"]


def test_what_was_cancelled_has_ended_and_can_still_be_looked_at(
    stack: Outside, renewals: list[str]
) -> None:
    stack.post(f"/v1/journeys/{renewals[2]}/cancel", ORDER)
    shown = until(
        lambda: stack.get(f"/v1/journeys/{renewals[2]}"),
        lambda shown: shown["status"] == "completed",
        what="it to end",
    )
    assert shown["stage"] == "cancelled"
    for reply in (
        stack.http.post(f"/v1/journeys/{renewals[2]}/pause", json=ORDER),
        stack.http.get("/v1/journeys/renewal:nobody:2099-01-01"),
    ):
        assert (reply.status_code, reply.json()["code"]) == (404, "unknown_journey")


@pytest.mark.long
def test_without_a_worker_it_is_a_503_and_repeated_it_happens_once(
    stack: Outside, renewals: list[str]
) -> None:
    path, order = f"/v1/journeys/{renewals[3]}/note", {**ORDER, "request_id": "night"}
    with stack.stopped("worker"):
        reply = stack.http.post(path, json=order)
        assert (reply.status_code, reply.json()["code"]) == (503, "journeys_unavailable")
    noted = until(
        lambda: stack.http.post(path, json=order),
        lambda reply: reply.status_code == 200,
        what="the worker to answer again",
    )
    assert len([words for words in noted.json()["words"] if "noted" in words]) == 1
