"""Whoever changes one byte of a decision's record is found out; old records can still be read."""

from __future__ import annotations

from typing import cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.decide import decide
from engine.errors import UnknownDecision
from engine.ledger import Ledger, archive, keys
from engine.ledger.earlier import stored_decision
from engine.live import Ask
from engine.record import Seal, decision_of, read, record, seal_key, seal_of, verify
from tests.support.builders import (
    a_bundle,
    a_customer,
    a_hold,
    a_request,
    a_rule,
    a_snapshot,
    an_action,
)
from tests.support.ledgers import NoModels, decided, redis_says

KEY = seal_key(b"a stack's own key")
BUNDLE = a_bundle(an_action("fiber"), an_action("tip", purpose="nurture"))


def a_record(key: bytes | None = KEY) -> bytes:
    """The record of one decision."""
    request = a_request()
    snapshot = a_snapshot(features={"contract.age": 30}, holds=(a_hold(),))
    return record(request, snapshot, decide(request, snapshot, BUNDLE, NoModels()), key)


def test_a_record_is_sealed_and_still_plain_json() -> None:
    kept = a_record()
    assert verify(kept, KEY)
    assert seal_of(kept, KEY) is Seal.INTACT
    assert list(orjson.loads(kept)) == ["version", "request", "snapshot", "decision", "seal"]
    assert orjson.loads(kept)["version"] == 3


@pytest.mark.parametrize("explain", [True, False])
def test_every_record_holds_the_whole_decision_byte_for_byte(explain: bool) -> None:
    actions = [an_action(f"a{n}", rules=[a_rule(f"contract.age > {n}")]) for n in range(100)]
    ages = (None, *range(60), None)
    for number, age in enumerate(ages):
        bundle = a_bundle(*actions, fallbacks={"*": "a99"})
        request = a_request(explain=explain)
        holds = (a_hold(str(number)),) if number % 3 == 0 else ()
        snapshot = a_snapshot(features={"contract.age": age}, holds=holds)
        decision = decide(request, snapshot, bundle, NoModels())
        for _ in range(2):
            kept = record(request, snapshot, decision)
            assert orjson.dumps(decision_of(kept)) == orjson.dumps(decision)


@settings(max_examples=300)
@given(place=st.integers(0, 10**6), other=st.integers(1, 255))
def test_a_change_of_any_byte_is_noticed(place: int, other: int) -> None:
    kept = bytearray(a_record())
    kept[place % len(kept)] ^= other
    assert not verify(bytes(kept), KEY)
    assert seal_of(bytes(kept), KEY) is Seal.TAMPERED


@given(cut=st.integers(1, 400), added=st.binary(max_size=3))
def test_a_record_that_was_cut_or_added_to_is_noticed(cut: int, added: bytes) -> None:
    kept = a_record()
    assert not verify(kept[:-cut] + added, KEY)
    assert not verify(added + kept[cut:], KEY)
    assert not verify(kept + b" ", KEY)


@pytest.mark.parametrize("part", ["request", "snapshot", "decision"])
def test_a_part_that_was_written_anew_is_noticed(part: str) -> None:
    kept = orjson.loads(a_record())
    kept[part]["customer" if part != "decision" else "level"] = "stale"
    assert seal_of(orjson.dumps(kept), KEY) is Seal.TAMPERED


def test_without_its_seal_a_sealed_record_is_tampered_with() -> None:
    kept = orjson.loads(a_record())
    del kept["seal"]
    assert seal_of(orjson.dumps(kept), KEY) is Seal.TAMPERED


def test_the_seal_of_another_stack_does_not_count() -> None:
    assert seal_of(a_record(seal_key(b"another")), KEY) is Seal.TAMPERED


def test_a_record_in_the_place_of_another_is_noticed() -> None:
    kept = a_record()
    assert seal_of(kept, KEY, decision_of(kept).decision_id) is Seal.INTACT
    assert seal_of(kept, KEY, "01KJMK6G00ABCDEFGHJKMNPQRZ") is Seal.TAMPERED


def test_a_record_of_the_first_version_can_be_read_and_is_called_unsealed() -> None:
    old = a_record(key=None)
    assert orjson.loads(old)["version"] == 1
    assert seal_of(old, KEY) is Seal.UNSEALED
    assert read(old).decision == decision_of(a_record())


def test_what_is_no_record_is_tampered_with() -> None:
    for broken in (b"", b"{}", b"[]", b"null", b"\xff", b'{"version":1}x'):
        assert seal_of(broken, KEY) is Seal.TAMPERED


def test_the_key_of_the_seals_is_not_the_key_of_the_names() -> None:
    assert seal_key(b"k" * 32) != b"k" * 32
    assert seal_key(b"k" * 32) == seal_key(b"k" * 32)


# -- wherever it is kept


async def test_what_is_recorded_is_sealed_in_stream_and_archive(ledger: Ledger) -> None:
    made = await decided(ledger, BUNDLE, Ask(customer=a_customer(), channel="web"))
    key = ledger.site.seal_key
    assert seal_of(await ledger.raw_record(made.decision_id), key) is Seal.INTACT
    await archive.archive_stream(ledger)
    assert seal_of(await ledger.raw_record(made.decision_id), key) is Seal.INTACT


async def test_an_answer_that_was_tampered_with_is_not_given_again(ledger: Ledger) -> None:
    made = await decided(ledger, BUNDLE, Ask(customer=a_customer(), channel="web"))
    assert await stored_decision(ledger, made.decision_id) == made
    kept = await ledger.raw_record(made.decision_id)
    changed = kept.replace(b'"rank":1', b'"rank":2')
    assert changed != kept
    await redis_says(ledger, "DEL", keys.DECISIONS)
    entry = cast(
        bytes,
        await redis_says(ledger, "XADD", keys.DECISIONS, "*", "d", made.decision_id, "r", changed),
    )
    await redis_says(ledger, "SET", keys.decision(made.decision_id), entry)
    assert seal_of(await ledger.raw_record(made.decision_id), ledger.site.seal_key) is Seal.TAMPERED
    assert await stored_decision(ledger, made.decision_id) is None


async def test_a_decision_that_never_was_has_no_record(ledger: Ledger) -> None:
    with pytest.raises(UnknownDecision):
        await ledger.raw_record("01KJMK6G00ABCDEFGHJKMNPQRS")
