"""Holds as leases: counted, placed again, released only up to the position that was seen."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.errors import HoldOwnedByJourney, LiveStateUnavailable, UnknownHold
from engine.ledger import Ledger, facts
from engine.ledger.encoded import decode_hold, encode_hold
from engine.ledger.sends import Sender
from engine.types import Hold, HoldState
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_customer,
    a_hold,
    a_message,
    an_action,
)
from tests.support.ledgers import FakeChannel, NoFeatures, redis_says

CUSTOMER = a_customer()


async def held(ledger: Ledger) -> list[Hold]:
    """The holds in Redis, after checking that the journal has the same open ones."""
    kept = await ledger.journal.read(lambda connection: facts.open_holds(connection, [CUSTOMER]))
    found = (await ledger.state(CUSTOMER)).holds
    assert sorted(hold.id for _, hold in kept) == sorted(hold.id for hold in found)
    assert {hold.id: hold for _, hold in kept} == {hold.id: hold for hold in found}
    return list(found)


async def released(ledger: Ledger, up_to: int, case: str = "4711") -> bool:
    """Whether the hold of a case is over after its journey let it go."""
    return await ledger.release_hold(CUSTOMER, f"complaint:{case}", up_to, "journey", "resolved")


async def test_a_hold_reads_as_it_was_placed(ledger: Ledger) -> None:
    hold = a_hold(until=NOW + DAY, seq=7)
    await ledger.place_hold(CUSTOMER, hold)
    assert await held(ledger) == [hold]


async def test_placing_it_twice_changes_nothing(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold())
    version = (await ledger.state(CUSTOMER)).version
    await ledger.place_hold(CUSTOMER, a_hold())
    assert (await ledger.state(CUSTOMER)).version == version
    assert len(await held(ledger)) == 1


async def test_of_two_complaints_one_resolved_leaves_the_other(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold("1", seq=1))
    await ledger.place_hold(CUSTOMER, a_hold("2", seq=2))
    assert await released(ledger, 3, "1")
    assert [hold.id for hold in await held(ledger)] == ["complaint:2"]
    assert await released(ledger, 3, "2")
    assert await held(ledger) == []


async def test_a_hold_that_was_placed_again_is_not_released_by_what_was_seen_before(
    ledger: Ledger,
) -> None:
    await ledger.place_hold(CUSTOMER, a_hold(seq=5))
    await ledger.place_hold(CUSTOMER, a_hold(seq=9))
    assert not await released(ledger, 8)
    assert [hold.seq for hold in await held(ledger)] == [9]
    assert await released(ledger, 9)
    assert await held(ledger) == []


async def test_a_released_hold_is_opened_again_only_by_a_later_event(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold(seq=5))
    await released(ledger, 5)
    await ledger.journal.write(
        lambda connection: facts.keep_hold(connection, CUSTOMER, a_hold(seq=5))
    )
    assert await held(ledger) == []
    await ledger.place_hold(CUSTOMER, a_hold(seq=6))
    assert [hold.seq for hold in await held(ledger)] == [6]


async def test_an_earlier_placement_never_replaces_a_later_one(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold(seq=9))
    await ledger.place_hold(CUSTOMER, a_hold(seq=2, until=NOW))
    assert await held(ledger) == [a_hold(seq=9)]


async def test_releasing_twice_is_releasing_once(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold())
    assert await released(ledger, 1)
    assert await released(ledger, 1)
    assert await released(ledger, 1, "never was")


async def test_a_release_that_redis_missed_is_repeated(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.place_hold(CUSTOMER, a_hold())

    async def away(*_: object, **__: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(ledger.redis, "execute_command", away)
        with pytest.raises(LiveStateUnavailable):
            await released(ledger, 1)
    assert len(await ledger.holds(CUSTOMER)) == 1
    assert await released(ledger, 1)
    assert await held(ledger) == []


async def test_placing_and_releasing_at_once_leaves_journal_and_redis_alike(
    ledger: Ledger,
) -> None:
    for turn in range(1, 20, 2):
        await ledger.place_hold(CUSTOMER, a_hold(seq=turn))
        await asyncio.gather(
            ledger.place_hold(CUSTOMER, a_hold(seq=turn + 1)),
            released(ledger, turn),
            released(ledger, turn),
        )
        assert [hold.seq for hold in await held(ledger)] == [turn + 1]


async def test_a_hold_that_ended_meanwhile_is_not_put_back(ledger: Ledger) -> None:
    """Who compares holds with their workflows has read them a while ago."""
    gone, stays = a_hold("1", seq=1), a_hold("2", seq=2)
    await ledger.place_hold(CUSTOMER, gone)
    await ledger.place_hold(CUSTOMER, stays)
    await released(ledger, 1, "1")
    await redis_says(ledger, "FLUSHALL")
    await ledger.enforce_again([(CUSTOMER, gone), (CUSTOMER, stays)])
    assert await held(ledger) == [stays]
    await ledger.orphan_hold(CUSTOMER, gone)
    assert await held(ledger) == [stays]


# -- operators


async def test_an_operator_places_and_ends_a_hold(ledger: Ledger) -> None:
    hold_id = await ledger.place_operator_hold(CUSTOMER, ["sales"], [], "moving", "ann", None)
    [hold] = await held(ledger)
    assert (hold.id, hold.owner, hold.because) == (hold_id, "operator:ann", "moving")
    await ledger.end_hold_by_operator(CUSTOMER, hold_id, "bob", "moved")
    assert await held(ledger) == []
    with pytest.raises(UnknownHold):
        await ledger.end_hold_by_operator(CUSTOMER, hold_id, "bob", "moved")


async def test_an_operators_hold_waits_for_messages_on_their_way(ledger: Ledger) -> None:
    sale = an_action("upgrade")
    channel = FakeChannel(seconds=0.2)
    sender = Sender(ledger, {"email": channel}, lambda: a_bundle(sale), NoFeatures())
    send = asyncio.create_task(sender.send(a_message("m1", sale)))
    await channel.busy.wait()
    await ledger.place_operator_hold(CUSTOMER, ["sales"], [], "moving", "ann", None)
    assert channel.ended == ["m1"]
    await send


async def test_an_operator_can_not_end_the_hold_of_a_running_journey(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold())
    with pytest.raises(HoldOwnedByJourney):
        await ledger.end_hold_by_operator(CUSTOMER, "complaint:4711", "ann", "please")
    assert len(await held(ledger)) == 1


async def test_an_operator_ends_a_hold_whose_owner_is_lost(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold())
    await ledger.orphan_hold(CUSTOMER, a_hold())
    assert await held(ledger) == [replace(a_hold(), state=HoldState.ORPHANED)]
    await ledger.end_hold_by_operator(CUSTOMER, "complaint:4711", "ann", "looked into it")
    assert await held(ledger) == []


async def test_a_case_that_is_reported_again_takes_an_orphaned_hold_over(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold())
    await ledger.orphan_hold(CUSTOMER, a_hold())
    await ledger.place_hold(CUSTOMER, a_hold(seq=5))
    assert await held(ledger) == [a_hold(seq=5)]
    assert await ledger.open_holds() == [(CUSTOMER, a_hold(seq=5))]


async def test_holds_of_other_customers_are_left_alone(ledger: Ledger) -> None:
    other = a_customer("other")
    await ledger.place_hold(CUSTOMER, a_hold())
    await ledger.place_hold(other, a_hold(seq=2))
    await released(ledger, 9)
    assert [hold.seq for hold in await ledger.holds(other)] == [2]


def test_a_hold_survives_its_encoding() -> None:
    hold = a_hold(until=NOW + DAY, state=HoldState.ORPHANED)
    assert decode_hold(hold.id, encode_hold(hold)) == hold
