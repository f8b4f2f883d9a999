"""Volumes in force: never more than there is, whoever asks, crashes or wipes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from engine.catalog import Bundle, Period
from engine.channels.delivery import DeliveryStatus
from engine.errors import LiveStateUnavailable
from engine.ledger import Ledger, keys, tables
from engine.ledger.clock import Clock
from engine.ledger.outcomes import Outcome, Told
from engine.ledger.sends import DeliveryPending, Sender
from engine.ledger.wire import Command
from engine.live import Ask
from engine.replay import identical
from engine.types import Decision, Placement
from tests.support.builders import (
    NOW,
    a_bundle,
    a_customer,
    a_message,
    a_reach,
    a_volume,
    an_action,
)
from tests.support.ledgers import FakeChannel, NoFeatures, decided, reconcile, redis_says
from tests.support.servers import Server
from tests.support.temporal import FakeTemporal
from workflows.rebuild import rebuild

PHONE = an_action("phone", value=30)
TABLET = an_action("tablet", value=20)
HELP = an_action("help", purpose="service", value=1)
STOCK = a_volume("stock", maximum=10, reach=a_reach(purposes=["sales"]))
CONFIRMED = replace(STOCK, used_by=frozenset({"accept"}))
USED_AT_ONCE = a_bundle(PHONE, HELP, volumes=[STOCK])
RESERVING = a_bundle(PHONE, HELP, volumes=[CONFIRMED])
BUCKET = "stock|ever"
PROCESSES = 8
PEOPLE = 64
MINUTE = timedelta(minutes=1)


def customer(number: int) -> str:
    """One of many customers."""
    return a_customer(f"customer {number}")


async def offered(
    ledger: Ledger, number: int = 0, bundle: Bundle = RESERVING, **more: Any
) -> Decision:
    """The decision for one of many customers on the web."""
    more.setdefault("deadline_ms", 20_000)  # sixty at once take their time
    return await decided(ledger, bundle, Ask(customer=customer(number), channel="web", **more))


def shown(decision: Decision) -> list[str]:
    """The actions that are offered."""
    return [offer.action for offer in decision.offers]


async def members(ledger: Ledger, bucket: str = BUCKET) -> dict[str, float]:
    """Who keeps units of a volume, and until when."""
    after = f"({ledger.clock.now().timestamp() * 1000:.0f}"
    found = await redis_says(
        ledger, "ZRANGE", keys.volume(bucket), after, "+inf", "BYSCORE", "WITHSCORES"
    )
    return {
        name.decode(): float(score) for name, score in zip(found[::2], found[1::2], strict=True)
    }


async def rows(ledger: Ledger) -> list[tuple[str, str]]:
    """The units in the journal: of which action, in which state."""
    found = await ledger.journal.read(
        lambda c: c.execute(select(tables.reservations).order_by(tables.reservations.c.seq)).all()
    )
    return [(row.action, row.state) for row in found]


async def tell(ledger: Ledger, decision: Decision, outcome: str, number: int = 0) -> Told:
    """What the customer did with the first offer."""
    return await ledger.record_outcome(
        Outcome(
            decision_id=decision.decision_id,
            treatment=decision.offers[0].treatment,
            outcome=outcome,
            id=f"{outcome} {number}",
            at=ledger.clock.now(),
        )
    )


def later(ledger: Ledger, minutes: float) -> Ledger:
    """The ledger with a clock that hardly moves, so many minutes after noon."""
    wanted, slow = (NOW + minutes * MINUTE).timestamp(), 1e-6
    clock = Clock(anchor=(wanted - slow * time.time()) / (1 - slow), lapse=slow)
    ledger.site = replace(ledger.site, clock=clock)
    ledger.volumes.distrust()
    return ledger


async def rebuilt(ledger: Ledger) -> None:
    """Redis wiped, then rebuilt."""
    await redis_says(ledger, "FLUSHALL")
    ledger.volumes.distrust()
    await rebuild(ledger, FakeTemporal().client, RESERVING)


# -- taking


@pytest.mark.parametrize("bundle", [USED_AT_ONCE, RESERVING])
async def test_however_many_ask_at_once_no_more_is_offered_than_there_is(
    ledger: Ledger, bundle: Bundle
) -> None:
    decisions = await asyncio.gather(*(offered(ledger, n, bundle) for n in range(PEOPLE)))
    assert Counter(shown(one)[0] for one in decisions) == {"phone": 10, "help": PEOPLE - 10}
    assert len(await members(ledger)) == 10
    assert Counter(await rows(ledger))["phone", "freed"] <= PEOPLE - 10
    kept = [state for _, state in await rows(ledger) if state != "freed"]
    assert len(kept) == 10


async def test_two_limited_offers_of_one_decision_take_two_units(ledger: Ledger) -> None:
    bundle = a_bundle(PHONE, TABLET, HELP, volumes=[CONFIRMED])
    two = (Placement(limit=2),)
    decisions = await asyncio.gather(
        *(offered(ledger, n, bundle, placements=two) for n in range(20))
    )
    taken = [action for one in decisions for action in shown(one) if action != "help"]
    assert len(taken) == len(await members(ledger)) == 10


async def test_the_same_customer_gets_the_same_unit_again(ledger: Ledger) -> None:
    for _ in range(12):
        assert shown(await offered(ledger)) == ["phone"]
    assert len(await members(ledger)) == 1
    assert await rows(ledger) == [("phone", "reserved")]


async def test_the_same_customer_asking_often_at_once_gets_one_unit(ledger: Ledger) -> None:
    decisions = await asyncio.gather(*(offered(ledger) for _ in range(16)))
    assert {tuple(shown(one)) for one in decisions} == {("phone",)}
    assert len(await members(ledger)) == 1
    assert [state for _, state in await rows(ledger) if state != "freed"] == ["reserved"]


async def test_a_unit_nobody_answers_for_comes_back(ledger: Ledger) -> None:
    later(ledger, 0)
    for number in range(10):
        assert shown(await offered(ledger, number)) == ["phone"]
    assert shown(await offered(ledger, 10)) == ["help"]
    later(ledger, 29.99)
    assert shown(await offered(ledger, 10)) == ["help"]
    later(ledger, 30.01)
    assert shown(await offered(ledger, 10)) == ["phone"]
    assert list(await members(ledger)) == [f"{customer(10)}|phone"]
    assert await redis_says(ledger, "ZCARD", keys.volume(BUCKET)) == 1  # the others are forgotten


async def test_a_customer_who_comes_back_in_time_keeps_the_unit_for_longer(ledger: Ledger) -> None:
    later(ledger, 0)
    await offered(ledger)
    later(ledger, 20)
    await offered(ledger)
    later(ledger, 49.99)
    assert len(await members(ledger)) == 1
    later(ledger, 50.01)
    assert await members(ledger) == {}


async def test_a_count_that_is_too_low_costs_a_retry_and_no_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(offered(ledger, n) for n in range(10)))
    ledger.volumes.distrust()
    learn, told = ledger.volumes.learn, 0

    def blind(buckets: Sequence[str], counts: Sequence[int]) -> None:
        nonlocal told
        told += 1
        learn(buckets, [0] * len(counts) if told == 1 else counts)

    monkeypatch.setattr(ledger.volumes, "learn", blind)
    assert shown(await offered(ledger, 10)) == ["help"]
    assert told == 2
    assert (await rows(ledger))[-1] == ("phone", "freed")


async def test_a_count_that_is_too_low_for_two_offers_costs_a_retry_as_well(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = a_bundle(PHONE, TABLET, HELP, volumes=[CONFIRMED])
    await asyncio.gather(*(offered(ledger, n, bundle) for n in range(9)))
    ledger.volumes.distrust()
    learn, told = ledger.volumes.learn, 0

    def blind(buckets: Sequence[str], counts: Sequence[int]) -> None:
        nonlocal told
        told += 1
        learn(buckets, [0] * len(counts) if told == 1 else counts)

    monkeypatch.setattr(ledger.volumes, "learn", blind)
    two = (Placement(limit=2),)
    assert shown(await offered(ledger, 10, bundle, placements=two)) == ["phone", "help"]
    assert len(await members(ledger)) == 10


async def test_what_limits_a_decision_is_in_its_record(ledger: Ledger) -> None:
    bundle = a_bundle(PHONE, HELP, volumes=[replace(CONFIRMED, maximum=2)])
    for number in range(4):
        decision = await offered(ledger, number, bundle)
        assert identical(await ledger.raw_record(decision.decision_id), bundle)


async def test_a_dry_run_takes_nothing(ledger: Ledger) -> None:
    decision = await offered(ledger, dry_run=True)
    assert (shown(decision), len(decision.reserves)) == (["phone"], 1)
    assert await members(ledger) == {}
    assert await rows(ledger) == []


async def test_a_proposal_takes_nothing(ledger: Ledger) -> None:
    ask = Ask(customer=customer(0), channel="email")
    decision = await decided(ledger, RESERVING, ask)
    assert (shown(decision), decision.reserves) == (["phone"], ())
    assert await members(ledger) == {}


async def test_a_stored_answer_is_given_again_only_while_its_unit_is_kept(ledger: Ledger) -> None:
    later(ledger, 0)
    once: dict[str, Any] = {"request_id": "r1", "digest": "body"}
    first = await offered(ledger, **once)
    later(ledger, 29)
    assert (await offered(ledger, **once)).decision_id == first.decision_id
    later(ledger, 30.01)
    assert (await offered(ledger, **once)).decision_id != first.decision_id


async def test_each_day_has_units_of_its_own(ledger: Ledger) -> None:
    volume = replace(STOCK, maximum=1, period=Period.DAY)
    bundle = a_bundle(PHONE, HELP, volumes=[volume])
    later(ledger, 0)
    assert shown(await offered(ledger, 0, bundle)) == ["phone"]
    assert shown(await offered(ledger, 1, bundle)) == ["help"]
    later(ledger, 12 * 60)
    assert shown(await offered(ledger, 1, bundle)) == ["phone"]
    assert shown(await offered(ledger, 0, bundle)) == ["help"]
    assert [one.bucket for one in (await ledger.state(customer(0))).reserved] == []
    assert int(await redis_says(ledger, "PTTL", keys.volume("stock|2026-03-02"))) > 0


async def test_eight_processes_offer_and_send_no_more_than_there_is(
    ledger: Ledger, shared_valkey: Server
) -> None:
    maximum = 10
    here = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from tests.support.rush import main; main()",
            str(ledger.site.data_dir),
            shared_valkey.url,
            str(number),
            str(maximum),
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(PROCESSES)
    ]
    outputs = [(await process.communicate())[0] for process in here]
    assert [process.returncode for process in here] == [0] * PROCESSES
    got = b"".join(outputs).decode().split()
    assert len(got) == len(set(got)) == maximum
    assert set(await members(ledger)) == {f"{one}|phone" for one in got}
    await rebuilt(ledger)
    assert set(await members(ledger)) == {f"{one}|phone" for one in got}


# -- sends


async def send(
    ledger: Ledger,
    number: int,
    bundle: Bundle = USED_AT_ONCE,
    answers: Sequence[DeliveryStatus] = (DeliveryStatus.DELIVERED,),
) -> str:
    """What became of a message about the phone to one of many customers."""
    channel = FakeChannel(answers=answers)
    sender = Sender(ledger, {"email": channel}, lambda: bundle, NoFeatures())
    at = ledger.clock.now()
    message = a_message(f"m{number}", PHONE, customer=customer(number), at=at)
    result = await sender.send(message)
    return result.reason or result.status


async def test_sends_and_offers_share_what_there_is(ledger: Ledger) -> None:
    decisions = await asyncio.gather(*(offered(ledger, n, USED_AT_ONCE) for n in range(6)))
    taken = sum("phone" in shown(one) for one in decisions)  # fewer where Redis answers too late
    sent = Counter(await asyncio.gather(*(send(ledger, n) for n in range(6, 16))))
    assert taken > 0
    assert sent == {"delivered": 10 - taken, "volume:stock": taken}
    assert shown(await offered(ledger, 20, USED_AT_ONCE)) == ["help"]


async def test_a_message_about_what_is_kept_already_takes_nothing_more(ledger: Ledger) -> None:
    await asyncio.gather(*(offered(ledger, n) for n in range(10)))
    assert await send(ledger, 0, RESERVING) == "delivered"
    assert await send(ledger, 10, RESERVING) == "volume:stock"
    assert len(await members(ledger)) == 10


async def test_a_message_that_fails_gives_its_unit_back(ledger: Ledger) -> None:
    assert await send(ledger, 0, answers=[DeliveryStatus.REJECTED]) == "rejected"
    assert await members(ledger) == {}
    assert [state for _, state in await rows(ledger)] == ["freed"]


async def test_a_message_that_fails_leaves_what_a_page_keeps_for_the_customer(
    ledger: Ledger,
) -> None:
    await offered(ledger)
    before = await members(ledger)
    assert await send(ledger, 0, RESERVING, [DeliveryStatus.REJECTED]) == "rejected"
    assert await members(ledger) == before


async def test_what_was_sent_for_good_stays_used_after_a_rebuild(ledger: Ledger) -> None:
    later(ledger, 0)
    assert await send(ledger, 0) == "delivered"
    assert await send(ledger, 0) == "delivered"
    later(ledger, 10_000)
    await rebuilt(ledger)
    assert await members(ledger) == {f"{customer(0)}|phone": float("inf")}


async def test_a_message_whose_delivery_is_unknown_keeps_its_unit(ledger: Ledger) -> None:
    with pytest.raises(DeliveryPending):
        await send(ledger, 0, answers=[DeliveryStatus.UNKNOWN])
    assert len(await members(ledger)) == 1
    await rebuilt(ledger)
    assert len(await members(ledger)) == 1
    assert await send(ledger, 0) == "delivered"
    assert len(await members(ledger)) == 1


# -- outcomes


async def test_an_accepted_offer_uses_its_unit_for_good(ledger: Ledger) -> None:
    later(ledger, 0)
    await tell(ledger, await offered(ledger), "accept")
    later(ledger, 10_000)
    assert list((await members(ledger)).values()) == [float("inf")]
    assert await rows(ledger) == [("phone", "used")]


async def test_a_rejected_offer_gives_its_unit_back(ledger: Ledger) -> None:
    decision = await offered(ledger)
    await tell(ledger, decision, "reject")
    assert await members(ledger) == {}
    assert (await ledger.state(customer(0))).reserved == ()
    assert await rows(ledger) == [("phone", "freed")]
    await tell(ledger, decision, "reject")
    assert shown(await offered(ledger)) == ["phone"]
    assert len(await members(ledger)) == 1


async def test_what_was_given_back_is_used_by_a_later_change_of_mind(ledger: Ledger) -> None:
    decision = await offered(ledger)
    await tell(ledger, decision, "reject")
    await tell(ledger, decision, "accept")
    assert list((await members(ledger)).values()) == [float("inf")]


async def test_an_acceptance_that_comes_too_late_still_finds_a_unit_if_one_is_left(
    ledger: Ledger,
) -> None:
    later(ledger, 0)
    decision = await offered(ledger)
    later(ledger, 31)
    await tell(ledger, decision, "accept")
    assert list((await members(ledger)).values()) == [float("inf")]
    assert await rows(ledger) == [("phone", "used")]


async def test_an_acceptance_that_comes_too_late_takes_nothing_that_is_not_there(
    ledger: Ledger,
) -> None:
    later(ledger, 0)
    late = await offered(ledger)
    later(ledger, 31)
    await asyncio.gather(*(offered(ledger, n) for n in range(1, 11)))
    told = await tell(ledger, late, "accept")
    assert (told.new, told.exhausted) == (True, ("stock",))
    assert len(await members(ledger)) == 10
    assert f"{customer(0)}|phone" not in await members(ledger)
    again = await tell(ledger, late, "accept")
    assert (again.new, again.exhausted) == (False, ("stock",))


async def test_an_outcome_that_redis_missed_uses_its_unit_once_it_is_repeated(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = await offered(ledger)

    async def away(*_: object) -> None:
        raise LiveStateUnavailable("Redis went away")

    with monkeypatch.context() as patch:
        patch.setattr(ledger.volumes, "answered", away)
        with pytest.raises(LiveStateUnavailable):
            await tell(ledger, decision, "accept")
    assert await rows(ledger) == [("phone", "used")]
    await tell(ledger, decision, "accept")
    assert list((await members(ledger)).values()) == [float("inf")]


async def test_an_outcome_of_an_offer_shown_again_answers_for_the_same_unit(ledger: Ledger) -> None:
    await offered(ledger)
    await tell(ledger, await offered(ledger), "accept")
    assert list((await members(ledger)).values()) == [float("inf")]


async def test_a_late_rejection_frees_nothing_that_was_taken_since(ledger: Ledger) -> None:
    later(ledger, 0)
    first = await offered(ledger)
    later(ledger, 20)
    await offered(ledger)  # renewed
    await ledger.record_outcome(
        Outcome(
            decision_id=first.decision_id,
            treatment="phone.web",
            outcome="reject",
            id="1",
            at=NOW + MINUTE,
        )
    )
    assert len(await members(ledger)) == 1
    assert [state for _, state in await rows(ledger)] == ["freed", "reserved"]


async def test_a_rejection_told_after_a_later_acceptance_changes_nothing(ledger: Ledger) -> None:
    later(ledger, 0)
    decision = await offered(ledger)
    later(ledger, 10)
    await tell(ledger, decision, "accept")
    told = Outcome(
        decision_id=decision.decision_id,
        treatment="phone.web",
        outcome="reject",
        id="1",
        at=NOW + 5 * MINUTE,
    )
    await ledger.record_outcome(told)
    assert list((await members(ledger)).values()) == [float("inf")]
    await ledger.record_outcome(replace(told, id="2", at=NOW + 11 * MINUTE))
    assert await members(ledger) == {}


async def test_a_late_acceptance_waits_until_it_is_known_what_is_left(ledger: Ledger) -> None:
    later(ledger, 0)
    decision = await offered(ledger)
    later(ledger, 31)
    await redis_says(ledger, "DEL", keys.MARKER)
    with pytest.raises(LiveStateUnavailable):
        await tell(ledger, decision, "accept")
    await reconcile(ledger)
    assert (await tell(ledger, decision, "accept")).exhausted == ()
    assert list((await members(ledger)).values()) == [float("inf")]


async def test_what_is_given_back_between_read_and_commit_is_taken_anew(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await offered(ledger)
    call, waiting = ledger.wire.call, [first.decision_id]

    async def overtaken(*commands: Command, seconds: float | None = None) -> list[Any]:
        if waiting and len(commands) == 1:  # a commit: the customer's state is read by now
            await ledger.volumes.give_back(waiting.pop())
        return await call(*commands, seconds=seconds)

    monkeypatch.setattr(ledger.wire, "call", overtaken)
    assert shown(await offered(ledger)) == ["phone"]
    assert len(await members(ledger)) == 1
    assert [state for _, state in await rows(ledger)] == ["freed", "reserved"]


async def test_what_is_kept_anew_while_a_rejection_is_on_its_way_stays(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(ledger, 0)
    decision = await offered(ledger)
    answered = ledger.volumes.answered

    async def overtaken(*arguments: Any) -> tuple[str, ...]:
        later(ledger, 20)
        await offered(ledger)
        return await answered(*arguments)

    monkeypatch.setattr(ledger.volumes, "answered", overtaken)
    await tell(ledger, decision, "reject")
    later(ledger, 49)
    assert len(await members(ledger)) == 1
    await rebuilt(ledger)
    assert len(await members(ledger)) == 1


# -- wipes, rebuilds and crashes


async def test_a_wiped_redis_offers_nothing_limited_until_it_is_rebuilt(ledger: Ledger) -> None:
    await offered(ledger)
    await redis_says(ledger, "FLUSHALL")
    assert shown(await offered(ledger, 1)) == []
    assert await members(ledger) == {}


async def test_a_rebuild_keeps_the_numbers(ledger: Ledger) -> None:
    later(ledger, 0)
    decisions = [await offered(ledger, number) for number in range(10)]
    for number in (0, 1, 2):
        await tell(ledger, decisions[number], "accept")
    for number in (3, 4):
        await tell(ledger, decisions[number], "reject")
    before = await members(ledger)
    kept = (await ledger.state(customer(0))).reserved
    assert len(before) == 8
    await rebuilt(ledger)
    assert await members(ledger) == before
    assert (await ledger.state(customer(0))).reserved == kept
    more = [shown(await offered(ledger, number)) for number in range(10, 14)]
    assert more == [["phone"], ["phone"], ["help"], ["help"]]
    later(ledger, 31)
    await rebuilt(ledger)
    assert len(await members(ledger)) == 3


async def test_what_was_offered_for_good_stays_used_after_a_rebuild(ledger: Ledger) -> None:
    later(ledger, 0)
    for number in range(10):
        await offered(ledger, number, USED_AT_ONCE)
    later(ledger, 10_000)
    await rebuilt(ledger)
    assert shown(await offered(ledger, 10, USED_AT_ONCE)) == ["help"]
    assert shown(await offered(ledger, 0, USED_AT_ONCE)) == ["phone"]


@pytest.mark.parametrize("bundle", [USED_AT_ONCE, RESERVING])
async def test_a_crash_before_the_commit_holds_nothing_back_for_longer_than_it_would_be_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    later(ledger, 0)
    with monkeypatch.context() as patch:
        crash_before_commits(patch, ledger)
        for number in range(10):
            with pytest.raises(KeyboardInterrupt):
                await offered(ledger, number, bundle)
    assert await members(ledger) == {}
    assert shown(await offered(ledger, 10, bundle)) == ["phone"]
    await rebuilt(ledger)
    assert len(await members(ledger)) <= 10  # what may have been taken counts...
    later(ledger, 30.01)
    await rebuilt(ledger)
    assert len(await members(ledger)) == (
        1 if bundle is USED_AT_ONCE else 0
    )  # ... until it expires


async def test_a_rebuild_never_puts_back_more_than_there_is(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(ledger, 0)
    with monkeypatch.context() as patch:
        crash_before_commits(patch, ledger)
        with pytest.raises(KeyboardInterrupt):
            await offered(ledger, 99)
    for number in range(10):
        assert shown(await offered(ledger, number)) == ["phone"]
    await rebuilt(ledger)
    assert len(await members(ledger)) == 10


@pytest.mark.parametrize("maximum", [15, 5])
async def test_what_is_kept_stays_kept_in_a_rebuild_after_the_volume_was_changed(
    ledger: Ledger, maximum: int
) -> None:
    later(ledger, 0)
    for number in range(10):
        await offered(ledger, number)
    changed = a_bundle(PHONE, HELP, volumes=[replace(CONFIRMED, maximum=maximum)])
    for number in range(10, 15):
        decision = await offered(ledger, number, changed)
        if shown(decision) == ["phone"]:
            await tell(ledger, decision, "accept")
    before = await members(ledger)
    assert len(before) == max(maximum, 10)
    await rebuilt(ledger)
    assert await members(ledger) == before
    assert shown(await offered(ledger, 15, changed)) == ["help"]


async def test_what_a_crash_may_have_taken_puts_nothing_out_that_was_sent(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = a_bundle(PHONE, HELP, volumes=[replace(STOCK, maximum=1)])
    later(ledger, 0)
    with monkeypatch.context() as patch:
        crash_before_commits(patch, ledger)
        with pytest.raises(KeyboardInterrupt):
            await offered(ledger, 99, one)
    assert await send(ledger, 0, one) == "delivered"
    await rebuilt(ledger)
    assert await members(ledger) == {f"{customer(0)}|phone": float("inf")}


def crash_before_commits(patch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    """The process ends when it has journalled what it is about to take."""
    intend = ledger.volumes.intend

    async def crash(*arguments: Any, **more: Any) -> None:
        await intend(*arguments, **more)
        raise KeyboardInterrupt

    patch.setattr(ledger.volumes, "intend", crash)


async def test_a_unit_shown_again_after_a_crash_before_its_confirmation_is_never_freed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise KeyboardInterrupt

    later(ledger, 0)
    with monkeypatch.context() as patch:
        patch.setattr(ledger.volumes, "confirm", crash)
        with pytest.raises(KeyboardInterrupt):
            await offered(ledger, 0, USED_AT_ONCE)
    assert shown(await offered(ledger, 0, USED_AT_ONCE)) == ["phone"]
    later(ledger, 31)
    await rebuilt(ledger)
    others = [shown(await offered(ledger, n, USED_AT_ONCE)) for n in range(1, 12)]
    assert others.count(["phone"]) == 9
