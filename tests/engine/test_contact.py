"""Contact limits: what counts, when one frees, and that a send counts as a decision does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.catalog import ContactLimit, Influencer, Period, Scope, Window, Zone
from engine.contact import LONGEST_WINDOW, horizon, limited
from engine.ledger import Ledger
from engine.ledger.contacts import known_as
from engine.ledger.sends import Sender, SendStatus
from engine.types import Contact, ContactKind, Stage
from engine.windows import MILLISECOND
from tests.support.builders import (
    DAY,
    NOW,
    WEEK,
    a_bundle,
    a_contact,
    a_customer,
    a_limit,
    a_message,
    a_policy,
    a_rule,
    an_action,
)
from tests.support.ledgers import FakeChannel, NoFeatures, standing_at
from tests.support.moments import a_moment, on_channel

IMPRESSION, DISPATCH, DELIVERY = ContactKind.IMPRESSION, ContactKind.DISPATCH, ContactKind.DELIVERY
ACTION = an_action("upgrade")
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    """Its clock stands where the messages are."""
    return standing_at(ledger, NOW)


def until(
    limit: ContactLimit, *contacts: Contact, channel: str = "email", now: datetime = NOW
) -> datetime | None:
    """When a limit frees for the usual action; None while it has room."""
    bundle = a_bundle(ACTION, limits=[limit])
    drop = limited(on_channel(bundle, ACTION, channel), a_moment(bundle, *contacts, now=now))
    return drop.until if drop else None


def test_a_limit_has_room_until_it_is_full() -> None:
    first, second = a_contact(at=NOW - 3 * DAY), a_contact(at=NOW - DAY)
    assert until(a_limit(maximum=2)) is None
    assert until(a_limit(maximum=2), first) is None
    assert until(a_limit(maximum=2), first, second) == NOW + 4 * DAY


def test_an_over_full_limit_frees_only_once_enough_contacts_have_left() -> None:
    days = [a_contact(f"m{n}", at=NOW - n * DAY) for n in (6, 5, 4, 1)]
    assert until(a_limit(maximum=2), *days) == NOW + 3 * DAY


@pytest.mark.parametrize("now", [NOW, NOW + timedelta(milliseconds=123), NOW + 457 * MILLISECOND])
def test_a_rolling_window_ends_to_the_millisecond(now: datetime) -> None:
    limit = a_limit(maximum=1)
    assert until(limit, a_contact(at=now - WEEK), now=now) is None
    assert until(limit, a_contact(at=now - WEEK + MILLISECOND), now=now) == now + MILLISECOND


def test_a_calendar_limit_frees_at_midnight_of_the_clock_it_names() -> None:
    today = a_contact(at=NOW - HOUR)
    for zone, frees in [
        (Zone.UTC, datetime(2026, 3, 3, tzinfo=UTC)),
        (Zone.BUSINESS, datetime(2026, 3, 2, 15, tzinfo=UTC)),
    ]:
        limit = a_limit(maximum=1, window=Window(period=Period.DAY, zone=zone))
        bundle = a_bundle(ACTION, limits=[limit], zone="Asia/Tokyo")
        drop = limited(on_channel(bundle, ACTION), a_moment(bundle, today))
        assert drop is not None
        assert drop.until == frees
        later = a_moment(bundle, today, now=frees)
        assert limited(on_channel(bundle, ACTION), later) is None


def test_a_limit_goes_by_the_day_of_each_customer() -> None:
    limit = a_limit(maximum=1, window=Window(period=Period.DAY, zone=Zone.CUSTOMER))
    bundle = a_bundle(ACTION, limits=[limit], customer_zone="profile.zone")
    before = a_contact(at=NOW - 3 * HOUR)

    def full(zone: str) -> bool:
        moment = a_moment(bundle, before, features={"profile.zone": zone})
        return limited(on_channel(bundle, ACTION), moment) is not None

    assert full("Europe/Amsterdam")
    assert not full("Pacific/Auckland")  # it was 22:00 there, and is 1:00 now


@pytest.mark.parametrize(
    ("limit", "counts"),
    [
        (a_limit(maximum=1), True),
        (a_limit(maximum=1, kinds=[IMPRESSION]), False),
        (a_limit(maximum=1, kinds=[IMPRESSION, DISPATCH]), True),
        (a_limit(maximum=1, per="action"), False),
        (a_limit(maximum=1, per="group"), True),
        (a_limit(maximum=1, per="purpose"), False),
        (a_limit(maximum=1, purposes=["sales"]), False),
        (a_limit(maximum=1, purposes=["sales", "nurture"]), True),
        (a_limit(maximum=1, per_channel=True), False),
    ],
)
def test_each_limit_says_which_contacts_count(limit: ContactLimit, counts: bool) -> None:
    other = a_contact(action="other", purpose="nurture", channel="whatsapp")
    assert (until(limit, other) is not None) is counts


def test_a_message_counts_once_though_it_was_dispatched_and_delivered() -> None:
    message = [a_contact("m1", kind=kind) for kind in (DISPATCH, DELIVERY)]
    both = a_limit(maximum=2, kinds=[DISPATCH, DELIVERY])
    assert until(both, *message) is None
    assert until(both, *message, a_contact("m2")) is not None
    assert until(a_limit(maximum=1, kinds=[DELIVERY]), *message) is not None


@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.HOUSEHOLD])
def test_a_limit_of_a_circle_counts_the_contacts_of_all_its_members(scope: Scope) -> None:
    own, theirs = a_contact("m1"), a_contact("m2", at=NOW - 2 * DAY)
    bundle = a_bundle(ACTION, limits=[a_limit(maximum=2, scope=scope)])
    place = on_channel(bundle, ACTION)
    assert limited(place, a_moment(bundle, own)) is None  # alone, as far as is known
    circle = a_moment(bundle, own, circles={scope.value: (theirs, own)})
    drop = limited(place, circle)
    assert drop is not None
    assert drop.until == NOW + 5 * DAY
    of_the_other = Scope.HOUSEHOLD if scope is Scope.ACCOUNT else Scope.ACCOUNT
    other = a_moment(bundle, own, circles={of_the_other.value: (theirs, own)})
    assert limited(place, other) is None


@pytest.mark.parametrize(
    "limit",
    [
        a_limit(purposes=["nurture"]),
        a_limit(groups=["billing"]),
        a_limit(actions=["other"]),
        a_limit(channels=["whatsapp"]),
    ],
)
def test_a_limit_applies_only_to_the_candidates_it_names(limit: ContactLimit) -> None:
    assert on_channel(a_bundle(ACTION, limits=[limit]), ACTION).limits == ()


def test_exempt_actions_have_no_limits_and_are_told_which_they_passed() -> None:
    legal = an_action("terms", purpose="service", exempt="legal")
    bundle = a_bundle(legal, limits=[a_limit(maximum=1)])
    place, moment = on_channel(bundle, legal), a_moment(bundle, a_contact())
    assert limited(place, moment) is None
    assert place.spared is not None
    spared = limited(place.spared, moment)
    assert spared is not None
    assert spared.rule == "limit:two-a-week"


@pytest.mark.parametrize("channel", ["web", "app", "call"])
def test_showing_is_no_dispatch(channel: str) -> None:
    sent = a_limit(kinds=[DISPATCH, DELIVERY])
    both = a_limit("both", kinds=[DISPATCH, IMPRESSION])
    bundle = a_bundle(ACTION, limits=[sent, both])
    assert [one.name for one in on_channel(bundle, ACTION, channel).limits] == ["both"]


def test_of_several_full_limits_the_one_that_lasts_longest_is_named() -> None:
    limits = [a_limit("day", maximum=1, window=2 * DAY), a_limit("week", maximum=1)]
    for order in itertools.permutations(limits):
        bundle = a_bundle(ACTION, limits=order)
        drop = limited(on_channel(bundle, ACTION), a_moment(bundle, a_contact()))
        assert drop is not None
        assert (drop.stage, drop.rule) == (Stage.CONTACT_LIMIT, "limit:week")
        assert drop.until == NOW + 6 * DAY
        assert drop.detail == "the limit week of 1 is reached"


def test_another_moment_counts_anew() -> None:
    bundle = a_bundle(ACTION, limits=[a_limit(maximum=1)])
    place, moment = on_channel(bundle, ACTION), a_moment(bundle, a_contact())
    assert limited(place, moment) is not None
    assert limited(place, replace(moment, now=NOW + WEEK)) is None


windows = st.one_of(
    st.integers(1, 72).map(lambda hours: Window(length=hours * HOUR)),
    st.builds(Window, period=st.sampled_from(Period), zone=st.just(Zone.UTC)),
)


@settings(max_examples=300)
@given(
    window=windows,
    maximum=st.integers(1, 3),
    ages=st.lists(st.integers(0, 80), max_size=6),
    odd=st.integers(-1, 1),
)
def test_a_limit_frees_when_it_says_and_not_a_millisecond_earlier(
    window: Window, maximum: int, ages: list[int], odd: int
) -> None:
    contacts = [
        a_contact(f"m{n}", at=NOW - age * HOUR + odd * MILLISECOND * (n % 2))
        for n, age in enumerate(ages)
    ]
    limit = a_limit(maximum=maximum, window=window)
    frees = until(limit, *contacts)
    inside = [one for one in contacts if _still_inside(window, one, NOW)]
    assert (frees is not None) is (len(inside) >= maximum)
    if frees is not None:
        assert frees > NOW
        assert until(limit, *contacts, now=frees) is None
        assert until(limit, *contacts, now=frees - MILLISECOND) == frees


def _still_inside(window: Window, contact: Contact, now: datetime) -> bool:
    """Told apart by counting: by its age, or by the names of days, weeks and months."""
    at = datetime.fromtimestamp(contact.at / 1000, UTC)
    if window.length is not None:
        return now - at < window.length
    shown = {
        Period.DAY: "%Y-%m-%d",
        Period.WEEK: "%G-%V",
        Period.MONTH: "%Y-%m",
    }[window.period or Period.DAY]
    return at > now or at.strftime(shown) == now.strftime(shown)


# -- how far back


def test_contacts_matter_as_long_as_the_longest_window() -> None:
    assert horizon(a_bundle(limits=[a_limit(window=DAY), a_limit(window=90 * DAY)])) == 90 * DAY
    assert horizon(a_bundle()) == DAY


def test_a_month_matters_for_as_long_as_a_month_can_be() -> None:
    month = Window(period=Period.MONTH)
    assert horizon(a_bundle(limits=[a_limit(window=month)])) >= 31 * DAY + HOUR


def test_contacts_matter_as_long_as_a_silence_may_last_that_they_began() -> None:
    assert horizon(a_bundle(policies=[a_policy(window=WEEK, silence=10 * DAY)])) == 17 * DAY
    ignores = a_policy(outcomes=["ignore"], window=WEEK, silence=10 * DAY)
    bundle = a_bundle(policies=[ignores], answers_within=3 * DAY)
    assert horizon(bundle) >= 20 * DAY


def test_contacts_matter_as_long_as_levers_and_rules_look_at_them() -> None:
    influencer = Influencer(name="after", target="*", after="*", lasts=45 * DAY)
    assert horizon(a_bundle(influencers=(influencer,))) == 45 * DAY
    rule = a_rule('not rejected("upgrade", 1, days=120)')
    assert horizon(a_bundle(an_action("upgrade", rules=[rule]))) == 120 * DAY
    segment = {"tired": a_rule('shown("*", 9, days=60)').condition}
    assert horizon(a_bundle(segments=segment)) == 60 * DAY


def test_nothing_looks_further_back_than_contacts_are_kept() -> None:
    long = [a_limit(window=300 * DAY)]
    policy = a_policy(window=300 * DAY, silence=300 * DAY)
    assert horizon(a_bundle(limits=long, policies=[policy])) == LONGEST_WINDOW


# -- the decision and the send count alike

NAMES = ("a", "b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message to somebody whom other contacts have reached, under some limits."""

    limits: tuple[ContactLimit, ...]
    contacts: tuple[Contact, ...]
    name: str
    group: str
    purpose: str
    channel: str


def a_case(dice: Random) -> Case:
    """A case by chance: few names, so that contacts, limits and messages meet."""
    limits = [a_random_limit(dice, f"limit{n}") for n in range(dice.randint(1, 4))]
    return Case(
        limits=tuple(limits),
        contacts=tuple(a_random_contact(dice) for _ in range(dice.randint(0, 12))),
        name=dice.choice(NAMES),
        group=dice.choice(NAMES),
        purpose=dice.choice(["sales", "nurture"]),
        channel=dice.choice(["email", "whatsapp"]),
    )


def a_random_limit(dice: Random, name: str) -> ContactLimit:
    """A limit by chance."""

    def some(choices: Sequence[str]) -> list[str]:
        return [] if dice.random() < 0.7 else dice.sample(choices, dice.randint(1, 2))

    return a_limit(
        name,
        maximum=dice.randint(1, 3),
        window=a_random_window(dice),
        kinds=dice.sample(list(ContactKind), dice.randint(1, 4)),
        per=dice.choice(["customer", "purpose", "group", "action"]),
        per_channel=dice.random() < 0.3,
        purposes=some(["sales", "nurture", "survey"]),
        groups=some(NAMES),
        actions=some(NAMES),
        channels=some(["email", "whatsapp"]),
    )


def a_random_window(dice: Random) -> timedelta | Window:
    """A window by chance, rolling or by the calendar."""
    if dice.random() < 0.6:
        return timedelta(hours=dice.randint(1, 80))
    return Window(period=dice.choice(list(Period)), zone=dice.choice(list(Zone)))


def a_random_contact(dice: Random) -> Contact:
    """A contact by chance, some at the very edge of a window."""
    return a_contact(
        dice.choice(["m1", "m2", "m|3", "o4"]),
        kind=dice.choice(list(ContactKind)),
        at=NOW - timedelta(hours=dice.randint(0, 80), milliseconds=dice.choice([0, 0, 1, -1])),
        channel=dice.choice(["email", "whatsapp", "web"]),
        action=dice.choice(NAMES),
        group=dice.choice(NAMES),
        purpose=dice.choice(["sales", "nurture", "survey"]),
    )


_numbers = itertools.count()


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
async def test_a_send_is_checked_by_what_a_decision_promises(ledger: Ledger, seed: int) -> None:
    dice = Random(seed)
    await asyncio.gather(*(agrees(ledger, a_case(dice)) for _ in range(50)))


async def agrees(ledger: Ledger, case: Case) -> None:
    """The script that authorises a send says what the engine says."""
    number = next(_numbers)
    own, customer = f"own{number}", a_customer(f"differential {number}")
    contacts = [replace(one, id=own) if one.id == "m1" else one for one in case.contacts]
    await ledger.add_contacts([(customer, contact) for contact in contacts])
    action = an_action(case.name, purpose=case.purpose, group=case.group)
    bundle = a_bundle(action, limits=case.limits)
    kept = (await ledger.state(customer)).contacts
    others = [contact for contact in kept if contact.id != known_as(own)]
    moment = a_moment(bundle, *others, channel=case.channel)
    promised = limited(on_channel(bundle, action, case.channel), moment)

    sender = Sender(ledger, {case.channel: FakeChannel()}, lambda: bundle, NoFeatures())
    sent = await sender.send(a_message(own, action, channel=case.channel, customer=customer))
    if promised is None:
        assert (sent.status, sent.reason) == (SendStatus.DELIVERED, "")
    else:
        wanted = (SendStatus.REFUSED, promised.rule, promised.until)
        assert (sent.status, sent.reason, sent.until) == wanted


async def test_a_refused_send_names_the_limit_that_lasts_longest(ledger: Ledger) -> None:
    limits = [a_limit("day", maximum=1, window=2 * DAY), a_limit("week", maximum=1)]
    await ledger.add_contacts([(a_customer(), a_contact(at=NOW - DAY))])
    for order in itertools.permutations(limits):
        bundle = a_bundle(ACTION, limits=order)
        sender = Sender(
            ledger, {"email": FakeChannel()}, lambda bundle=bundle: bundle, NoFeatures()
        )
        sent = await sender.send(a_message(f"m {order[0].name}", ACTION))
        assert (sent.reason, sent.until) == ("limit:week", NOW + 6 * DAY)
