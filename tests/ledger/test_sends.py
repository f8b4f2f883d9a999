"""A send: authorised, delivered, settled; whatever breaks, and whoever is faster."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from engine.catalog import Bundle
from engine.channels.delivery import DeliveryStatus, Message, Repeat
from engine.errors import InvalidInput, LiveStateUnavailable, Unavailable
from engine.ledger import Ledger, keys, permission, tables
from engine.ledger.script import unavailable
from engine.ledger.sends import DeliveryPending, Sender, SendResult, SendStatus
from engine.types import Contact, ContactKind
from tests.support.builders import (
    DAY,
    NOW,
    WEEK,
    a_bundle,
    a_contact,
    a_customer,
    a_hold,
    a_limit,
    a_message,
    a_purpose,
    an_action,
)
from tests.support.hammer import MESSAGES
from tests.support.ledgers import (
    FakeChannel,
    NoFeatures,
    reconcile,
    redis_calls,
    redis_says,
    standing_at,
)
from tests.support.servers import Server

DELIVERED, REJECTED, UNKNOWN = (
    DeliveryStatus.DELIVERED,
    DeliveryStatus.REJECTED,
    DeliveryStatus.UNKNOWN,
)
SALE = an_action("upgrade")
HELP = an_action("help", purpose="service", exempt="service")
BUNDLE = a_bundle(SALE, HELP)


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    """Its clock stands where the messages are."""
    return standing_at(ledger, NOW)


def a_sender(ledger: Ledger, channel: FakeChannel | None = None, bundle: Bundle = BUNDLE) -> Sender:
    """A sender with one channel, e-mail."""
    return Sender(ledger, {"email": channel or FakeChannel()}, lambda: bundle, NoFeatures())


async def contacts(ledger: Ledger, customer: str | None = None) -> list[Contact]:
    """The contacts that count, in Redis."""
    return list((await ledger.state(customer or a_customer())).contacts)


async def kinds(ledger: Ledger) -> list[ContactKind]:
    """The kinds of the contacts that count."""
    return sorted(contact.kind for contact in await contacts(ledger))


async def in_flight(ledger: Ledger) -> list[bytes]:
    """The marks of messages on their way."""
    fields = await redis_says(ledger, "HKEYS", keys.live(a_customer()))
    return [name for name in fields if name.startswith(b"i:")]


async def journalled(ledger: Ledger) -> dict[str, tuple[str, int]]:
    """Every message of the journal: its state and how often it was tried."""
    rows = await ledger.journal.read(
        lambda connection: connection.execute(select(tables.messages)).all()
    )
    return {row.message_id: (row.state, row.attempts) for row in rows}


# -- one message


async def test_a_delivered_message_counts_as_dispatch_and_as_delivery(ledger: Ledger) -> None:
    channel = FakeChannel()
    result = await a_sender(ledger, channel).send(a_message())
    assert result == SendResult(status=SendStatus.DELIVERED, message_id="m1")
    assert await kinds(ledger) == [ContactKind.DELIVERY, ContactKind.DISPATCH]
    assert await in_flight(ledger) == []
    assert await journalled(ledger) == {"m1": ("delivered", 1)}


async def test_a_settled_message_gives_the_same_result_without_another_delivery(
    ledger: Ledger,
) -> None:
    channel = FakeChannel()
    sender = a_sender(ledger, channel)
    results = [await sender.send(a_message()) for _ in range(3)]
    assert len(set(results)) == 1
    assert channel.started == ["m1"]
    assert len(await contacts(ledger)) == 2


async def test_a_rejected_message_does_not_count(ledger: Ledger) -> None:
    sender = a_sender(ledger, FakeChannel(answers=[REJECTED]))
    assert (await sender.send(a_message())).status is SendStatus.FAILED
    assert await contacts(ledger) == []
    assert await in_flight(ledger) == []


async def test_a_channel_without_adapter_says_which_there_are(ledger: Ledger) -> None:
    with pytest.raises(InvalidInput, match=r"'web' delivers no messages.*email"):
        await a_sender(ledger).send(a_message(channel="web"))


async def test_an_action_or_channel_that_the_bundle_lost_is_refused(ledger: Ledger) -> None:
    channel = FakeChannel()
    gone = await a_sender(ledger, channel, a_bundle()).send(a_message())
    assert (gone.status, gone.reason) == (SendStatus.REFUSED, "unknown_action:upgrade")
    sender = Sender(ledger, {"fax": channel}, lambda: BUNDLE, NoFeatures())
    odd = await sender.send(a_message("m2", channel="fax"))
    assert (odd.status, odd.reason) == (SendStatus.REFUSED, "unknown_channel:fax")
    assert channel.started == []


async def test_a_refused_consent_refuses_the_message(ledger: Ledger) -> None:
    await ledger.set_consent(a_customer(), "sales", "email", False, "desk", NOW)
    result = await a_sender(ledger).send(a_message())
    assert (result.status, result.reason) == (SendStatus.REFUSED, "consent:sales:email")
    await ledger.set_consent(a_customer(), "sales", "email", True, "desk", NOW)
    assert (await a_sender(ledger).send(a_message("m2"))).status is SendStatus.DELIVERED


async def test_a_consent_that_is_not_recorded_is_what_the_bundle_says(ledger: Ledger) -> None:
    opt_in = a_bundle(SALE, purposes=[a_purpose("sales", refused_on=["email"])])
    assert (await a_sender(ledger, bundle=opt_in).send(a_message())).reason == "consent:sales:email"
    await ledger.set_consent(a_customer(), "sales", "email", True, "desk", NOW)
    assert (await a_sender(ledger, bundle=opt_in).send(a_message("m2"))).reason == ""


@pytest.mark.parametrize(
    ("hold", "refused"),
    [
        (a_hold(), True),
        (a_hold(tags=[]), True),
        (a_hold(purposes=[]), True),
        (a_hold(purposes=["survey"], tags=["x"]), False),
        (a_hold(until=NOW), False),
        (a_hold(until=NOW + DAY), True),
    ],
)
async def test_a_hold_that_covers_it_refuses_a_message(
    ledger: Ledger, hold: Any, refused: bool
) -> None:
    await ledger.place_hold(a_customer(), hold)
    result = await a_sender(ledger).send(a_message())
    assert result.status is (SendStatus.REFUSED if refused else SendStatus.DELIVERED)
    assert result.reason == ("hold:complaint:4711" if refused else "")
    assert (await contacts(ledger) == []) is refused


async def test_exempt_service_passes_holds_limits_and_a_wiped_redis(wiped_ledger: Ledger) -> None:
    await wiped_ledger.place_hold(a_customer(), a_hold(purposes=["service"]))
    bundle = a_bundle(HELP, limits=[a_limit(maximum=1)])
    sender = a_sender(wiped_ledger, bundle=bundle)
    for number in range(3):
        result = await sender.send(a_message(f"m{number}", HELP))
        assert result.status is SendStatus.DELIVERED


async def test_an_exemption_that_the_bundle_does_not_know_exempts_nothing(ledger: Ledger) -> None:
    await ledger.place_hold(a_customer(), a_hold(purposes=["service"]))
    bundle = a_bundle(an_action("help", purpose="service"))
    result = await a_sender(ledger, bundle=bundle).send(a_message("m1", HELP))
    assert result.reason == "hold:complaint:4711"


async def test_an_action_that_became_commercial_since_it_was_decided_is_held(
    ledger: Ledger,
) -> None:
    await ledger.place_hold(a_customer(), a_hold())
    bundle = a_bundle(an_action("help", purpose="service", tags=["commercial"], exempt="service"))
    result = await a_sender(ledger, bundle=bundle).send(a_message("m1", HELP))
    assert result.reason == "hold:complaint:4711"


# -- what can't be known


async def test_nothing_that_sells_leaves_before_the_rebuild(wiped_ledger: Ledger) -> None:
    channel = FakeChannel(repeat=Repeat.AT_MOST_ONCE)
    sender = a_sender(wiped_ledger, channel)
    for _ in range(3):
        with pytest.raises(DeliveryPending, match="not reconciled"):
            await sender.send(a_message())
    assert channel.started == []
    await reconcile(wiped_ledger)
    assert (await sender.send(a_message())).status is SendStatus.DELIVERED


@pytest.mark.parametrize(("part", "call"), [("wire", "call"), ("redis", "execute_command")])
async def test_a_message_waits_for_a_redis_that_is_away(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, part: str, call: str
) -> None:
    channel = FakeChannel(repeat=Repeat.AT_MOST_ONCE)
    sender = a_sender(ledger, channel)

    async def away(*_: object, **__: object) -> Any:
        raise unavailable(ConnectionRefusedError("nobody listens"))

    with monkeypatch.context() as patch:
        patch.setattr(getattr(ledger, part), call, away)
        with pytest.raises(DeliveryPending, match="nobody listens"):
            await sender.send(a_message())
    assert channel.started == []
    assert (await sender.send(a_message())).status is SendStatus.DELIVERED


async def test_an_unknown_outcome_is_repeated_with_the_same_id_only_where_that_is_safe(
    ledger: Ledger,
) -> None:
    safe = FakeChannel(answers=[UNKNOWN, UNKNOWN, DELIVERED])
    sender = a_sender(ledger, safe)
    for _ in range(2):
        with pytest.raises(DeliveryPending):
            await sender.send(a_message())
        assert await kinds(ledger) == [ContactKind.DISPATCH]
    assert (await sender.send(a_message())).status is SendStatus.DELIVERED
    assert safe.started == ["m1", "m1", "m1"]

    once = FakeChannel(repeat=Repeat.AT_MOST_ONCE, answers=[UNKNOWN])
    sender = a_sender(ledger, once)
    results = [await sender.send(a_message("m2")) for _ in range(3)]
    assert {result.status for result in results} == {SendStatus.UNKNOWN}
    assert once.started == ["m2"]
    assert ContactKind.DISPATCH in {c.kind for c in await contacts(ledger) if c.id == "m2"}


async def test_a_hold_between_two_attempts_ends_them_and_the_first_stays_counted(
    ledger: Ledger,
) -> None:
    channel = FakeChannel(answers=[UNKNOWN])
    sender = a_sender(ledger, channel)
    with pytest.raises(DeliveryPending):
        await sender.send(a_message())
    await ledger.place_hold(a_customer(), a_hold())
    result = await sender.send(a_message())
    assert (result.status, result.reason) == (
        SendStatus.UNKNOWN,
        "recalled after an attempt: hold:complaint:4711",
    )
    assert channel.started == ["m1"]
    assert await kinds(ledger) == [ContactKind.DISPATCH]


async def test_its_own_reservation_never_fills_a_limit(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=1)])
    sender = a_sender(ledger, FakeChannel(answers=[UNKNOWN, DELIVERED]), bundle)
    with pytest.raises(DeliveryPending):
        await sender.send(a_message())
    assert (await sender.send(a_message("m2"))).reason == "limit:two-a-week"
    assert (await sender.send(a_message())).status is SendStatus.DELIVERED


async def test_a_limit_frees_when_it_said_so(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=1)])
    sender = a_sender(ledger, bundle=bundle)
    await sender.send(a_message())
    refused = await sender.send(a_message("m2", at=NOW + DAY))
    assert refused.until == NOW + WEEK
    early = await sender.send(a_message("m3", at=NOW + WEEK - timedelta(milliseconds=1)))
    assert early.status is SendStatus.REFUSED
    assert (await sender.send(a_message("m4", at=NOW + WEEK))).status is SendStatus.DELIVERED


async def test_a_message_that_waited_counts_from_when_it_left_not_from_its_step(
    ledger: Ledger,
) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=1)])
    sender = a_sender(ledger, bundle=bundle)

    await sender.send(a_message(at=NOW - 6 * DAY))
    refused = await sender.send(a_message("m2", at=NOW + 2 * DAY))

    assert (refused.status, refused.until) == (SendStatus.REFUSED, NOW + WEEK)


async def test_a_result_that_redis_missed_is_indexed_when_the_message_is_sent_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=1, kinds=[ContactKind.DELIVERY])])
    sender = a_sender(ledger, bundle=bundle)

    async def away(*_: object) -> None:
        raise LiveStateUnavailable("Redis went away")

    with monkeypatch.context() as patch:
        patch.setattr(sender, "_land", away)
        with pytest.raises(LiveStateUnavailable):
            await sender.send(a_message())
    assert (await sender.send(a_message())).status is SendStatus.DELIVERED
    assert await kinds(ledger) == [ContactKind.DELIVERY, ContactKind.DISPATCH]
    assert await in_flight(ledger) == []
    assert (await sender.send(a_message("m2"))).reason == "limit:two-a-week"


# -- P1: a hold against deliveries in flight


async def test_a_hold_names_the_deliveries_on_their_way_that_it_covers(ledger: Ledger) -> None:
    covered: list[tuple[str, ...]] = []

    async def complain() -> None:
        covered.append(await ledger.place_hold(a_customer(), a_hold()))

    sender = a_sender(ledger, FakeChannel(before=complain))
    await sender.send(a_message())
    assert covered == [("m1",)]
    assert await ledger.place_hold(a_customer(), a_hold()) == ()


async def test_a_hold_does_not_wait_for_exempt_or_lost_deliveries(ledger: Ledger) -> None:
    covered: list[tuple[str, ...]] = []

    async def complain() -> None:
        covered.append(await ledger.place_hold(a_customer(), a_hold(purposes=["service"])))

    await a_sender(ledger, FakeChannel(before=complain)).send(a_message("m1", HELP))
    assert covered == [()]


async def test_a_permission_that_arrives_late_is_asked_for_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The acknowledgement of a hold does not wait for ever: a stalled sender must look again."""
    channel = FakeChannel()
    authorise, answers = permission.AUTHORISE, list[Any]()

    async def slow(*call: Any) -> Any:
        answers.append(await authorise(*call))
        if len(answers) == 1:
            await ledger.place_hold(a_customer(), a_hold())
            await asyncio.sleep(0.6)
        return answers[-1]

    monkeypatch.setattr(permission, "AUTHORISE", slow)
    result = await a_sender(ledger, channel).send(a_message())
    assert answers == [1]
    assert (result.status, result.reason) == (SendStatus.REFUSED, "hold:complaint:4711")
    assert channel.started == []
    assert await contacts(ledger) == []


async def test_an_attempt_that_gives_up_does_not_hide_another_that_is_on_its_way(
    ledger: Ledger,
) -> None:
    channel = FakeChannel(repeat=Repeat.AT_MOST_ONCE, seconds=0.2)
    sender = a_sender(ledger, channel)
    first = asyncio.create_task(sender.send(a_message()))
    await channel.busy.wait()
    second = await sender.send(a_message())
    assert second.status is SendStatus.UNKNOWN
    assert await ledger.place_hold(a_customer(), a_hold()) == ("m1",)
    await first
    assert channel.started == ["m1"]


# -- P2: one limit under many senders

PROCESSES = 8


async def test_many_senders_never_exceed_a_limit(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=3)])
    channel = FakeChannel(answers=[DELIVERED, REJECTED, UNKNOWN, DELIVERED], seconds=0.005)

    async def persist(sender: Sender, number: int) -> SendStatus:
        while True:
            try:
                return (await sender.send(a_message(f"m{number}"))).status
            except DeliveryPending:
                await asyncio.sleep(0.01)

    senders = [a_sender(ledger, channel, bundle) for _ in range(4)]
    results = await asyncio.gather(*(persist(senders[n % 4], n) for n in range(40)))
    counted = Counter(results)
    assert counted[SendStatus.DELIVERED] <= 3
    assert counted[SendStatus.REFUSED] >= 36
    dispatches = [c for c in await contacts(ledger) if c.kind is ContactKind.DISPATCH]
    assert len(dispatches) == counted[SendStatus.DELIVERED]


async def test_eight_processes_never_pass_a_limit_by_even_one(
    ledger: Ledger, shared_valkey: Server
) -> None:
    maximum = 30  # most of them get through: they compete, and each must be judged again
    here = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from tests.support.hammer import main; main()",
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
    statuses = Counter(line for output in outputs for line in output.decode().split())
    assert statuses == {"delivered": maximum, "refused": PROCESSES * MESSAGES - maximum}


# -- P3: a crash at any moment


class Crash(Exception):
    """The process ends here."""


class Fuse:
    """Crashes at the n-th thing that leaves the process, before or after it happened."""

    def __init__(self, at: int, after: bool) -> None:
        self.left = at
        self.after = after
        self.blown = False

    def around(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def fused(*args: Any, **named: Any) -> Any:
            if self.blown:
                raise Crash
            self.left -= 1
            last = self.left == 0
            if last and not self.after:
                self.blown = True
                raise Crash
            result = await call(*args, **named)
            if last:
                self.blown = True
                raise Crash
            return result

        return fused


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("repeat", list(Repeat))
async def test_a_crash_at_any_step_repeats_no_message_that_may_not_be_repeated(
    ledger: Ledger, repeat: Repeat, after: bool
) -> None:
    crashes = 0
    for at in range(1, 20):
        message = a_message(f"m{at}", customer=a_customer(f"crash {at}"))
        channel = FakeChannel(repeat=repeat)
        if not await crashes_at(ledger, channel, message, Fuse(at, after)):
            break
        crashes += 1
        results = [await a_sender(ledger, channel).send(message) for _ in range(2)]
        assert results[0] == results[1]
        assert set(channel.started) <= {message.message_id}
        if repeat is Repeat.AT_MOST_ONCE:
            assert len(channel.started) <= 1
        else:
            assert results[0].status is SendStatus.DELIVERED
            assert 1 <= len(channel.started) <= 2
        dispatched = [c for c in await contacts(ledger, message.customer) if c.kind == "dispatch"]
        assert len(dispatched) == 1
    assert crashes >= 4
    assert {state for state, _ in (await journalled(ledger)).values()} <= {"delivered", "unknown"}


async def crashes_at(ledger: Ledger, channel: FakeChannel, message: Message, fuse: Fuse) -> bool:
    """Sends until the fuse blows; False when the send came through before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger.journal, "write", fuse.around(ledger.journal.write))
        patch.setattr(ledger.redis, "execute_command", fuse.around(redis_calls(ledger)))
        patch.setattr(ledger.wire, "call", fuse.around(ledger.wire.call))
        patch.setattr(channel, "deliver", fuse.around(channel.deliver))
        try:
            await a_sender(ledger, channel).send(message)
        except Crash:
            return True
    return False


async def test_the_same_message_at_once_is_delivered_once_where_once_is_the_most(
    ledger: Ledger,
) -> None:
    channel = FakeChannel(repeat=Repeat.AT_MOST_ONCE, seconds=0.02)
    sender = a_sender(ledger, channel)
    results = await asyncio.gather(*(sender.send(a_message()) for _ in range(10)))
    assert channel.started == ["m1"]
    assert {result.message_id for result in results} == {"m1"}
    assert len({c.id for c in await contacts(ledger)}) == 1


async def test_a_journal_that_is_away_sends_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> Any:
        raise Unavailable("the disk is full")

    channel = FakeChannel()
    with monkeypatch.context() as patch:
        patch.setattr(ledger.journal, "write", away)
        with pytest.raises(Unavailable):
            await a_sender(ledger, channel).send(a_message())
    assert channel.started == []


async def test_contacts_of_other_channels_count_where_the_limit_says_so(ledger: Ledger) -> None:
    bundle = a_bundle(SALE, limits=[a_limit(maximum=1)])
    await ledger.add_contacts([(a_customer(), a_contact("x", channel="whatsapp"))])
    assert (await a_sender(ledger, bundle=bundle).send(a_message())).until == NOW + 6 * DAY
