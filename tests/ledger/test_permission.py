"""What stops a message that is about to leave: all that would stop its action in a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from engine.catalog import Bundle, Exclusion, Period, Window, Zone
from engine.channels.delivery import DeliveryStatus, Repeat
from engine.errors import LiveStateUnavailable
from engine.ledger import Ledger, keys, permission, tables
from engine.ledger.sends import DeliveryPending, Sender, SendResult, SendStatus
from engine.ledger.wire import Command
from engine.types import ContactKind, FeatureRow
from engine.windows import MILLISECOND
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_contact,
    a_customer,
    a_hold,
    a_limit,
    a_message,
    a_policy,
    a_reach,
    a_volume,
    an_action,
    quiet_hours,
)
from tests.support.ledgers import FakeChannel, NoFeatures, redis_says, standing_at

SALE = an_action("upgrade")
HELP = an_action("help", purpose="service", exempt="service")
NOON = quiet_hours("noon", "11:00", "14:00", waits=True)
TOKYO = NoFeatures(
    FeatureRow(values={"profile.zone": "Asia/Tokyo"}, times={"profile": NOW - timedelta(days=1)})
)


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    """Its clock stands where the messages are."""
    return standing_at(ledger, NOW)


def a_sender(
    ledger: Ledger,
    bundle: Bundle,
    channel: FakeChannel | None = None,
    features: NoFeatures | None = None,
) -> Sender:
    """A sender with one channel, e-mail."""
    adapters = {"email": channel or FakeChannel()}
    return Sender(ledger, adapters, lambda: bundle, features or NoFeatures())


async def journalled(ledger: Ledger, message_id: str = "m1") -> tuple[str, int, str]:
    """A message's state, how often it was tried, and by which exemptions."""
    query = select(tables.messages).filter_by(message_id=message_id)
    row = await ledger.journal.read(lambda connection: connection.execute(query).one())
    return row.state, row.attempts, row.exemptions


async def contacts(ledger: Ledger) -> int:
    """How many contacts count."""
    return len((await ledger.state(a_customer())).contacts)


def between(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[], Awaitable[object]], times: int = 1
) -> list[int]:
    """Lets something happen between the reading and the script of the next sends."""
    authorise, answers = permission.AUTHORISE, list[int]()

    async def slow(*call: Any) -> Any:
        if len(answers) < times:
            await change()
        answers.append(await authorise(*call))
        return answers[-1]

    monkeypatch.setattr(permission, "AUTHORISE", slow)
    return answers


# -- every guard of a decision


async def test_an_emergency_stop_refuses_what_was_decided_before_it(ledger: Ledger) -> None:
    stop = Exclusion(
        name="recall", because="a recall", reach=a_reach(channels=["email"]), until=NOW + DAY
    )
    result = await a_sender(ledger, a_bundle(SALE, exclusions=(stop,))).send(a_message())
    assert result == SendResult(
        status=SendStatus.REFUSED, message_id="m1", reason="exclusion:recall", until=NOW + DAY
    )


async def test_a_contact_policy_refuses_a_message_until_its_silence_ends(ledger: Ledger) -> None:
    policy = a_policy("rejected", outcomes=["reject"], times=1, silence=10 * DAY)
    reject = a_contact("o1", kind=ContactKind.RESPONSE, outcome="reject", at=NOW - DAY)
    click = replace(reject, id="o2", outcome="click")
    sender = a_sender(ledger, a_bundle(SALE, policies=(policy,)))
    await ledger.add_contacts([(a_customer(), click)])
    assert (await sender.send(a_message())).status is SendStatus.DELIVERED
    await ledger.add_contacts([(a_customer(), reject)])
    refused = await sender.send(a_message("m2"))
    assert (refused.reason, refused.until) == ("policy:rejected", NOW + 9 * DAY)


async def test_a_refusal_says_when_the_hold_ends_and_says_it_again(ledger: Ledger) -> None:
    await ledger.place_hold(a_customer(), a_hold(until=NOW + DAY))
    sender = a_sender(ledger, a_bundle(SALE))
    results = [await sender.send(a_message()) for _ in range(2)]
    assert {(result.reason, result.until) for result in results} == {
        ("hold:complaint:4711", NOW + DAY)
    }


async def test_a_limit_is_full_until_its_very_last_moment_between_two_milliseconds(
    ledger: Ledger,
) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=1, window=Window(length=DAY))])
    sent = a_contact("m0", at=NOW - DAY + MILLISECOND)
    await ledger.add_contacts([(a_customer(), sent)])
    sender = a_sender(ledger, bundle)
    early = await sender.send(a_message("m1", at=NOW + 0.6 * MILLISECOND))
    assert (early.status, early.until) == (SendStatus.REFUSED, NOW + MILLISECOND)
    after = await sender.send(a_message("m2", at=NOW + MILLISECOND))
    assert after.status is SendStatus.DELIVERED


async def test_a_purpose_that_the_bundle_lost_is_refused(ledger: Ledger) -> None:
    lost = replace(a_message(), purpose="winback")
    assert (await a_sender(ledger, a_bundle(SALE)).send(lost)).reason == "unknown_purpose:winback"


# -- quiet hours


async def test_quiet_hours_that_drop_refuse_for_good(ledger: Ledger) -> None:
    hours = replace(NOON, waits=False)
    sender = a_sender(ledger, a_bundle(SALE, quiet_hours=(hours,)))
    refused = await sender.send(a_message())
    assert (refused.status, refused.reason) == (SendStatus.REFUSED, "quiet_hours:noon")
    assert refused.until == datetime(2026, 3, 2, 14, tzinfo=UTC)
    assert (await sender.send(a_message(at=NOW + 4 * timedelta(hours=1)))) == refused


@pytest.mark.parametrize("repeat", list(Repeat))
async def test_a_message_waits_for_the_end_of_quiet_hours_and_leaves_then(
    ledger: Ledger, repeat: Repeat
) -> None:
    channel = FakeChannel(repeat=repeat)
    sender = a_sender(ledger, a_bundle(SALE, quiet_hours=(NOON,)), channel)
    end = datetime(2026, 3, 2, 14, tzinfo=UTC)
    for _ in range(3):
        waits = await sender.send(a_message())
        assert (waits.status, waits.reason) == (SendStatus.WAITS, "quiet_hours:noon")
        assert waits.until == end
        assert await journalled(ledger) == ("intent", 0, "[]")
        assert await contacts(ledger) == 0
        assert await redis_says(ledger, "EXISTS", keys.live(a_customer())) == 0
    early = await sender.send(a_message(at=end - timedelta(milliseconds=1)))
    assert early.status is SendStatus.WAITS
    assert (await sender.send(a_message(at=end))).status is SendStatus.DELIVERED
    assert channel.started == ["m1"]


async def test_what_stops_a_message_for_good_is_not_hidden_by_quiet_hours(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, quiet_hours=(NOON,), limits=[a_limit(maximum=1)])
    await ledger.add_contacts([(a_customer(), a_contact("x"))])
    refused = await a_sender(ledger, bundle).send(a_message())
    assert (refused.status, refused.reason) == (SendStatus.REFUSED, "limit:two-a-week")


async def test_an_attempt_of_unknown_outcome_stays_counted_while_the_next_one_waits(
    ledger: Ledger,
) -> None:
    channel = FakeChannel(answers=[DeliveryStatus.UNKNOWN, DeliveryStatus.DELIVERED])
    sender = a_sender(ledger, a_bundle(SALE, quiet_hours=(NOON,)), channel)
    early = NOW - timedelta(minutes=61)
    ledger = standing_at(ledger, early)
    with pytest.raises(DeliveryPending):
        await sender.send(a_message(at=early))
    assert (await sender.send(a_message(at=NOW))).status is SendStatus.WAITS
    assert await contacts(ledger) == 1
    assert (await journalled(ledger))[:2] == ("intent", 1)
    late = NOW + timedelta(hours=2)
    assert (await sender.send(a_message(at=late))).status is SendStatus.DELIVERED


async def test_quiet_hours_go_by_the_clock_of_the_customer(ledger: Ledger) -> None:
    night = quiet_hours("night", "21:00", "08:00", waits=True)
    bundle = a_bundle(SALE, quiet_hours=(night,), zone="UTC", customer_zone="profile.zone")
    there = await a_sender(ledger, bundle, features=TOKYO).send(a_message())
    assert (there.status, there.until) == (SendStatus.WAITS, datetime(2026, 3, 2, 23, tzinfo=UTC))
    assert (await a_sender(ledger, bundle).send(a_message("m2"))).status is SendStatus.DELIVERED


async def test_a_limit_by_the_calendar_goes_by_the_clock_of_the_customer(ledger: Ledger) -> None:
    today = a_limit("today", maximum=1, window=Window(period=Period.DAY, zone=Zone.CUSTOMER))
    bundle = a_bundle(SALE, limits=[today], customer_zone="profile.zone")
    yesterday_there = datetime(2026, 3, 1, 14, 30, tzinfo=UTC)  # 23:30 in Tokyo
    await ledger.add_contacts([(a_customer(), a_contact("x", at=yesterday_there))])
    early = datetime(2026, 3, 1, 16, tzinfo=UTC)  # 1:00 of the next day in Tokyo
    ledger = standing_at(ledger, early)
    assert (await a_sender(ledger, bundle).send(a_message(at=early))).until == NOW.replace(hour=0)
    there = await a_sender(ledger, bundle, features=TOKYO).send(a_message("m2", at=early))
    assert there.status is SendStatus.DELIVERED


async def test_features_that_can_not_be_read_leave_the_clock_of_the_business(
    ledger: Ledger,
) -> None:
    class Damaged(NoFeatures):
        def decode(self, reply: object) -> FeatureRow:
            raise LiveStateUnavailable("no row")

    class Refused(NoFeatures):
        def command(self, customer: str) -> Command:
            return ("HGETALL",)

    bundle = a_bundle(SALE, quiet_hours=(NOON,), customer_zone="profile.zone")
    for number, features in enumerate((Damaged(), Refused())):
        sender = a_sender(ledger, bundle, features=features)
        assert (await sender.send(a_message(f"m{number}"))).status is SendStatus.WAITS


# -- exemptions


async def test_an_exemption_is_logged_where_only_that_let_a_message_pass(ledger: Ledger) -> None:
    bundle = a_bundle(HELP, limits=[a_limit(maximum=1)], quiet_hours=(NOON,))
    sender = a_sender(ledger, bundle)
    before = NOW - timedelta(minutes=61)
    for number, at in enumerate((before, before, NOW)):
        ledger = standing_at(ledger, at)
        assert (await sender.send(a_message(f"m{number}", HELP, at=at))).reason == ""
    logged = [(await journalled(ledger, f"m{number}"))[2] for number in range(3)]
    assert logged == ["[]", '["limit:two-a-week"]', '["limit:two-a-week","quiet_hours:noon"]']


async def test_what_sells_is_limited_whatever_class_it_claims(ledger: Ledger) -> None:
    sly = an_action("help", purpose="service", tags=["commercial"], exempt="service")
    sender = a_sender(ledger, a_bundle(sly, limits=[a_limit(maximum=1)]))
    results = [await sender.send(a_message(f"m{number}", sly)) for number in range(2)]
    assert [result.reason for result in results] == ["", "limit:two-a-week"]


# -- volumes


async def test_a_message_takes_a_unit_and_none_is_left_for_the_next_customer(
    ledger: Ledger,
) -> None:
    sender = a_sender(ledger, a_bundle(SALE, volumes=(a_volume(maximum=1),)))
    assert (await sender.send(a_message())).status is SendStatus.DELIVERED
    other = await sender.send(a_message("m2", customer=a_customer("other")))
    assert (other.status, other.reason) == (SendStatus.REFUSED, "volume:phones")


async def test_a_message_that_was_not_delivered_gives_its_unit_back(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, volumes=(a_volume(maximum=1),))
    rejecting = FakeChannel(answers=[DeliveryStatus.REJECTED])
    failed = await a_sender(ledger, bundle, rejecting).send(a_message())
    assert failed.status is SendStatus.FAILED
    other = a_message("m2", customer=a_customer("other"))
    assert (await a_sender(ledger, bundle).send(other)).status is SendStatus.DELIVERED


async def test_a_repeated_message_takes_one_unit(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, volumes=(a_volume(maximum=1),))
    channel = FakeChannel(answers=[DeliveryStatus.UNKNOWN, DeliveryStatus.DELIVERED])
    sender = a_sender(ledger, bundle, channel)
    with pytest.raises(DeliveryPending):
        await sender.send(a_message())
    other = a_message("m2", customer=a_customer("other"))
    assert (await sender.send(other)).reason == "volume:phones"
    assert (await sender.send(a_message())).status is SendStatus.DELIVERED


async def test_many_customers_at_once_take_no_more_than_there_is(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, volumes=(a_volume(maximum=5),))
    senders = [a_sender(ledger, bundle) for _ in range(4)]
    messages = [a_message(f"m{n}", customer=a_customer(str(n))) for n in range(20)]
    results = await asyncio.gather(*(senders[n % 4].send(m) for n, m in enumerate(messages)))
    assert sorted(result.reason for result in results) == [""] * 5 + ["volume:phones"] * 15


# -- what happens between the reading and the script


async def test_a_hold_that_arrives_between_reading_and_script_refuses(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FakeChannel()
    answers = between(monkeypatch, lambda: ledger.place_hold(a_customer(), a_hold()))
    result = await a_sender(ledger, a_bundle(SALE), channel).send(a_message())
    assert (result.status, result.reason) == (SendStatus.REFUSED, "hold:complaint:4711")
    assert answers == [0]
    assert channel.started == []
    assert await contacts(ledger) == 0


async def test_a_contact_that_arrives_between_reading_and_script_fills_the_limit(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = (a_customer(), a_contact("x"))
    answers = between(monkeypatch, lambda: ledger.add_contacts([seen]))
    result = await a_sender(ledger, a_bundle(SALE, limits=[a_limit(maximum=1)])).send(a_message())
    assert (result.reason, result.until) == ("limit:two-a-week", NOW + 6 * DAY)
    assert answers == [0]


async def test_a_wipe_between_reading_and_script_lets_nothing_out(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FakeChannel()
    between(monkeypatch, lambda: redis_says(ledger, "FLUSHALL"))
    with pytest.raises(DeliveryPending, match="not reconciled"):
        await a_sender(ledger, a_bundle(SALE), channel).send(a_message())
    assert channel.started == []
    assert (await journalled(ledger))[:2] == ("intent", 0)


async def test_a_state_that_never_rests_leaves_the_message_for_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FakeChannel(repeat=Repeat.AT_MOST_ONCE)
    numbers = iter(range(1_000))

    async def change() -> None:
        contact = a_contact(f"o{next(numbers)}", kind=ContactKind.IMPRESSION, at=NOW)
        await ledger.add_contacts([(a_customer(), contact)])

    monkeypatch.setattr(permission, "_STEP_ASIDE_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        between(patch, change, times=1_000)
        with pytest.raises(DeliveryPending, match="changes faster"):
            await a_sender(ledger, a_bundle(SALE), channel).send(a_message())
    assert (await journalled(ledger))[:2] == ("intent", 0)
    result = await a_sender(ledger, a_bundle(SALE), channel).send(a_message())
    assert result.status is SendStatus.DELIVERED


async def test_many_sends_that_all_fit_all_get_through(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=60)])
    senders = [a_sender(ledger, bundle) for _ in range(8)]
    sends = (senders[n % 8].send(a_message(f"m{n}")) for n in range(60))
    results = await asyncio.gather(*sends)
    assert {result.status for result in results} == {SendStatus.DELIVERED}
    assert (await senders[0].send(a_message("one too many"))).reason == "limit:two-a-week"
