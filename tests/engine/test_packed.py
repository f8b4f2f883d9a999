"""Packed contacts are the contacts that were packed, whoever counts, compares or records them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bundle import load_bundle
from engine.decide import decide, plainly
from engine.ledger.site import BUNDLES
from engine.packed import Packed, UnknownWords, groups, pack, since, times_by_code
from engine.record import read, record
from engine.types import Contact, ContactKind, Snapshot
from feature_store.schema import FEATURES
from tests.support.builders import a_contact, a_request, a_snapshot
from tests.support.situations import AnyScores, any_bundle, any_case

TELCO = load_bundle(BUNDLES / "telco", features=FEATURES)
_WORDS = st.sampled_from(("a", "b", "mobile-offer"))
_SHORT = st.from_regex(r"[ -~]{1,5}", fullmatch=True).filter(lambda one: one == one.rstrip())
_HASHED = st.from_regex(r"[89a-f][0-9a-f]{9}", fullmatch=True)
_contacts = st.builds(
    Contact,
    id=_SHORT | _HASHED,
    kind=st.sampled_from(ContactKind),
    at=st.integers(0, 2**48 - 1) | st.integers(10**12, 10**12 + 9),
    channel=_WORDS,
    action=_WORDS,
    group=_WORDS,
    purpose=_WORDS,
    outcome=st.sampled_from(("", "reject")),
)


def in_order(made: list[Contact]) -> tuple[Contact, ...]:
    """As contacts are read."""
    return tuple(sorted(made, key=lambda one: one.at))


def packed(made: tuple[Contact, ...]) -> Packed:
    """All of them, as they would come out of Redis."""
    found = pack(made)
    assert found is not None
    return found


def by_words(contacts: Packed | tuple[Contact, ...]) -> dict[tuple[str, ...], list[int]]:
    """When contacts were, by what they were."""
    return {
        (one.kind, one.channel, one.action, one.group, one.purpose, one.outcome): [*times]
        for one, times in groups(contacts)
    }


@given(st.lists(_contacts, max_size=12).map(in_order), st.integers(1, 9))
def test_packed_contacts_are_the_tuple_of_them(made: tuple[Contact, ...], often: int) -> None:
    made = in_order([*made * often])
    found = packed(made)
    assert found == made
    assert made == found
    assert tuple(found) == made
    assert [*reversed(found)] == [*reversed(made)]
    assert (len(found), bool(found), hash(found), repr(found)) == (
        len(made),
        bool(made),
        hash(made),
        repr(made),
    )
    assert found[:3] == made[:3]
    assert all(one in found for one in made)
    assert pickle.loads(pickle.dumps(found)) == made
    assert by_words(found) == by_words(made)
    assert [*by_words(found)] == [*by_words(made)]


@given(st.lists(_contacts, min_size=1, max_size=12).map(in_order), st.integers(-1, 1))
def test_only_what_is_late_enough_is_taken(made: tuple[Contact, ...], off: int) -> None:
    found, at = packed(made), made[len(made) // 2].at + off
    late = tuple(one for one in made if one.at >= at)
    assert tuple(since(found, at)) == tuple(since(made, at)) == late
    assert tuple(since(found, at)) == late


def test_a_changed_contact_is_another() -> None:
    one = a_contact("o1")
    assert packed((one,)) != packed((replace(one, action="another"),))
    assert packed((one,)) != packed((replace(one, id="o2"),))
    assert packed((one,)) != (one, one)
    assert packed((one,)) != [one]


@pytest.mark.parametrize(
    "contact_id", ["", "o 1 ", "toolong", "0123456789", "ABCDEF0123", "a\0b", "äö", "a\0"]
)
def test_an_id_that_would_not_come_back_is_not_packed(contact_id: str) -> None:
    found = pack((replace(a_contact("o1"), id=contact_id),))
    assert found is None or found[0].id == contact_id


def test_contacts_out_of_order_or_before_1970_are_not_packed() -> None:
    one = a_contact("o1")
    assert pack((one, replace(one, at=one.at - 1))) is None
    assert pack((replace(one, at=-1),)) is None
    assert pack((replace(one, at=2**48),)) is None


def test_a_code_that_nobody_knows_is_told() -> None:
    with pytest.raises(UnknownWords):
        Packed(packed((a_contact("o1"),)).kept, {}, times_by_code)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_decisions_and_records_do_not_tell_packed_contacts_from_others(seed: int) -> None:
    dice = Random(seed)
    bundle = TELCO if dice.random() < 0.3 else any_bundle(dice)
    request, plain = any_case(dice, bundle, {"contract.type": "A", "billing.bill": 20.0})
    also = replace(
        plain,
        contacts=packed(tuple(plain.contacts)),
        circles={scope: packed(tuple(every)) for scope, every in plain.circles.items()},
    )
    assert also == plain
    scorer, through = AnyScores(dice), dice.choice((decide, plainly))
    decisions = [through(request, one, bundle, scorer) for one in (plain, also)]
    assert orjson.dumps(decisions[0]) == orjson.dumps(decisions[1])
    kept = [record(request, one, decisions[0], b"k") for one in (plain, also)]
    assert kept[0] == kept[1]
    assert read(kept[0]).snapshot == plain


def test_a_record_of_many_contacts_holds_each_of_their_words_once() -> None:
    made = tuple(replace(a_contact(f"o{n}"), at=10**12 + n) for n in range(500))
    kept = recorded(a_snapshot(contacts=made))
    assert len(kept) < len(recorded(a_snapshot())) + 500 * 20 + 200
    assert read(kept).snapshot.contacts == made


def test_contacts_that_can_not_be_packed_are_recorded_as_they_are() -> None:
    made = (replace(a_contact("o1"), id="an id of many words"),)
    assert read(recorded(a_snapshot(contacts=made))).snapshot.contacts == made


def test_a_record_with_packed_contacts_that_were_cut_off_can_not_be_read() -> None:
    kept = orjson.loads(recorded(a_snapshot(contacts=(a_contact("o1"),))))
    kept["snapshot"]["contacts"]["packed"] = "AAAA"
    with pytest.raises(ValueError, match="cut off"):
        read(orjson.dumps(kept))


def recorded(snapshot: Snapshot) -> bytes:
    """The record of a decision on this."""
    decision = decide(a_request(), snapshot, TELCO, AnyScores(Random(1)))
    return record(a_request(), snapshot, decision)
