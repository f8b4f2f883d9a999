"""Parts die at the worst moment: nothing is lost, sent twice, or sold by mistake."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.outside import (
    Outside,
    Receiver,
    commercial,
    event,
    load,
    offers,
    outside,
    sells,
    until,
)

FAST_LAPSE = 86_400  # a day in a second
CUSTOMERS = 40


@pytest.fixture(scope="module")
def customers(stack: Outside) -> list[str]:
    return load(stack.data_dir, CUSTOMERS)


def reconciled(stack: Outside) -> bool:
    try:
        return bool(redis_of(stack).exists("tactful:reconciled"))
    except redis.RedisError:
        return False


def lasting(stack: Outside, customer: str) -> dict[str, Any]:
    """What is known of a customer, without what changes with every look: ages, decisions."""
    view = stack.get(f"/v1/customers/{customer}")
    features = {name: (one["at"], one["values"]) for name, one in view["features"].items()}
    return {
        "features": features,
        **{name: view[name] for name in ("holds", "consents", "contacts")},
    }


def wipe(stack: Outside) -> None:
    host, port = stack.addresses["redis"].split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(16).startswith(b"+OK")


def redis_of(stack: Outside) -> redis.Redis:
    host, port = stack.addresses["redis"].split(":")
    return redis.Redis(host=host, port=int(port))


@pytest.mark.long
def test_a_killed_worker_goes_on_where_it_was_and_sends_no_step_twice(
    tmp_path: Path, inbox: Receiver
) -> None:
    with outside(tmp_path, lapse=FAST_LAPSE, webhook=inbox.url) as stack:
        joined = load(stack.data_dir, 10)
        for customer in joined:
            stack.event("customer.joined", customer)
        for _ in range(3):
            time.sleep(1.0)
            killed = stack.pid("worker")
            stack.kill("worker")
            until(lambda killed=killed: stack.pid("worker") != killed, what="the worker's restart")
        for customer in joined:
            until(
                lambda customer=customer: stack.journeys(customer, "onboarding", open="false"),
                seconds=90,
                what=f"the end of {customer}'s onboarding, 21 days later",
            )

    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in inbox.received:
        ids[(one.body["journey"], one.body["step"])].add(one.body["message_id"])
        assert one.headers["webhook-id"] == one.body["message_id"]
    assert ids
    assert all(len(found) == 1 for found in ids.values())


def test_without_a_worker_a_complaint_is_accepted_within_a_second_and_silences_at_once(
    stack: Outside, customers: list[str]
) -> None:
    customer = next(name for name in customers[10:] if sells(stack.decide(name, dry_run=True)))
    with stack.stopped("worker"):
        started = time.monotonic()
        accepted = stack.event("complaint.opened", customer, case="w1")
        took = time.monotonic() - started
        answer = stack.decide(customer)

    assert took < 1.0
    assert accepted["routing"] == "done"
    assert not sells(answer)
    assert [hold["id"] for hold in answer["holds"]] == ["complaint:w1"]


def test_with_temporal_down_too_the_hold_is_in_force_and_the_journey_starts_later(
    stack: Outside, customers: list[str]
) -> None:
    customer = next(name for name in customers[11:] if sells(stack.decide(name, dry_run=True)))
    with stack.stopped("temporal"):
        started = time.monotonic()
        accepted = stack.event("complaint.opened", customer, case="t1")
        took = time.monotonic() - started
        again = stack.event("complaint.opened", customer, case="t2")
        answer = stack.decide(customer)

    assert took < 1.0
    assert accepted["routing"] == "pending"
    assert again["routing"] == "pending"
    assert not sells(answer)
    for case in ("t1", "t2"):
        until(
            lambda case=case: [
                one for one in stack.journeys(customer, "complaint") if one["id"].endswith(case)
            ],
            what="the journey to start once Temporal is back",
        )


def at_rest(stack: Outside, *customers: str) -> dict[str, Any] | None:
    """What lasts of these customers, once nothing is on its way to them any more."""
    seen = {name: lasting(stack, name) for name in customers}
    time.sleep(1.0)
    return seen if seen == {name: lasting(stack, name) for name in customers} else None


@pytest.mark.parametrize("fault", ["kill -9", "FLUSHALL"])
def test_when_redis_dies_or_is_wiped_nothing_sells_until_all_is_back(
    stack: Outside, customers: list[str], fault: str
) -> None:
    until(lambda: reconciled(stack), what="a stack at rest")
    held, free = customers[20:22] if fault == "FLUSHALL" else customers[22:24]
    stack.event("complaint.opened", held, case=fault[:4])
    until(
        lambda: [one for one in stack.journeys(held, "complaint") if one["stage"] == "open"],
        what="the journey to renew its hold",
    )
    stack.event("consent.changed", free, purpose="sales", channel="web", granted=True)
    impressed = stack.decide(free)
    for number in range(2):
        stack.post(
            f"/v1/decisions/{impressed['decision_id']}/outcomes",
            {
                "treatment": offers(impressed)[0]["treatment"],
                "outcome": "impression",
                "id": str(number),
            },
        )
    before = until(lambda: at_rest(stack, held, free), what="messages to have arrived")

    with stack.stopped("reconciler"):
        if fault == "FLUSHALL":
            wipe(stack)
        else:
            stack.kill("redis")
        for _ in range(10):
            answer = stack.decide(free)
            assert commercial(offers(answer)) == []
            assert answer["level"] == "static"
    while (answer := stack.decide(free))["level"] == "static":
        assert commercial(offers(answer)) == []
    assert reconciled(stack)

    assert {name: lasting(stack, name) for name in (held, free)} == before
    assert not sells(stack.decide(held))
    assert sells(stack.decide(free))


def test_an_event_posted_ten_times_at_once_and_again_has_one_effect(
    stack: Outside, customers: list[str]
) -> None:
    customer = customers[25]
    body = event("complaint.opened", customer, event_id="the-same", case="ten")

    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(stack.post_event, [body] * 10))
    replies += [stack.post_event(body) for _ in range(10)]

    assert {reply.status_code for reply in replies} == {202}
    assert sum(reply.json()["accepted"] for reply in replies) == 1
    assert sum(reply.json()["duplicates"] for reply in replies) == 19
    assert len(stack.journeys(customer, "complaint")) == 1
    assert [hold["id"] for hold in stack.decide(customer)["holds"]] == ["complaint:ten"]
