"""Contacts in Redis: small, in order, each once, whatever their words; and back as they went in."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LiveStateUnavailable
from engine.ledger import Ledger, contacts, keys
from engine.ledger.clock import milliseconds
from engine.packed import Packed, groups, times_by_code
from engine.types import Contact, ContactKind
from tests.support.builders import DAY, a_contact, a_customer
from tests.support.ledgers import reconcile, redis_says

_WORDS = st.from_regex(r"[a-z][a-z0-9_-]{0,63}", fullmatch=True)
_IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
CUSTOMER = a_customer()


def entry(packed: bytes, code: int = 0) -> tuple[bytes, bytes]:
    """What the scripts make of a contact, and the code that they choose for its words."""
    chosen = packed[11 + 4 * code : 15 + 4 * code]
    return packed[:6] + chosen + packed[6:11], chosen


def there_and_back(one: Contact) -> Contact:
    """A contact as it is read again."""
    kept, code = entry(contacts.encode(one))
    vocabulary = contacts.Vocabulary()
    vocabulary.learn(b"m", {code: contacts.encode(one)[27:]})
    (found,) = vocabulary.decode(b"m", kept, -1)
    return found


async def seen(ledger: Ledger) -> Sequence[Contact]:
    """The customer's contacts, as a decision reads them."""
    return (await ledger.state(CUSTOMER)).contacts


def now_and(ledger: Ledger, contact_id: str, days: float = 0.0, **more: object) -> Contact:
    """A contact so many days ago."""
    at = milliseconds(ledger.clock.now() - days * DAY)
    return replace(a_contact(contact_id), at=at, **more)  # pyright: ignore[reportArgumentType]


@given(st.sampled_from(ContactKind), st.just("") | _WORDS, _WORDS, _IDS, st.integers(0, 2**48 - 1))
def test_a_contact_comes_back_as_it_went_in(
    kind: ContactKind, outcome: str, name: str, contact_id: str, at: int
) -> None:
    contact = Contact(
        id=contact_id,
        kind=kind,
        at=at,
        channel=name,
        action=name,
        group="",
        purpose=name,
        outcome=outcome,
    )
    found = there_and_back(contact)
    assert found == replace(contact, id=contacts.known_as(contact_id))
    assert contacts.known_as(found.id) == found.id or len(found.id) == 10


@given(_IDS, _IDS)
def test_different_ids_stay_different(one: str, other: str) -> None:
    assert (contacts.known_as(one) == contacts.known_as(other)) == (one == other)


async def test_contacts_are_read_in_the_order_of_their_time(ledger: Ledger) -> None:
    made = [now_and(ledger, f"o{n}", days=30 - n) for n in range(30)]
    mixed = random.Random(1).sample(made, 30)
    await ledger.add_contacts([(CUSTOMER, one) for one in mixed])
    assert await seen(ledger) == tuple(made)


async def test_the_order_of_what_happened_at_once_does_not_depend_on_the_order_of_telling(
    ledger: Ledger,
) -> None:
    made = [now_and(ledger, f"o{n}") for n in range(9)]
    at = made[0].at
    await ledger.add_contacts([(CUSTOMER, replace(one, at=at)) for one in made])
    first = await seen(ledger)
    await redis_says(ledger, "DEL", keys.contacts(CUSTOMER))
    await ledger.add_contacts([(CUSTOMER, replace(one, at=at)) for one in reversed(made)])
    assert await seen(ledger) == first


async def test_a_contact_told_again_at_another_time_counts_once(ledger: Ledger) -> None:
    await ledger.add_contacts([(CUSTOMER, now_and(ledger, "o1", days=2))])
    before = await ledger.state(CUSTOMER)
    await ledger.add_contacts([(CUSTOMER, now_and(ledger, "o1"))])
    assert await ledger.state(CUSTOMER) == before


async def test_one_id_may_be_sent_and_delivered(ledger: Ledger) -> None:
    sent = now_and(ledger, "message-7590-VHVEG-1", kind=ContactKind.DISPATCH)
    delivered = replace(sent, kind=ContactKind.DELIVERY)
    await ledger.add_contacts([(CUSTOMER, sent), (CUSTOMER, delivered)])
    kept = await seen(ledger)
    assert {one.kind for one in kept} == {ContactKind.DISPATCH, ContactKind.DELIVERY}
    assert {one.id for one in kept} == {contacts.known_as(sent.id)}


async def test_contacts_too_old_for_any_limit_are_forgotten(ledger: Ledger) -> None:
    await ledger.add_contacts([(CUSTOMER, now_and(ledger, "old", days=401))])
    await ledger.add_contacts([(CUSTOMER, now_and(ledger, "o1"))])
    assert len(await redis_says(ledger, "GET", keys.contacts(CUSTOMER))) == contacts.SIZE


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(-1, 51))
def test_only_what_is_later_is_read(times: list[int], since: int) -> None:
    made = [replace(a_contact("o1"), at=at) for at in sorted(times)]
    pairs = [entry(contacts.encode(one)) for one in made]
    vocabulary = contacts.Vocabulary()
    vocabulary.learn(b"m", {code: contacts.encode(made[0])[27:] for _, code in pairs})
    kept = b"".join(one for one, _ in pairs)
    found = vocabulary.decode(b"m", kept, since)
    assert [one.at for one in found] == [at for at in sorted(times) if at > since]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=300))
def test_hundreds_are_read_as_a_few_are(told: list[tuple[int, int]]) -> None:
    made = [replace(a_contact(f"o{n}", action=f"a{n}"), at=10**12) for n in range(10)]
    words = [entry(contacts.encode(one))[1] for one in made]
    vocabulary = contacts.Vocabulary()
    vocabulary.learn(b"m", {entry(p)[1]: p[27:] for p in map(contacts.encode, made)})
    at, kept = 10**12, b""
    for number, pause in told:
        at += pause
        kept += at.to_bytes(6) + words[number] + b"o\0\0\0\0"
    found = vocabulary.decode(b"m", kept, -1)
    assert [(one.action, one.at) for one in found] == [
        (one.action, one.at) for one in Packed(kept, vocabulary.under(b"m"), times_by_code)
    ]
    assert groups(found) == groups(Packed(kept, vocabulary.under(b"m"), times_by_code))


async def test_words_whose_code_is_taken_get_another_one(ledger: Ledger) -> None:
    one = now_and(ledger, "o1")
    _, first = entry(contacts.encode(one))
    await redis_says(ledger, "HSET", keys.WORDS, first, "response|web|other|group|sales|later")
    await ledger.add_contacts([(CUSTOMER, one), (CUSTOMER, now_and(ledger, "o2"))])
    assert [each.action for each in await seen(ledger)] == [one.action] * 2
    assert {each.outcome for each in await seen(ledger)} == {one.outcome}


async def test_codes_that_mean_something_else_after_a_rebuild_are_asked_for_again(
    ledger: Ledger,
) -> None:
    one = now_and(ledger, "o1")
    await ledger.add_contacts([(CUSTOMER, one)])
    assert await seen(ledger) == (one,)
    kept, code = entry(contacts.encode(one))
    await redis_says(ledger, "FLUSHALL")
    await redis_says(ledger, "SET", keys.contacts(CUSTOMER), kept)
    await redis_says(ledger, "HSET", keys.WORDS, code, "response|web|other|group|sales|later")
    await reconcile(ledger, "another")
    assert [each.action for each in await seen(ledger)] == ["other"]


async def test_contacts_whose_words_are_lost_count_as_unreadable(ledger: Ledger) -> None:
    await ledger.add_contacts([(CUSTOMER, now_and(ledger, "o1"))])
    await redis_says(ledger, "DEL", keys.WORDS)
    await reconcile(ledger, "without words")
    with pytest.raises(LiveStateUnavailable, match="what its contacts are about"):
        await ledger.state(CUSTOMER)


async def test_contacts_told_at_once_are_all_kept(ledger: Ledger) -> None:
    made = [now_and(ledger, f"o{n}") for n in range(40)]
    await asyncio.gather(*(ledger.add_contacts([(CUSTOMER, one)]) for one in made))
    assert {one.id for one in await seen(ledger)} == {one.id for one in made}


async def test_fifty_contacts_take_less_than_a_kilobyte(ledger: Ledger) -> None:
    made = [now_and(ledger, f"{n:024x}", days=n) for n in range(50)]
    await ledger.add_contacts([(CUSTOMER, one) for one in made])
    held = await redis_says(ledger, "MEMORY", "USAGE", keys.contacts(CUSTOMER))
    assert held <= 1_024
