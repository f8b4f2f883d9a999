"""The main job on the real servers: sell, fall silent while a complaint is open, sell again."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.outside import (
    Outside,
    Receiver,
    commercial,
    load,
    offers,
    sells,
    until,
)

CUSTOMERS = 200
CHANNELS = ("web", "app", "email", "whatsapp", "call")


@pytest.fixture(scope="module")
def customers(stack: Outside) -> list[str]:
    return load(stack.data_dir, CUSTOMERS)


def in_days(stack: Outside, customer: str, days: int) -> str:
    now = datetime.fromisoformat(stack.decide(customer, dry_run=True)["at"])
    return (now + timedelta(days=days)).isoformat()


def test_200_customers_get_decisions_and_most_of_them_a_sales_offer(
    stack: Outside, customers: list[str]
) -> None:
    answers = [stack.decide(customer) for customer in customers]

    assert len(customers) == CUSTOMERS
    assert sum(sells(answer) for answer in answers) > CUSTOMERS / 2


def test_an_open_complaint_silences_every_channel_and_every_journey_until_the_cool_down_is_over(
    stack: Outside, customers: list[str], inbox: Receiver
) -> None:
    customer = next(name for name in customers if sells(stack.decide(name, dry_run=True)))

    accepted = stack.event("complaint.opened", customer, case="4711", severity="high")
    opened = stack.decide(customer, dry_run=True)["at"]
    assert accepted["accepted"] == 1
    stack.event("contract.renewal_due", customer, due=in_days(stack, customer, 20))

    for channel in CHANNELS:
        answer = stack.decide(customer, channel, explain=True)
        assert commercial(offers(answer)) == []
        assert [hold["id"] for hold in answer["holds"]] == ["complaint:4711"]
        stages = {drop["rule"] for one in answer["candidates"] for drop in one["drops"]}
        assert "hold:complaint:4711" in stages
    waiting = until(
        lambda: stack.journeys(customer, "renewal", open="true"),
        lambda found: any("hold" in (one["waiting_for"] or "") for one in found),
        what="the renewal to wait for the hold",
    )
    assert waiting[0]["customer"] == customer

    stack.event("complaint.resolved", customer, case="4711")
    assert commercial(offers(stack.decide(customer))) == []
    answer = until(lambda: stack.decide(customer), sells, what="sales to return")
    assert answer["holds"] == []
    silence = datetime.fromisoformat(answer["at"]) - datetime.fromisoformat(opened)
    assert silence > timedelta(hours=48)

    until(
        lambda: [one for one in inbox.about(customer) if one.body["journey"].startswith("renewal")],
        what="the renewal to go on",
    )
    acknowledged = [one.body["action"] for one in inbox.about(customer)]
    assert "acknowledge-complaint" in acknowledged


@pytest.mark.long
def test_two_complaints_are_two_holds_and_one_resolved_leaves_the_other(
    stack: Outside, customers: list[str]
) -> None:
    customer = customers[11]
    for case in ("1", "2"):
        stack.event("complaint.opened", customer, case=case)
    stack.event("complaint.resolved", customer, case="1")

    left = until(
        lambda: stack.decide(customer, dry_run=True),
        lambda answer: len(answer["holds"]) == 1,
        what="the first hold to end",
    )

    assert [hold["id"] for hold in left["holds"]] == ["complaint:2"]
    assert not sells(left)


def test_a_withdrawn_consent_acts_at_once(stack: Outside, customers: list[str]) -> None:
    customer = customers[12]
    for granted in (True, False):
        stack.event("consent.changed", customer, purpose="sales", channel="email", granted=granted)
        answer = stack.decide(customer, "email", explain=True, dry_run=True)
        refused = {drop["rule"] for one in answer["candidates"] for drop in one["drops"]} & {
            "consent:sales:email"
        }
        assert bool(refused) is not granted


def test_outcomes_are_taken_once_and_late_ones_too(
    stack: Outside, customers: list[str], tmp_path: Path
) -> None:
    answer = stack.decide(customers[13])
    offer = offers(answer)[0]
    path = f"/v1/decisions/{answer['decision_id']}/outcomes"
    body = {"treatment": offer["treatment"], "outcome": "impression", "id": "1"}
    before = len(stack.get(f"/v1/customers/{customers[13]}")["contacts"])

    for _ in range(3):
        assert stack.http.post(path, json=body).status_code == 202

    assert len(stack.get(f"/v1/customers/{customers[13]}")["contacts"]) == before + 1
