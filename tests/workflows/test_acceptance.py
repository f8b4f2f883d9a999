"""Events: one effect however often they come, in force before the answer, never lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from engine.channels.delivery import Repeat
from engine.errors import InvalidEvent, JourneysUnavailable, LiveStateUnavailable, Unavailable
from engine.ledger import Ledger, arrivals, facts
from engine.ledger.arrivals import unfinished
from engine.ledger.sends import Sender, SendStatus
from engine.live import Ask
from engine.types import Event, Hold, JourneyState
from tests.support.builders import (
    a_bundle,
    a_customer,
    a_limit,
    a_message,
    an_action,
    an_event,
)
from tests.support.ledgers import FakeChannel, NoFeatures, decided, redis_says
from workflows import routing
from workflows.acceptance import Acceptance, Accepted, Features, Starts

SALE = an_action("upgrade")
HELP = an_action("help", purpose="service", exempt="service", value=1)
BUNDLE = a_bundle(SALE, HELP, limits=[a_limit(maximum=5)])
CUSTOMER = a_customer()
SEEN_ONCE = Accepted(accepted=1, duplicates=0, journeys=("complaint",), pending=False)


@dataclass(kw_only=True)
class FakeJourneys:
    """Journeys that remember what they heard; `away` as Temporal may be, `seconds` as slow."""

    away: bool = False
    seconds: float = 0.0
    heard: list[str] = field(default_factory=list[str])
    errors: dict[str, Exception] = field(default_factory=dict[str, Exception])

    def concerns(self, event: Event) -> bool:
        return event.type.startswith("complaint.")

    def hold_for(self, event: Event) -> Hold | None:
        return routing.hold_for(event, BUNDLE)

    def opened_by(
        self, event: Event, running: Sequence[JourneyState], starts: Starts
    ) -> tuple[JourneyState, ...]:
        return ()

    async def hand_over(
        self, event: Event, running: Sequence[JourneyState], starts: Starts
    ) -> tuple[str, ...]:
        if self.away:
            raise JourneysUnavailable("Temporal is away")
        if event.id in self.errors:
            raise self.errors[event.id]
        await asyncio.sleep(self.seconds)
        self.heard.append(event.id)
        return ("complaint",)


@dataclass(kw_only=True)
class FakePush:
    """Features that count the events of a customer."""

    written: list[int] = field(default_factory=list[int])
    error: Exception | None = None

    def features(self, event: Event, history: Sequence[Event]) -> Features:
        return {"service": {"messages_7d": len(history) + 1}}

    async def write(self, customer: str, features: Features, event: Event) -> None:
        if self.error is not None:
            raise self.error
        self.written.append(int(str(features["service"]["messages_7d"])))


@dataclass(kw_only=True)
class Door:
    """Acceptance with fakes around it, on a real ledger."""

    ledger: Ledger
    journeys: FakeJourneys = field(default_factory=FakeJourneys)
    push: FakePush = field(default_factory=FakePush)

    def __post_init__(self) -> None:
        self.acceptance = Acceptance(self.ledger, self.journeys, self.push)

    async def takes(self, *events: Event) -> Accepted:
        """The answer to one call."""
        return await self.acceptance.accept([self.now(event) for event in events])

    def now(self, event: Event) -> Event:
        """The event as it happens now."""
        return replace(event, at=self.ledger.clock.now())

    async def carries_on(self) -> int:
        """What the reconciler does."""
        return await self.acceptance.carry_on()

    async def shows(self, channel: str = "web") -> list[str]:
        """What the next decision offers."""
        decision = await decided(self.ledger, BUNDLE, Ask(customer=CUSTOMER, channel=channel))
        return [offer.action for offer in decision.offers]

    async def abandons(self, event: Event) -> None:
        """An attempt journals an event, and its process dies."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arrivals, "LEASE_SECONDS", -1.0)
            await self.ledger.journal.write(
                lambda c: self.acceptance._take(c, self.now(event))  # pyright: ignore[reportPrivateUsage]
            )


@pytest.fixture
def door(ledger: Ledger) -> Door:
    return Door(ledger=ledger)


# -- one event


async def test_an_accepted_complaint_silences_the_next_decision(door: Door) -> None:
    assert await door.shows() == ["upgrade"]
    assert await door.takes(an_event()) == SEEN_ONCE
    assert await door.shows() == ["help"]
    assert door.journeys.heard == ["e1"]
    assert door.push.written == [1]


async def test_an_event_that_no_journey_wants_is_through_at_once(door: Door) -> None:
    door.journeys.away = True
    accepted = await door.takes(an_event("page.viewed", page="x"))
    assert accepted == Accepted(accepted=1, duplicates=0, journeys=(), pending=False)


async def test_a_consent_is_in_force_when_its_event_is_accepted(door: Door) -> None:
    no: dict[str, Any] = {"purpose": "sales", "channel": "web", "granted": False}
    await door.takes(an_event("consent.changed", "e1", **no))
    assert await door.shows() == ["help"]
    yes: dict[str, Any] = {**no, "granted": True}
    await door.takes(an_event("consent.changed", "e2", **yes))
    assert await door.shows() == ["upgrade"]
    await door.takes(an_event("consent.changed", "e1", **no))
    assert await door.shows() == ["upgrade"]


async def test_two_complaints_one_resolved_is_still_held(door: Door) -> None:
    await door.takes(an_event(case="1"), an_event(event_id="e2", case="2"))
    await door.ledger.release_hold(CUSTOMER, "complaint:1", 2, "journey", "resolved")
    assert await door.shows() == ["help"]
    await door.ledger.release_hold(CUSTOMER, "complaint:2", 2, "journey", "resolved")
    assert await door.shows() == ["upgrade"]


async def test_a_complaint_that_is_opened_again_holds_again(door: Door) -> None:
    await door.takes(an_event())
    await door.ledger.release_hold(CUSTOMER, "complaint:4711", 1, "journey", "resolved")
    await door.takes(an_event("complaint.reopened", "e2"))
    assert await door.shows() == ["help"]
    assert not await door.ledger.release_hold(CUSTOMER, "complaint:4711", 1, "journey", "late")
    assert await door.shows() == ["help"]


# -- the same event


async def test_ten_times_at_once_is_once(door: Door) -> None:
    door.journeys.seconds = 0.05
    answers = await asyncio.gather(*(door.takes(an_event()) for _ in range(10)))
    assert sum(answer.accepted for answer in answers) == 1
    assert {(answer.journeys, answer.pending) for answer in answers} == {(("complaint",), False)}
    assert door.journeys.heard == ["e1"]
    assert door.push.written == [1]
    assert len(await door.ledger.holds(CUSTOMER)) == 1


async def test_ten_times_one_after_the_other_is_once(door: Door) -> None:
    answers = [await door.takes(an_event()) for _ in range(10)]
    assert answers == [SEEN_ONCE, *[replace(SEEN_ONCE, accepted=0, duplicates=1)] * 9]
    assert door.journeys.heard == ["e1"]


async def test_ten_times_in_one_batch_is_once(door: Door) -> None:
    accepted = await door.takes(*[an_event()] * 10)
    assert accepted == replace(SEEN_ONCE, duplicates=9)
    assert door.journeys.heard == ["e1"]


async def test_a_duplicate_after_the_release_does_not_hold_again(door: Door) -> None:
    await door.takes(an_event())
    await door.ledger.release_hold(CUSTOMER, "complaint:4711", 1, "journey", "resolved")
    await door.takes(an_event())
    assert await door.shows() == ["upgrade"]


async def test_batches_that_share_their_events_do_not_wait_for_each_other_for_ever(
    door: Door,
) -> None:
    events = [an_event(event_id=f"e{n}", case=str(n)) for n in range(4)]
    async with asyncio.timeout(5):
        await asyncio.gather(door.takes(*events), door.takes(*reversed(events)))
    assert sorted(door.journeys.heard) == ["e0", "e1", "e2", "e3"]


# -- attempts that fail


async def test_a_stale_attempt_is_taken_over(door: Door) -> None:
    await door.abandons(an_event())
    assert await door.shows() == ["upgrade"]
    assert await door.takes(an_event()) == replace(SEEN_ONCE, accepted=0, duplicates=1)
    assert await door.shows() == ["help"]
    assert door.journeys.heard == ["e1"]


async def test_the_relay_takes_a_stale_attempt_over_too(door: Door) -> None:
    await door.abandons(an_event())
    assert await door.carries_on() == 1
    assert await door.shows() == ["help"]
    assert await door.carries_on() == 0


async def test_a_duplicate_waits_until_the_lease_of_a_dead_attempt_is_over(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "LEASE_SECONDS", 0.2)
    await door.ledger.journal.write(
        lambda c: door.acceptance._take(c, door.now(an_event()))  # pyright: ignore[reportPrivateUsage]
    )
    assert (await door.takes(an_event())).journeys == ("complaint",)
    assert await door.shows() == ["help"]


@pytest.mark.parametrize("step", ["redis", "features"])
async def test_what_can_not_be_put_in_force_is_not_acknowledged_and_not_lost(
    door: Door, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async def away(*_: object) -> Any:
        raise LiveStateUnavailable("Redis went away")

    with monkeypatch.context() as patch:
        if step == "redis":
            patch.setattr(door.ledger, "enforce_hold", away)
        else:
            patch.setattr(door.push, "error", LiveStateUnavailable("Redis went away"))
        with pytest.raises(LiveStateUnavailable):
            await door.takes(an_event())
    assert door.journeys.heard == []
    assert await door.carries_on() == 1
    assert await door.shows() == ["help"]
    assert door.journeys.heard == ["e1"]


async def test_a_stalled_attempt_does_not_hold_a_customer_whose_case_is_over(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another attempt overtook it, and the journey has ended since."""
    enforce = door.ledger.enforce_hold

    async def stalled(customer: str, hold: Hold) -> tuple[str, ...]:
        monkeypatch.setattr(door.ledger, "enforce_hold", enforce)
        await enforce(customer, hold)
        await door.ledger.release_hold(customer, hold.id, hold.seq, "journey", "resolved")
        return await enforce(customer, hold)

    monkeypatch.setattr(door.ledger, "enforce_hold", stalled)
    await door.takes(an_event())
    assert await door.shows() == ["upgrade"]


# -- Temporal is away


async def test_without_temporal_the_hold_is_in_force_and_the_journey_comes_later(
    door: Door,
) -> None:
    door.journeys.away = True
    assert (await door.takes(an_event())).pending
    assert await door.shows() == ["help"]
    assert (await door.takes(an_event())).pending
    assert await door.carries_on() == 0
    door.journeys.away = False
    assert await door.carries_on() == 1
    assert door.journeys.heard == ["e1"]
    assert await door.takes(an_event()) == replace(SEEN_ONCE, accepted=0, duplicates=1)


async def test_what_waited_is_delivered_in_order(door: Door) -> None:
    door.journeys.away = True
    for number in range(6):
        await door.takes(an_event(event_id=f"e{number}"))
    door.journeys.away = False
    assert (await door.takes(an_event("complaint.resolved", "e6"))).pending
    assert await door.carries_on() == 7
    assert door.journeys.heard == [f"e{number}" for number in range(7)]


async def test_a_long_queue_of_one_customer_is_looked_through_quickly(door: Door) -> None:
    door.journeys.away = True
    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(door.takes(an_event(event_id=f"e{number}")))
    async with asyncio.timeout(3.0):  # a fifth of a second for each would be too long
        await door.carries_on()


async def test_when_temporal_is_back_complaints_go_before_a_campaign(door: Door) -> None:
    door.journeys.away = True
    for number in range(3):
        other = an_event("complaint.resolved", f"e{number}", customer=a_customer(str(number)))
        await door.takes(other)
    await door.takes(an_event(event_id="complaint"))
    door.journeys.away = False
    assert await door.carries_on() == 4
    assert door.journeys.heard == ["complaint", "e0", "e1", "e2"]


async def test_one_event_that_can_not_be_handled_does_not_stop_the_others(door: Door) -> None:
    other = a_customer("other")
    await door.abandons(an_event(event_id="bad"))
    await door.abandons(an_event(event_id="worse", customer=a_customer("third")))
    await door.abandons(an_event(event_id="good", customer=other))
    door.journeys.errors = {"bad": InvalidEvent("no case"), "worse": ZeroDivisionError()}
    assert await door.carries_on() == 1
    assert door.journeys.heard == ["good"]
    left = await door.ledger.journal.read(lambda c: unfinished(c, 10))
    assert {event.id for event in left} <= {"bad", "worse"}


async def test_events_of_one_customer_at_once_reach_the_journeys_in_journal_order(
    door: Door,
) -> None:
    door.journeys.seconds = 0.01
    calls = (door.takes(an_event(event_id=f"e{number}")) for number in range(8))
    await asyncio.gather(*calls)
    await door.carries_on()
    kept = [event.id for event in await everything(door.ledger)]
    assert door.journeys.heard == kept


async def everything(ledger: Ledger) -> list[Event]:
    """All events of the customer, in order."""
    return await ledger.journal.read(lambda c: arrivals.history(c, CUSTOMER, 0, 10**9))


async def test_without_the_journal_nothing_is_accepted(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(door.ledger.journal, "write", away)
        with pytest.raises(Unavailable):
            await door.takes(an_event())
    assert await door.shows() == ["upgrade"]
    assert await everything(door.ledger) == []


async def test_a_batch_with_an_event_that_is_wrong_changes_nothing(door: Door) -> None:
    wrong = replace(an_event(event_id="e2"), data={})
    with pytest.raises(InvalidEvent):
        await door.takes(an_event(), wrong)
    assert await everything(door.ledger) == []
    assert await door.ledger.journal.read(facts.open_holds) == []


# -- P1: a complaint against messages on their way


@pytest.mark.parametrize("seconds", [0.1, 1.5])
async def test_no_delivery_starts_after_the_acknowledgement(door: Door, seconds: float) -> None:
    channel = FakeChannel(repeat=Repeat.AT_MOST_ONCE, seconds=seconds)
    sender = Sender(door.ledger, {"email": channel}, lambda: BUNDLE, NoFeatures())
    sends = [asyncio.create_task(sender.send(a_message(f"m{n}", SALE))) for n in range(3)]
    await channel.busy.wait()
    started = time.monotonic()
    late = asyncio.create_task(keep_sending(sender))
    await door.takes(an_event())
    waited = time.monotonic() - started
    begun, ended = list(channel.started), list(channel.ended)
    await asyncio.wait([*sends, late])
    assert channel.started == begun
    if seconds < 0.7:
        assert ended == begun
    else:
        assert waited >= 0.7
        assert ended == []


async def keep_sending(sender: Sender) -> None:
    """Messages of other journeys, all the while."""
    for number in range(20):
        await sender.send(a_message(f"late{number}", SALE))
        await asyncio.sleep(0.02)


async def test_an_exempt_message_on_its_way_delays_no_acknowledgement(door: Door) -> None:
    channel = FakeChannel(seconds=0.6)
    sender = Sender(door.ledger, {"email": channel}, lambda: BUNDLE, NoFeatures())
    send = asyncio.create_task(sender.send(a_message("m1", HELP)))
    await channel.busy.wait()
    await door.takes(an_event())
    assert channel.ended == []
    assert (await send).status is SendStatus.DELIVERED


async def test_decisions_in_flight_never_sell_after_the_acknowledgement(door: Door) -> None:
    acknowledged = asyncio.Event()
    sold_after: list[str] = []

    async def browse() -> None:
        for _ in range(15):
            told = acknowledged.is_set()
            sold = "upgrade" in await door.shows()
            if told and sold:
                sold_after.append("upgrade")

    async def complain() -> None:
        await asyncio.sleep(0.03)
        await door.takes(an_event())
        acknowledged.set()

    await asyncio.gather(complain(), *(browse() for _ in range(8)))
    assert sold_after == []
    assert await door.shows() == ["help"]


async def test_a_wiped_redis_still_takes_complaints(door: Door) -> None:
    await redis_says(door.ledger, "FLUSHALL")
    assert await door.takes(an_event()) == SEEN_ONCE
    assert await door.shows() == ["help"]
