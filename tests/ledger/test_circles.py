"""Accounts and households: what one member receives, sees or answers counts for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.catalog import Bundle, Scope
from engine.channels.delivery import DeliveryStatus
from engine.errors import LiveStateUnavailable
from engine.ledger import Ledger, live, permission
from engine.ledger.circles import Circles, scopes
from engine.ledger.memberships import Membership
from engine.ledger.sends import DeliveryPending, Sender, SendStatus
from engine.ledger.wire import Command
from engine.live import Ask
from engine.types import Contact, ContactKind
from tests.support.builders import (
    NOW,
    a_bundle,
    a_contact,
    a_customer,
    a_limit,
    a_message,
    a_policy,
    an_action,
)
from tests.support.ledgers import FakeChannel, NoFeatures, decided, redis_says, standing_at

ANNA, BERT, CARL = a_customer("anna"), a_customer("bert"), a_customer("carl")
HOUSEHOLD, ACCOUNT = Scope.HOUSEHOLD, Scope.ACCOUNT
SALE = an_action("upgrade")


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    """Its clock stands where the messages are."""
    return standing_at(ledger, NOW)


def a_household_bundle(maximum: int = 1, scope: Scope = HOUSEHOLD) -> Bundle:
    """So many messages a week for all members together."""
    return a_bundle(SALE, limits=[a_limit("shared", maximum=maximum, scope=scope)])


def a_sender(ledger: Ledger, bundle: Bundle, channel: FakeChannel | None = None) -> Sender:
    """A sender with one channel, e-mail."""
    return Sender(ledger, {"email": channel or FakeChannel()}, lambda: bundle, NoFeatures())


async def live_together(ledger: Ledger, *customers: str, name: str = "elm street 1") -> None:
    """Puts customers into one household."""
    await ledger.memberships.join_all([(one, HOUSEHOLD, name) for one in customers])


async def together(ledger: Ledger, customer: str, scope: Scope = HOUSEHOLD) -> set[str]:
    """The ids of the contacts of a customer's circle."""
    return {one.id for one in await shared(ledger, customer, scope)}


async def shared(ledger: Ledger, customer: str, scope: Scope = HOUSEHOLD) -> Sequence[Contact]:
    """The contacts of a customer's circle."""
    state = await ledger.state(customer)
    state = await live.with_circles(ledger.wire, state, [scope.value], 0)
    return state.shared.contacts.get(scope.value, ())


# -- limits and policies of all members


async def test_what_one_member_receives_fills_the_limit_of_the_household(ledger: Ledger) -> None:
    await live_together(ledger, ANNA, BERT)
    sender = a_sender(ledger, a_household_bundle())
    assert (await sender.send(a_message("m1", customer=ANNA))).status is SendStatus.DELIVERED
    refused = await sender.send(a_message("m2", customer=BERT))
    assert (refused.reason, refused.until) == ("limit:shared", NOW + timedelta(days=7))
    assert (await sender.send(a_message("m3", customer=CARL))).status is SendStatus.DELIVERED


async def test_an_account_is_another_circle_than_a_household_of_the_same_name(
    ledger: Ledger,
) -> None:
    await ledger.memberships.join(ANNA, ACCOUNT, "4711")
    await ledger.memberships.join(BERT, HOUSEHOLD, "4711")
    sender = a_sender(ledger, a_household_bundle(scope=ACCOUNT))
    for number, customer in enumerate((ANNA, BERT)):
        sent = await sender.send(a_message(f"m{number}", customer=customer))
        assert sent.status is SendStatus.DELIVERED
    await ledger.memberships.join(CARL, ACCOUNT, "4711")
    assert (await sender.send(a_message("m2", customer=CARL))).reason == "limit:shared"


async def test_who_is_in_no_household_is_alone_in_one(ledger: Ledger) -> None:
    sender = a_sender(ledger, a_household_bundle())
    assert (await sender.send(a_message("m1", customer=ANNA))).status is SendStatus.DELIVERED
    assert (await sender.send(a_message("m2", customer=ANNA))).reason == "limit:shared"
    assert (await sender.send(a_message("m3", customer=BERT))).status is SendStatus.DELIVERED


async def test_what_one_member_answers_silences_the_household(ledger: Ledger) -> None:
    await live_together(ledger, ANNA, BERT)
    policy = a_policy("no means no", outcomes=["reject"], times=1, scope=HOUSEHOLD)
    reject = a_contact("o1", kind=ContactKind.RESPONSE, outcome="reject")
    await ledger.add_contacts([(ANNA, reject)])
    sender = a_sender(ledger, a_bundle(SALE, policies=(policy,)))
    assert (await sender.send(a_message("m1", customer=BERT))).reason == "policy:no means no"


@pytest.mark.parametrize("answer", [DeliveryStatus.DELIVERED, DeliveryStatus.UNKNOWN])
async def test_two_customers_at_once_never_pass_the_limit_of_their_household(
    ledger: Ledger, answer: DeliveryStatus
) -> None:
    await live_together(ledger, ANNA, BERT)
    bundle = a_household_bundle(maximum=3)
    channel = FakeChannel(answers=[answer, DeliveryStatus.REJECTED, DeliveryStatus.DELIVERED])
    senders = [a_sender(ledger, bundle, channel) for _ in range(4)]

    async def persist(number: int) -> SendStatus:
        message = a_message(f"m{number}", customer=(ANNA, BERT)[number % 2])
        while True:
            try:
                return (await senders[number % 4].send(message)).status
            except DeliveryPending:
                await asyncio.sleep(0.01)

    results = await asyncio.gather(*(persist(number) for number in range(24)))
    sent = results.count(SendStatus.DELIVERED)
    assert sent <= 3
    dispatches = [one for one in await shared(ledger, ANNA) if one.kind is ContactKind.DISPATCH]
    assert len(dispatches) == sent
    assert results.count(SendStatus.REFUSED) == 24 - sent - results.count(SendStatus.FAILED)


async def test_a_message_to_another_member_between_reading_and_script_is_noticed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live_together(ledger, ANNA, BERT)
    authorise, answers = permission.AUTHORISE, list[int]()

    async def slow(*call: Any) -> Any:
        if not answers:
            await ledger.add_contacts([(BERT, a_contact("x"))])
        answers.append(await authorise(*call))
        return answers[-1]

    monkeypatch.setattr(permission, "AUTHORISE", slow)
    result = await a_sender(ledger, a_household_bundle()).send(a_message(customer=ANNA))
    assert (result.reason, answers) == ("limit:shared", [0])


async def test_a_bundle_without_shared_limits_is_not_disturbed_by_other_members(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live_together(ledger, ANNA, BERT)
    authorise, answers = permission.AUTHORISE, list[int]()

    async def slow(*call: Any) -> Any:
        await ledger.add_contacts([(BERT, a_contact("x"))])
        answers.append(await authorise(*call))
        return answers[-1]

    monkeypatch.setattr(permission, "AUTHORISE", slow)
    result = await a_sender(ledger, a_bundle(SALE)).send(a_message(customer=ANNA))
    assert (result.status, answers) == (SendStatus.DELIVERED, [1])


async def test_its_own_reservation_never_fills_the_limit_of_the_household(ledger: Ledger) -> None:
    await live_together(ledger, ANNA, BERT)
    channel = FakeChannel(answers=[DeliveryStatus.UNKNOWN, DeliveryStatus.DELIVERED])
    sender = a_sender(ledger, a_household_bundle(), channel)
    with pytest.raises(DeliveryPending):
        await sender.send(a_message("m1", customer=ANNA))
    assert (await sender.send(a_message("m2", customer=BERT))).reason == "limit:shared"
    assert (await sender.send(a_message("m1", customer=ANNA))).status is SendStatus.DELIVERED


async def test_what_was_rejected_counts_for_no_member(ledger: Ledger) -> None:
    await live_together(ledger, ANNA, BERT)
    channel = FakeChannel(answers=[DeliveryStatus.REJECTED, DeliveryStatus.DELIVERED])
    sender = a_sender(ledger, a_household_bundle(), channel)
    assert (await sender.send(a_message("m1", customer=ANNA))).status is SendStatus.FAILED
    assert (await sender.send(a_message("m2", customer=BERT))).status is SendStatus.DELIVERED


async def test_a_decision_counts_what_all_members_saw_and_is_made_again_if_one_sees_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live_together(ledger, ANNA, BERT)
    seen = a_limit("seen", maximum=2, scope=HOUSEHOLD, kinds=[ContactKind.IMPRESSION])
    bundle, ask = a_bundle(SALE, limits=[seen]), Ask(customer=ANNA, channel="web")
    impressions = [a_contact(f"o{n}", kind=ContactKind.IMPRESSION) for n in range(2)]
    await ledger.add_contacts([(BERT, impressions[0])])
    assert (await decided(ledger, bundle, ask)).offers
    call, answers = ledger.wire.call, list[Any]()

    async def slow(*commands: Command, seconds: float | None = None) -> list[Any]:
        if len(commands) > 1:  # a read: state and features, or the circles
            return await call(*commands, seconds=seconds)
        await ledger.add_contacts([(BERT, impressions[1])])
        answers.extend(await call(*commands))
        return answers[-1:]

    monkeypatch.setattr(ledger.wire, "call", slow)
    assert not (await decided(ledger, bundle, ask)).offers
    assert [answer == 1 for answer in answers] == [False, True]
    alone = Ask(customer=CARL, channel="web")
    assert (await decided(ledger, bundle, alone)).offers


# -- joining and leaving


async def test_who_joins_brings_all_contacts_and_who_leaves_takes_them(ledger: Ledger) -> None:
    await ledger.add_contacts([(ANNA, a_contact("a")), (BERT, a_contact("b"))])
    await live_together(ledger, ANNA, BERT)
    assert await together(ledger, ANNA) == await together(ledger, BERT) == {"a", "b"}
    await live_together(ledger, BERT, CARL, name="elm street 2")
    assert await together(ledger, ANNA) == {"a"}
    assert await together(ledger, CARL) == {"b"}
    await ledger.memberships.leave(BERT, HOUSEHOLD)
    assert await together(ledger, CARL) == set()
    assert {one.id for one in (await ledger.state(BERT)).contacts} == {"b"}


async def test_the_journal_knows_where_everybody_is(ledger: Ledger) -> None:
    await ledger.memberships.join(ANNA, ACCOUNT, "4711")
    await live_together(ledger, ANNA)
    assert await ledger.memberships.of(ANNA) == {ACCOUNT: "4711", HOUSEHOLD: "elm street 1"}
    await ledger.memberships.leave(ANNA, ACCOUNT)
    assert await ledger.memberships.of(ANNA) == {HOUSEHOLD: "elm street 1"}
    assert await ledger.memberships.of(BERT) == {}


async def test_joining_again_changes_nothing(ledger: Ledger) -> None:
    await live_together(ledger, ANNA, BERT)
    before = (await ledger.state(ANNA)).version
    for _ in range(3):
        await live_together(ledger, ANNA, BERT)
    assert (await ledger.state(ANNA)).version == before


async def test_an_older_membership_that_arrives_late_changes_nothing(ledger: Ledger) -> None:
    await ledger.add_contacts([(ANNA, a_contact("a"))])
    await live_together(ledger, ANNA)
    there = (await ledger.state(ANNA)).circles
    await live_together(ledger, BERT, name="elm street 2")
    elsewhere = (await ledger.state(BERT)).circles["household"]
    late = Membership(
        customer=ANNA, scope=HOUSEHOLD, circle=elsewhere, external_id="elm street 2", seq=0
    )
    await ledger.memberships.enforce([late])
    assert (await ledger.state(ANNA)).circles == there
    assert await together(ledger, BERT) == set()


async def test_a_membership_that_changes_while_messages_land_loses_and_keeps_nothing(
    ledger: Ledger,
) -> None:
    """The contacts of a circle are those of its members, however the two are interleaved."""
    sender = a_sender(ledger, a_household_bundle(maximum=100))

    async def move() -> None:
        for number in range(20):
            await live_together(ledger, ANNA, name=f"elm street {number % 3}")
            await asyncio.sleep(0)

    async def write() -> None:
        for number in range(20):
            await sender.send(a_message(f"m{number}", customer=ANNA))

    await asyncio.gather(move(), write())
    mine = {one.id for one in (await ledger.state(ANNA)).contacts}
    assert len(mine) == 20
    for number in range(3):
        await live_together(ledger, BERT, name=f"elm street {number}")
        assert await together(ledger, BERT) == (mine if number == 19 % 3 else set())


async def test_circles_are_named_by_opaque_references(ledger: Ledger) -> None:
    circle = await ledger.memberships.join(ANNA, HOUSEHOLD, "elm street 1")
    names = await redis_says(ledger, "KEYS", "*")
    values = await redis_says(ledger, "HVALS", next(name for name in names if b"}l:" in name))
    assert not any(b"elm" in one for one in [*names, *values])
    assert circle.startswith("c")
    assert circle != await ledger.customers.resolve(("household", "elm street 1"))


# -- reading


async def test_nothing_is_read_for_a_customer_without_circles_or_a_bundle_without_scopes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live_together(ledger, ANNA)
    anna, bert = await ledger.state(ANNA), await ledger.state(BERT)

    async def never(*_: object, **__: object) -> Any:
        raise LiveStateUnavailable("nobody should ask")

    monkeypatch.setattr(ledger.wire, "call", never)
    for state, asked in [
        (bert, ["household"]),
        (anna, scopes(a_bundle(SALE))),
        (anna, ["account"]),
        (replace(anna, marker=""), ["household"]),
    ]:
        assert await live.with_circles(ledger.wire, state, asked, 0) == state


def test_a_bundle_says_which_scopes_it_counts_in() -> None:
    limits = [a_limit("a", scope=ACCOUNT), a_limit("b")]
    assert scopes(a_bundle(limits=limits)) == {"account"}
    policy = a_policy("p", scope=HOUSEHOLD)
    assert scopes(a_bundle(limits=limits, policies=(policy,))) == {"account", "household"}


@pytest.mark.parametrize(
    ("read", "seen"),
    [({}, "3"), ({"account": 1}, "3:1:"), ({"household": 0, "account": 2}, "3:2:0")],
)
def test_versions_are_told_in_the_order_of_the_script(read: dict[str, int], seen: str) -> None:
    assert Circles(read=read).seen(3) == seen
