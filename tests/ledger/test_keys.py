"""Keys: a customer's keys share the slot of their Feast row, and decision ids lead back to it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from engine.ledger import ids, keys
from tests.support.builders import DAY, NOW, a_customer

names = st.text(max_size=20)


def slot_of(key: str) -> int:
    """The slot in which a cluster keeps a key with a hash tag."""
    tag = re.fullmatch(r"\{([^}]+)\}.*", key, re.DOTALL)
    assert tag
    return keys.slot(tag[1].encode())


def test_slots_are_those_of_redis_cluster() -> None:
    assert keys.slot(b"123456789") == 0x31C3
    assert keys.slot(b"foo") == 12182


@given(names)
def test_all_keys_of_a_customer_share_the_slot_of_their_feature_row(name: str) -> None:
    customer = a_customer(name)
    row = keys.slot(keys.row_key(customer))
    made = ids.decision_id(NOW, customer)
    own = (
        keys.live(customer),
        keys.contacts(customer),
        keys.answer(customer, "}{any"),
        keys.decision(made),
    )
    assert {slot_of(key) for key in own} == {row}
    assert len(set(own)) == 4


@given(names, st.integers(0, 50 * 365 * 86_400_000))
def test_a_decision_id_tells_its_time_and_sorts_by_it(name: str, after: int) -> None:
    at = NOW + DAY * (after / 86_400_000)
    made = ids.decision_id(at, a_customer(name))
    assert ids.is_decision_id(made)
    assert abs((ids.time_of(made) - at).total_seconds()) <= 0.001
    assert ids.decision_id(NOW - DAY, a_customer(name)) < made


def test_ids_made_at_once_differ() -> None:
    assert len({ids.decision_id(NOW, a_customer()) for _ in range(1000)}) == 1000
    assert len({ids.sortable_id(NOW) for _ in range(1000)}) == 1000


def test_what_is_no_decision_id_is_not_taken_for_one() -> None:
    good = ids.decision_id(NOW, a_customer())
    for bad in (
        "",
        good[:-1],
        good + "0",
        good.lower(),
        "U" * 26,
        "Z" + good[1:],
        "7" + "Z" * 25,
        "*" * 26,
    ):
        assert not ids.is_decision_id(bad)
