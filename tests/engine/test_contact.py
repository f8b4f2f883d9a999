"""Contact limits: what counts, when one frees, and that a send counts as a decision does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.catalog import ContactLimit
from engine.contact import consented, counters, first_reached, horizon, reached
from engine.ledger import Ledger
from engine.ledger.sends import Sender, SendStatus
from engine.types import Contact, ContactKind
from tests.support.builders import (
    DAY,
    NOW,
    WEEK,
    a_bundle,
    a_contact,
    a_customer,
    a_limit,
    a_message,
    a_purpose,
    an_action,
)
from tests.support.ledgers import FakeChannel, standing_at

IMPRESSION, DISPATCH = ContactKind.IMPRESSION, ContactKind.DISPATCH
ACTION = an_action("upgrade")


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    """Its clock stands where the messages are."""
    return standing_at(ledger, NOW)


def until(limit: ContactLimit, *contacts: Contact, channel: str = "email") -> datetime | None:
    """When a limit frees for the usual action; None while it has room."""
    [counter] = counters(a_bundle(ACTION, limits=[limit]), ACTION, channel, NOW)
    return reached(counter, contacts)


def test_a_limit_has_room_until_it_is_full() -> None:
    first, second = a_contact(at=NOW - 3 * DAY), a_contact(at=NOW - DAY)
    assert until(a_limit(maximum=2)) is None
    assert until(a_limit(maximum=2), first) is None
    assert until(a_limit(maximum=2), first, second) == NOW + 4 * DAY


def test_an_over_full_limit_frees_only_once_enough_contacts_have_left() -> None:
    days = [a_contact(f"m{n}", at=NOW - n * DAY) for n in (6, 5, 4, 1)]
    assert until(a_limit(maximum=2), *days) == NOW + 3 * DAY


def test_a_rolling_window_ends_to_the_millisecond() -> None:
    limit, moment = a_limit(maximum=1), timedelta(milliseconds=1)
    assert until(limit, a_contact(at=NOW - WEEK)) is None
    assert until(limit, a_contact(at=NOW - WEEK + moment)) == NOW + moment


@pytest.mark.parametrize(
    ("limit", "counts"),
    [
        (a_limit(maximum=1), True),
        (a_limit(maximum=1, kinds=[IMPRESSION]), False),
        (a_limit(maximum=1, kinds=[IMPRESSION, DISPATCH]), True),
        (a_limit(maximum=1, per="action"), False),
        (a_limit(maximum=1, per="group"), True),
        (a_limit(maximum=1, per="purpose"), False),
        (a_limit(maximum=1, purposes=["sales"]), False),
        (a_limit(maximum=1, purposes=["sales", "nurture"]), True),
        (a_limit(maximum=1, per_channel=True), False),
    ],
)
def test_each_limit_says_which_contacts_count(limit: ContactLimit, counts: bool) -> None:
    other = a_contact(action="other", purpose="nurture", channel="whatsapp")
    assert (until(limit, other) is not None) is counts


@pytest.mark.parametrize(
    "limit",
    [
        a_limit(purposes=["nurture"]),
        a_limit(groups=["billing"]),
        a_limit(actions=["other"]),
        a_limit(channels=["whatsapp"]),
    ],
)
def test_a_limit_applies_only_to_the_candidates_it_names(limit: ContactLimit) -> None:
    assert counters(a_bundle(ACTION, limits=[limit]), ACTION, "email", NOW) == ()


def test_exempt_actions_have_no_limits() -> None:
    legal = an_action("terms", purpose="service", exempt="legal")
    assert counters(a_bundle(legal, limits=[a_limit()]), legal, "email", NOW) == ()


@pytest.mark.parametrize("channel", ["web", "app", "call"])
def test_showing_is_no_dispatch(channel: str) -> None:
    sent = a_limit(kinds=[DISPATCH, ContactKind.DELIVERY])
    both = a_limit("both", kinds=[DISPATCH, IMPRESSION])
    bundle = a_bundle(ACTION, limits=[sent, both])
    assert [one.name for one in counters(bundle, ACTION, channel, NOW)] == ["both"]


def test_of_several_full_limits_the_one_that_lasts_longest_is_named() -> None:
    limits = [a_limit("day", maximum=1, window=2 * DAY), a_limit("week", maximum=1)]
    bundle = a_bundle(ACTION, limits=limits)
    for order in itertools.permutations(counters(bundle, ACTION, "email", NOW)):
        found = first_reached(order, [a_contact()])
        assert found is not None
        assert (found[0].name, found[1]) == ("week", NOW + 6 * DAY)


def test_consent_is_three_valued_per_purpose_and_channel() -> None:
    bundle = a_bundle(ACTION, purposes=[a_purpose("sales", refused_on=["email"])])
    assert not consented(bundle, ACTION, "email", {})
    assert consented(bundle, ACTION, "whatsapp", {})
    assert consented(bundle, ACTION, "email", {"sales:email": True})
    assert not consented(bundle, ACTION, "whatsapp", {"sales:whatsapp": False})
    assert not consented(bundle, ACTION, "email", {"nurture:email": True, "sales:web": True})
    assert not consented(bundle, ACTION, "fax", {})


def test_contacts_matter_as_long_as_the_longest_window() -> None:
    assert horizon(a_bundle(limits=[a_limit(window=DAY), a_limit(window=90 * DAY)])) == 90 * DAY
    assert horizon(a_bundle()) == DAY


# -- the decision and the send count alike

NAMES = ("a", "b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message to somebody whom other contacts have reached, under some limits."""

    limits: tuple[ContactLimit, ...]
    contacts: tuple[Contact, ...]
    name: str
    group: str
    purpose: str
    channel: str


def a_case(dice: Random) -> Case:
    """A case by chance: few names, so that contacts, limits and messages meet."""
    limits = [a_random_limit(dice, f"limit{n}") for n in range(dice.randint(1, 4))]
    return Case(
        limits=tuple(limits),
        contacts=tuple(a_random_contact(dice) for _ in range(dice.randint(0, 12))),
        name=dice.choice(NAMES),
        group=dice.choice(NAMES),
        purpose=dice.choice(["sales", "nurture"]),
        channel=dice.choice(["email", "whatsapp"]),
    )


def a_random_limit(dice: Random, name: str) -> ContactLimit:
    """A limit by chance."""

    def some(choices: Sequence[str]) -> list[str]:
        return [] if dice.random() < 0.7 else dice.sample(choices, dice.randint(1, 2))

    return a_limit(
        name,
        maximum=dice.randint(1, 3),
        window=timedelta(hours=dice.randint(1, 80)),
        kinds=dice.sample(list(ContactKind), dice.randint(1, 4)),
        per=dice.choice(["customer", "purpose", "group", "action"]),
        per_channel=dice.random() < 0.3,
        purposes=some(["sales", "nurture", "survey"]),
        groups=some(NAMES),
        actions=some(NAMES),
        channels=some(["email", "whatsapp"]),
    )


def a_random_contact(dice: Random) -> Contact:
    """A contact by chance, some at the very edge of a window."""
    return a_contact(
        dice.choice(["m1", "m2", "m|3", "o4"]),
        kind=dice.choice(list(ContactKind)),
        at=NOW - timedelta(hours=dice.randint(0, 80), milliseconds=dice.choice([0, 0, 1, -1])),
        channel=dice.choice(["email", "whatsapp", "web"]),
        action=dice.choice(NAMES),
        group=dice.choice(NAMES),
        purpose=dice.choice(["sales", "nurture", "survey"]),
    )


_numbers = itertools.count()


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
async def test_a_send_is_checked_by_what_a_decision_promises(ledger: Ledger, seed: int) -> None:
    dice = Random(seed)
    await asyncio.gather(*(agrees(ledger, a_case(dice)) for _ in range(50)))


async def agrees(ledger: Ledger, case: Case) -> None:
    """The script that authorises a send says what the engine says."""
    number = next(_numbers)
    own, customer = f"own{number}", a_customer(f"differential {number}")
    contacts = [replace(one, id=own) if one.id == "m1" else one for one in case.contacts]
    await ledger.add_contacts([(customer, contact) for contact in contacts])
    action = an_action(case.name, purpose=case.purpose, group=case.group)
    bundle = a_bundle(action, limits=case.limits)
    kept = (await ledger.state(customer)).contacts
    others = [contact for contact in kept if contact.id != own]
    promised = first_reached(counters(bundle, action, case.channel, NOW), others)

    sender = Sender(ledger, {case.channel: FakeChannel()}, lambda: bundle)
    sent = await sender.send(a_message(own, action, channel=case.channel, customer=customer))
    if promised is None:
        assert (sent.status, sent.reason) == (SendStatus.DELIVERED, "")
    else:
        counter, frees = promised
        wanted = (SendStatus.REFUSED, f"limit:{counter.name}", frees.astimezone(UTC))
        assert (sent.status, sent.reason, sent.until) == wanted


async def test_a_refused_send_names_the_limit_that_lasts_longest(ledger: Ledger) -> None:
    limits = [a_limit("day", maximum=1, window=2 * DAY), a_limit("week", maximum=1)]
    await ledger.add_contacts([(a_customer(), a_contact(at=NOW - DAY))])
    for order in itertools.permutations(limits):
        bundle = a_bundle(ACTION, limits=order)
        sender = Sender(ledger, {"email": FakeChannel()}, lambda bundle=bundle: bundle)
        sent = await sender.send(a_message(f"m {order[0].name}", ACTION))
        assert (sent.reason, sent.until) == ("limit:week", NOW + 6 * DAY)
