"""A rebuild brings back all that counts, and never says so too early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from engine.catalog import Scope
from engine.channels.delivery import DeliveryStatus
from engine.errors import JourneysUnavailable, LiveStateUnavailable
from engine.ledger import Ledger, arrivals, keys, live
from engine.ledger.outcomes import Outcome
from engine.ledger.sends import DeliveryPending, Sender
from engine.ledger.state import LiveState
from engine.live import Ask
from engine.types import ContactKind, HoldState, JourneyState
from feature_store.online import OnlineReader
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_customer,
    a_hold,
    a_limit,
    a_message,
    an_action,
    an_event,
)
from tests.support.ledgers import FakeChannel, NoFeatures, decided, opened, reconcile, redis_says
from tests.support.servers import valkey
from tests.support.temporal import FakeExecution, FakeTemporal
from workflows import rebuild as rebuilding
from workflows.rebuild import Rebuilt, latest_pushed, reconciled

T = TypeVar("T")

CUSTOMER = a_customer()
SALE = an_action("upgrade")
HELP = an_action("help", purpose="service", exempt="service", value=1)
BUNDLE = a_bundle(SALE, HELP, limits=[a_limit(maximum=3, window=30 * DAY)])


async def rebuild(ledger: Ledger, temporal: FakeTemporal | None = None) -> Rebuilt:
    """One rebuild with the usual bundle."""
    return await rebuilding.rebuild(ledger, (temporal or FakeTemporal()).client, BUNDLE)


async def shown(ledger: Ledger, customer: str = CUSTOMER) -> list[str]:
    """What the next decision offers."""
    decision = await decided(ledger, BUNDLE, Ask(customer=customer, channel="web"))
    return [offer.action for offer in decision.offers]


async def live_through_much(ledger: Ledger) -> None:
    """Holds, consents, messages with every ending, an impression, an event, a journey."""
    now = ledger.clock.now()
    await ledger.place_hold(CUSTOMER, a_hold("1", seq=1, since=now, until=now + DAY))
    await ledger.place_hold(CUSTOMER, a_hold("2", seq=2, since=now))
    await ledger.place_hold(CUSTOMER, a_hold("3", seq=3, since=now))
    await ledger.release_hold(CUSTOMER, "complaint:3", 3, "journey", "resolved")
    await ledger.orphan_hold(CUSTOMER, a_hold("2", seq=2, since=now))
    await ledger.set_consent(CUSTOMER, "sales", "email", True, "desk", now)
    await ledger.set_consent(CUSTOMER, "sales", "email", False, "desk", now)
    await ledger.set_consent(CUSTOMER, "survey", "web", True, "desk", now)
    other = a_customer("other")
    decision = await decided(ledger, BUNDLE, Ask(customer=other, channel="web"))
    await ledger.record_outcome(
        Outcome(
            decision_id=decision.decision_id,
            treatment=decision.offers[0].treatment,
            outcome="impression",
            id="1",
            at=now - timedelta(minutes=1),
        )
    )
    for number, answer in enumerate(DeliveryStatus):
        sender = Sender(
            ledger, {"email": FakeChannel(answers=[answer])}, lambda: BUNDLE, NoFeatures()
        )
        message = a_message(
            f"m{number}", SALE, customer=other, at=now - timedelta(seconds=number + 1)
        )
        with suppress(DeliveryPending):
            await sender.send(message)
    event = an_event("message.received", channel="email", text="hello", at=now, customer=other)
    await ledger.journal.write(lambda connection: arrivals.take(connection, event))


async def everything(ledger: Ledger) -> list[object]:
    """What decisions and sends stand on, of both customers."""
    found: list[object] = []
    for customer in (CUSTOMER, a_customer("other")):
        state = await ledger.state(customer)
        found += [state.holds, dict(state.consents), set(state.contacts)]
    return found


async def test_after_a_wipe_a_rebuild_brings_everything_back(ledger: Ledger) -> None:
    await live_through_much(ledger)
    before = await everything(ledger)
    assert len((await ledger.state(a_customer("other"))).contacts) == 4
    await redis_says(ledger, "FLUSHALL")
    assert await shown(ledger) == ["help"]
    rebuilt = await rebuild(ledger)
    assert (rebuilt.customers, rebuilt.holds) == (2, 2)
    assert await everything(ledger) == before
    assert await reconciled(ledger)
    assert await shown(ledger) == ["help"]
    assert await shown(ledger, a_customer("other")) == ["upgrade"]


async def test_a_rebuild_of_a_sound_redis_changes_nothing(ledger: Ledger) -> None:
    await live_through_much(ledger)
    before = await everything(ledger)
    for _ in range(2):
        await rebuild(ledger)
        assert await everything(ledger) == before


async def test_a_rebuild_forgets_what_the_journal_does_not_know(ledger: Ledger) -> None:
    await live_through_much(ledger)
    await ledger.enforce_hold(CUSTOMER, a_hold("invented", seq=99))
    await rebuild(ledger)
    assert "complaint:invented" not in {hold.id for hold in await ledger.holds(CUSTOMER)}


async def test_limits_count_on_after_a_rebuild(wiped_ledger: Ledger) -> None:
    await rebuild(wiped_ledger)
    now = wiped_ledger.clock.now()
    sender = Sender(wiped_ledger, {"email": FakeChannel()}, lambda: BUNDLE, NoFeatures())
    for number in range(3):
        await sender.send(a_message(f"m{number}", SALE, at=now))
    await redis_says(wiped_ledger, "FLUSHALL")
    with pytest.raises(DeliveryPending):
        await sender.send(a_message("m3", SALE, at=now))
    await rebuild(wiped_ledger)
    assert (await sender.send(a_message("m3", SALE, at=now))).reason == "limit:two-a-week"


async def test_accounts_and_households_come_back_with_all_that_counts_in_them(
    ledger: Ledger,
) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=1, scope=Scope.HOUSEHOLD)])
    now, other, left = ledger.clock.now(), a_customer("other"), a_customer("left")
    sender = Sender(ledger, {"email": FakeChannel()}, lambda: bundle, NoFeatures())
    await ledger.memberships.join(CUSTOMER, Scope.ACCOUNT, "1")
    for customer in (CUSTOMER, other, left):
        await ledger.memberships.join(customer, Scope.HOUSEHOLD, "1")
    await sender.send(a_message("m1", SALE, at=now))
    await ledger.memberships.leave(left, Scope.HOUSEHOLD)
    scopes = [Scope.ACCOUNT.value, Scope.HOUSEHOLD.value]

    async def circles() -> LiveState:
        return await live.with_circles(ledger.wire, await ledger.state(CUSTOMER), scopes, 0)

    before = await circles()
    assert [len(before.shared.contacts[scope]) for scope in scopes] == [2, 2]
    await redis_says(ledger, "FLUSHALL")
    for _ in range(2):  # the second one of a sound Redis
        await rebuild(ledger)
        after = await circles()
        assert after.circles == before.circles
        assert after.shared.contacts == before.shared.contacts
    refused = await sender.send(a_message("m2", SALE, customer=other, at=now))
    assert refused.reason == "limit:two-a-week"
    assert (await ledger.state(left)).circles == {}
    sent = await sender.send(a_message("m3", SALE, customer=left, at=now))
    assert sent.reason == ""


async def test_contacts_older_than_todays_windows_are_kept_for_longer_ones(
    ledger: Ledger,
) -> None:
    now = ledger.clock.now()
    sender = Sender(ledger, {"email": FakeChannel()}, lambda: BUNDLE, NoFeatures())
    await sender.send(a_message("m1", SALE, at=now - 80 * DAY))
    await rebuild(ledger)
    longer = a_bundle(SALE, limits=[a_limit(maximum=1, window=90 * DAY)])
    sender = Sender(ledger, {"email": FakeChannel()}, lambda: longer, NoFeatures())
    assert (await sender.send(a_message("m2", SALE, at=now))).reason == "limit:two-a-week"


async def test_pushed_features_come_back(ledger: Ledger) -> None:
    await live_through_much(ledger)
    await redis_says(ledger, "FLUSHALL")
    await rebuild(ledger)
    reader = OnlineReader()
    (reply,) = await ledger.wire.call(reader.command(a_customer("other")))
    row = reader.decode(reply)
    assert row.values["service.messages_7d"] == 1


async def test_many_customers_are_read_together(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, a thousand of them kept everyone waiting for seconds."""
    events = [an_event("page.viewed", f"e{n}", customer=a_customer(f"c{n}")) for n in range(40)]
    await ledger.journal.write(lambda c: [arrivals.take(c, event) for event in events])
    reads: list[object] = []
    read = ledger.journal.read

    async def counted(work: Callable[[Connection], T]) -> T:
        reads.append(work)
        return await read(work)

    monkeypatch.setattr(ledger.journal, "read", counted)
    assert (await rebuild(ledger)).features == len(events)
    assert len(reads) < 15


def test_the_latest_views_of_a_long_history_are_computed_once_each() -> None:
    """A customer who only ever looks at pages has no row of the other view to stop at."""
    seen = [
        an_event("page.viewed", f"e{n}", at=NOW + timedelta(seconds=n), page="plans")
        for n in range(3_000)
    ]
    started = time.monotonic()
    rows = latest_pushed(seen)
    assert time.monotonic() - started < 1.0
    assert rows["behaviour"].values["page_views_7d"] == 3_000
    assert list(rows) == ["behaviour"]


# -- what Temporal knows


async def test_running_journeys_and_their_holds_come_back_from_listing_and_memo(
    wiped_ledger: Ledger,
) -> None:
    hold = a_hold("9", since=wiped_ledger.clock.now())
    running = FakeExecution(id="complaint:x:9", stage="escalated", hold=hold)
    rebuilt = await rebuild(wiped_ledger, FakeTemporal(listings=[[running]]))
    assert rebuilt.journeys == 1
    state = await wiped_ledger.state(CUSTOMER)
    assert [(journey.id, journey.stage) for journey in state.journeys] == [
        ("complaint:x:9", "escalated")
    ]
    assert [held.id for held in state.holds] == ["complaint:9"]
    assert await shown(wiped_ledger) == ["help"]


async def test_a_hold_in_a_memo_that_was_released_stays_released(ledger: Ledger) -> None:
    await ledger.place_hold(CUSTOMER, a_hold("9", seq=4))
    await ledger.release_hold(CUSTOMER, "complaint:9", 4, "journey", "resolved")
    running = FakeExecution(id="complaint:x:9", hold=a_hold("9", seq=4))
    await rebuild(ledger, FakeTemporal(listings=[[running]]))
    assert await ledger.holds(CUSTOMER) == ()


async def test_a_journey_that_begins_during_the_rebuild_is_not_forgotten(ledger: Ledger) -> None:
    running = FakeExecution(id="renewal:x:1", kind="renewal")
    temporal = FakeTemporal(listings=[[], [running]])
    await ledger.set_consent(CUSTOMER, "sales", "web", True, "desk", NOW)

    async def begin() -> None:
        journey = JourneyState(id="renewal:x:1", kind="renewal", stage="started", since=NOW)
        await ledger.put_journey(CUSTOMER, journey)
        temporal.on_list = None

    temporal.on_list = begin
    await rebuild(ledger, temporal)
    assert [journey.id for journey in await ledger.journeys(CUSTOMER)] == ["renewal:x:1"]


async def test_a_stage_that_moves_during_the_rebuild_is_not_set_back(ledger: Ledger) -> None:
    listed = FakeExecution(id="renewal:x:1", kind="renewal", stage="started")
    temporal = FakeTemporal(listings=[[listed]])

    async def move_on() -> None:
        if temporal.listed == 2:
            journey = JourneyState(id="renewal:x:1", kind="renewal", stage="offered", since=NOW)
            await ledger.put_journey(CUSTOMER, journey)

    temporal.on_list = move_on
    await rebuild(ledger, temporal)
    assert [journey.stage for journey in await ledger.journeys(CUSTOMER)] == ["offered"]


async def test_without_temporal_nothing_is_called_reconciled(wiped_ledger: Ledger) -> None:
    with pytest.raises(JourneysUnavailable):
        await rebuild(wiped_ledger, FakeTemporal(away=True))
    assert not await reconciled(wiped_ledger)
    assert await shown(wiped_ledger) == ["help"]


# -- a rebuild that is disturbed


@pytest.mark.parametrize("moment", [1, 2])
async def test_a_wipe_in_the_middle_never_sets_the_marker(ledger: Ledger, moment: int) -> None:
    await ledger.place_hold(CUSTOMER, a_hold(since=ledger.clock.now()))
    temporal = FakeTemporal()

    async def wipe() -> None:
        if temporal.listed == moment:
            await redis_says(ledger, "FLUSHALL")

    temporal.on_list = wipe
    with pytest.raises(LiveStateUnavailable):
        await rebuild(ledger, temporal)
    assert not await reconciled(ledger)
    assert await shown(ledger) == ["help"]
    await rebuild(ledger)
    assert await shown(ledger) == ["help"]
    assert len(await ledger.holds(CUSTOMER)) == 1


async def test_two_rebuilds_at_once_are_one(ledger: Ledger) -> None:
    await live_through_much(ledger)
    before = await everything(ledger)
    results = await asyncio.gather(rebuild(ledger), rebuild(ledger), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == [
        "LiveStateUnavailable",
        "Rebuilt",
    ]
    assert await everything(ledger) == before
    assert await reconciled(ledger)


async def test_a_rebuild_that_was_overtaken_clears_nothing(ledger: Ledger) -> None:
    """It stalled for longer than its claim lasts, and another one has finished since."""
    await ledger.place_hold(CUSTOMER, a_hold(since=ledger.clock.now()))
    temporal = FakeTemporal()

    async def be_overtaken() -> None:
        temporal.on_list = None
        await redis_says(ledger, "DEL", keys.REBUILDING)
        await rebuild(ledger)

    temporal.on_list = be_overtaken
    with pytest.raises(LiveStateUnavailable):
        await rebuild(ledger, temporal)
    assert await reconciled(ledger)
    assert len(await ledger.holds(CUSTOMER)) == 1


async def test_what_is_accepted_during_a_rebuild_is_in_force_after_it(ledger: Ledger) -> None:
    now = ledger.clock.now()
    temporal = FakeTemporal()
    places = iter(range(1, 10))

    async def complain() -> None:
        number = next(places)
        hold = a_hold(str(number), seq=number, since=now)
        await ledger.place_hold(CUSTOMER, hold)
        await ledger.set_consent(a_customer(str(number)), "sales", "web", False, "desk", now)

    temporal.on_list = complain
    await rebuild(ledger, temporal)
    assert [hold.seq for hold in await ledger.holds(CUSTOMER)] == [1, 2]
    for number in (1, 2):
        assert (await ledger.state(a_customer(str(number)))).consents == {"sales:web": False}


async def test_a_hold_that_is_released_during_a_rebuild_stays_released(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.place_hold(CUSTOMER, a_hold())
    again = ledger.enforce_again

    async def released_first(held: object) -> None:
        await ledger.release_hold(CUSTOMER, "complaint:4711", 1, "journey", "resolved")
        await again(held)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(ledger, "enforce_again", released_first)
    await rebuild(ledger)
    assert await ledger.holds(CUSTOMER) == ()


async def test_redis_away_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path, "redis://127.0.0.1:1/0") as ledger:
        with pytest.raises(LiveStateUnavailable):
            await reconciled(ledger)
        with pytest.raises(LiveStateUnavailable):
            await rebuild(ledger)


# -- a killed server


@pytest.fixture
async def killed(tmp_path: Path) -> AsyncGenerator[Ledger]:
    """A ledger with a past, whose Valkey was killed and started again on its append-only file."""
    folder = tmp_path / "valkey"
    with valkey(folder, append_only=True) as server:
        async with opened(tmp_path, server.url) as ledger:
            await reconcile(ledger)
            await live_through_much(ledger)
            server.process.kill()
            server.process.wait()
            with valkey(folder, append_only=True, port=server.port):
                yield ledger


async def test_after_a_kill_nothing_sells_before_the_rebuild_and_all_is_back_after_it(
    killed: Ledger,
) -> None:
    other = a_customer("other")
    assert await shown(killed, other) == ["help"]
    sender = Sender(killed, {"email": FakeChannel()}, lambda: BUNDLE, NoFeatures())
    message = a_message("late", SALE, customer=other, at=killed.clock.now())
    with pytest.raises(DeliveryPending):
        await sender.send(message)
    await rebuild(killed)
    assert await shown(killed, other) == ["upgrade"]
    assert await shown(killed) == ["help"]
    state = await killed.state(CUSTOMER)
    assert [(hold.id, hold.state) for hold in state.holds] == [
        ("complaint:1", HoldState.ACTIVE),
        ("complaint:2", HoldState.ORPHANED),
    ]
    assert state.consents == {"sales:email": False, "survey:web": True}
    kinds = [contact.kind for contact in (await killed.state(other)).contacts]
    assert sorted(kinds) == sorted(
        [
            ContactKind.DELIVERY,
            ContactKind.DISPATCH,
            ContactKind.DISPATCH,
            ContactKind.IMPRESSION,
        ]
    )
