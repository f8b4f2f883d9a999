"""Contact policies: silence after so many of an outcome, and when it ends, to the millisecond."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import ContactPolicy, Period, Scope, Window, Zone
from engine.decide import decide
from engine.policies import suppressed
from engine.types import Contact, ContactKind, Drop, Stage
from engine.windows import MILLISECOND
from tests.support.builders import (
    DAY,
    NOW,
    WEEK,
    a_bundle,
    a_contact,
    a_journey,
    a_limit,
    a_policy,
    a_request,
    a_rule,
    a_snapshot,
    an_action,
)
from tests.support.ledgers import NoModels
from tests.support.moments import a_moment, on_channel

HOUR = timedelta(hours=1)
IMPRESSION, RESPONSE = ContactKind.IMPRESSION, ContactKind.RESPONSE
CARD = an_action("card")
OTHER_CARD = an_action("other-card")
LOAN = an_action("loan", group="loans", purpose="nurture")


def seen(*ages: timedelta, action: str = "card") -> list[Contact]:
    """Impressions so long ago."""
    return [
        a_contact(f"{action}{n}", kind=IMPRESSION, at=NOW - age, action=action, channel="web")
        for n, age in enumerate(ages)
    ]


def answered(outcome: str, ago: timedelta, action: str = "card", channel: str = "web") -> Contact:
    """A response so long ago."""
    return a_contact(
        f"{outcome}{ago}",
        kind=RESPONSE,
        at=NOW - ago,
        outcome=outcome,
        action=action,
        channel=channel,
    )


def silence(
    policies: ContactPolicy | Sequence[ContactPolicy],
    contacts: Iterable[Contact],
    *,
    action: str = "card",
    channel: str = "web",
    now: datetime = NOW,
    answers_within: timedelta = 3 * DAY,
    **known: Any,
) -> Drop | None:
    """What silences an action."""
    every = (policies,) if isinstance(policies, ContactPolicy) else tuple(policies)
    bundle = a_bundle(CARD, OTHER_CARD, LOAN, policies=every, answers_within=answers_within)
    moment = a_moment(bundle, *contacts, channel=channel, now=now, **known)
    return suppressed(on_channel(bundle, action, channel), moment)


def end(policy: ContactPolicy, contacts: Iterable[Contact], **more: Any) -> datetime | None:
    """When the silence ends."""
    drop = silence(policy, contacts, **more)
    return drop.until if drop else None


# -- the examples of the field


def test_three_impressions_of_a_card_in_a_week_silence_it_for_ten_days() -> None:
    policy = a_policy("tired", times=3, window=WEEK, silence=10 * DAY, because="shown thrice")
    assert silence(policy, seen(4 * DAY, DAY)) is None
    drop = silence(policy, seen(4 * DAY, 2 * DAY, DAY))
    assert drop == Drop(
        stage=Stage.CONTACT_POLICY,
        rule="policy:tired",
        detail="shown thrice",
        until=NOW + 9 * DAY,
    )
    assert silence(policy, seen(4 * DAY, 2 * DAY, DAY), action="other-card") is None


def test_five_clicks_on_any_card_in_a_week_silence_all_cards() -> None:
    policy = a_policy(outcomes=["click"], times=5, per="group", silence=10 * DAY)
    clicks = [
        answered("click", n * HOUR, action="card" if n % 2 else "other-card") for n in range(5)
    ]
    assert end(policy, clicks) == end(policy, clicks, action="other-card") == NOW + 10 * DAY
    assert end(policy, clicks, action="loan") is None
    assert end(policy, clicks[1:]) is None


def test_five_ignores_in_a_week_silence_for_two() -> None:
    policy = a_policy(outcomes=["ignore"], times=5, window=WEEK, silence=2 * WEEK)
    shown = seen(*(3 * DAY + n * HOUR for n in range(5)))
    assert end(policy, shown) == NOW + 2 * WEEK  # the last was ignored this very moment
    assert end(policy, shown, now=NOW - MILLISECOND) is None
    assert end(policy, [*shown, answered("click", DAY)]) is None


# -- what counts


@pytest.mark.parametrize("outcome", ["dispatch", "delivery", "impression", "click", "reject"])
def test_each_policy_says_which_outcomes_count(outcome: str) -> None:
    policy = a_policy(outcomes=[outcome], times=1)
    happened = [
        *(
            a_contact(kind.value, kind=kind, action="card", channel="web")
            for kind in ContactKind
            if kind is not RESPONSE
        ),
        answered("click", DAY),
        answered("reject", DAY),
    ]
    alone = [one for one in happened if outcome in (one.kind.value, one.outcome)]
    others = [one for one in happened if one not in alone]
    assert end(policy, alone) == NOW + 9 * DAY
    assert silence(policy, others) is None


def test_a_message_counts_once_though_it_was_dispatched_and_delivered() -> None:
    policy = a_policy(outcomes=["dispatch", "delivery"], times=2)
    message = [
        a_contact("m", kind=kind, action="card")
        for kind in (ContactKind.DISPATCH, ContactKind.DELIVERY)
    ]
    assert silence(policy, message) is None


@pytest.mark.parametrize(
    ("per", "silenced"),
    [
        ("action", {"card"}),
        ("group", {"card", "other-card"}),
        ("purpose", {"card", "other-card"}),
        ("customer", {"card", "other-card", "loan"}),
    ],
)
def test_what_is_counted_together_is_silenced_together(per: str, silenced: set[str]) -> None:
    policy = a_policy(outcomes=["reject"], times=1, per=per)
    names = ("card", "other-card", "loan")
    rejected = [answered("reject", HOUR)]
    assert {name for name in names if silence(policy, rejected, action=name)} == silenced


def test_a_policy_per_channel_counts_and_silences_one_channel() -> None:
    contacts = [*seen(DAY, 2 * DAY), a_contact("m", kind=IMPRESSION, action="card", channel="app")]
    alone = a_policy(per_channel=True, times=2)
    assert end(alone, contacts, channel="web") == NOW + 9 * DAY
    assert end(alone, contacts, channel="app") is None
    assert end(a_policy(times=3), contacts, channel="email") == NOW + 9 * DAY


@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.HOUSEHOLD])
def test_a_household_is_silenced_by_what_its_members_did_together(scope: Scope) -> None:
    own, theirs = seen(DAY), seen(2 * DAY, 3 * DAY)
    policy = a_policy(times=3, scope=scope)
    assert end(policy, own) is None
    assert end(policy, own, circles={scope.value: (*own, *theirs)}) == NOW + 9 * DAY
    everybody = {scope.value: (*own, *theirs)}
    assert end(a_policy(times=3), own, circles=everybody) is None


def test_a_policy_speaks_of_what_it_reaches_only() -> None:
    policy = a_policy(times=1, per="customer", groups=["loans"])
    assert end(policy, seen(DAY)) is None
    assert end(policy, seen(DAY, action="loan"), action="loan") is None  # its contact is no loan
    loan = [a_contact(kind=IMPRESSION, action="loan", group="loans", purpose="nurture")]
    assert end(policy, loan, action="loan") == NOW + 9 * DAY
    assert end(policy, loan, action="card") is None


def test_exempt_actions_pass_and_are_told_what_they_passed() -> None:
    notice = an_action("notice", purpose="service", exempt="legal")
    bundle = a_bundle(notice, policies=(a_policy(times=1, per="customer"),))
    place, moment = on_channel(bundle, notice), a_moment(bundle, *seen(DAY))
    assert suppressed(place, moment) is None
    assert place.spared is not None
    assert suppressed(place.spared, moment) is not None


# -- when it ends


def test_a_silence_ends_to_the_millisecond() -> None:
    policy = a_policy(times=1, silence=DAY)
    assert end(policy, seen(DAY)) is None
    assert end(policy, seen(DAY - MILLISECOND)) == NOW + MILLISECOND


def test_what_lies_a_window_apart_does_not_count_together() -> None:
    policy = a_policy(times=2, window=WEEK, silence=10 * DAY)
    assert end(policy, seen(DAY, DAY + WEEK)) is None
    assert end(policy, seen(DAY, DAY + WEEK - MILLISECOND)) == NOW + 9 * DAY


def test_a_count_that_was_reached_silences_though_the_window_has_passed_since() -> None:
    policy = a_policy(times=2, window=DAY, silence=30 * DAY)
    assert end(policy, seen(20 * DAY, 20 * DAY + HOUR)) == NOW + 10 * DAY


def test_a_window_that_is_reached_again_silences_longer() -> None:
    policy = a_policy(times=2, window=DAY, silence=10 * DAY)
    twice = seen(8 * DAY, 8 * DAY + HOUR, 3 * DAY, 3 * DAY + HOUR)
    assert end(policy, twice) == NOW + 7 * DAY
    assert end(policy, seen(8 * DAY, 8 * DAY + HOUR, 3 * DAY)) == NOW + 2 * DAY


def test_of_several_policies_the_latest_end_wins() -> None:
    short = a_policy("short", times=1, silence=2 * DAY)
    long = a_policy("long", times=1, silence=20 * DAY)
    for order in itertools.permutations([short, long]):
        drop = silence(order, seen(DAY))
        assert drop is not None
        assert (drop.rule, drop.until) == ("policy:long", NOW + 19 * DAY)


def test_a_calendar_window_counts_each_of_its_periods_alone() -> None:
    month = Window(period=Period.MONTH, zone=Zone.UTC)  # NOW is the second of March
    policy = a_policy(times=2, window=month, silence=30 * DAY)
    assert end(policy, seen(HOUR, 3 * DAY)) is None  # one in March, one in February
    assert end(policy, seen(HOUR, DAY)) == NOW - HOUR + 30 * DAY
    assert end(policy, seen(3 * DAY, 20 * DAY)) == NOW + 27 * DAY


def test_a_day_ends_when_it_ends_for_the_customer() -> None:
    day = Window(period=Period.DAY, zone=Zone.CUSTOMER)
    bundle = a_bundle(CARD, policies=(a_policy(times=2, window=day),), customer_zone="profile.zone")
    shown = seen(HOUR, 3 * HOUR)

    def silent(zone: str) -> bool:
        moment = a_moment(bundle, *shown, channel="web", features={"profile.zone": zone})
        return suppressed(on_channel(bundle, CARD, "web"), moment) is not None

    assert silent("Europe/Amsterdam")
    assert not silent("Pacific/Auckland")  # the first was before its midnight


# -- ignored


def test_what_is_not_answered_in_time_is_ignored_when_the_time_is_over() -> None:
    policy = a_policy(outcomes=["ignore"], times=1, silence=10 * DAY)
    for kind in (ContactKind.DISPATCH, IMPRESSION):
        said = a_contact(kind=kind, action="card", at=NOW - 3 * DAY)
        assert end(policy, [said]) == NOW + 10 * DAY
        assert end(policy, [said], now=NOW - MILLISECOND) is None
        assert end(policy, [said, answered("reject", MILLISECOND)]) is None
        assert end(policy, [said, answered("reject", DAY, action="other-card")]) is not None
        late = [said, answered("accept", DAY)]
        assert end(policy, late, answers_within=DAY) == NOW - 2 * DAY + 10 * DAY


def test_only_what_a_policy_reaches_is_ignored_for_it() -> None:
    policy = a_policy(outcomes=["ignore"], times=1, per="customer", channels=["web"])
    assert end(policy, [a_contact(action="card", channel="email", at=NOW - 4 * DAY)]) is None
    assert end(policy, seen(4 * DAY), action="other-card") == NOW + 9 * DAY


def test_an_answer_on_another_channel_is_an_answer() -> None:
    policy = a_policy(outcomes=["ignore"], times=1, channels=["web"], per_channel=True)
    assert end(policy, seen(4 * DAY)) is not None
    assert end(policy, [*seen(4 * DAY), answered("accept", 2 * DAY, channel="call")]) is None


def test_a_channel_may_say_itself_that_something_was_ignored_and_that_counts_once() -> None:
    once, twice = (a_policy(outcomes=["ignore"], times=times) for times in (1, 2))
    told = [*seen(4 * DAY), answered("ignore", 2 * DAY)]
    assert end(once, told) == NOW + 8 * DAY
    assert end(twice, told) is None


# -- against oracles that count one by one

moments = st.lists(st.integers(0, 160).map(lambda ago: 3 * ago), max_size=9)
policies = st.builds(
    a_policy,
    times=st.integers(1, 4),
    window=st.one_of(
        st.integers(1, 10 * 24).map(lambda hours: Window(length=hours * HOUR)),
        st.builds(Window, period=st.sampled_from(Period), zone=st.just(Zone.UTC)),
    ),
    silence=st.integers(1, 10 * 24).map(lambda hours: hours * HOUR),
)


def _together(window: Window, first: datetime, last: datetime) -> bool:
    """Whether something still counts when something later happens."""
    if window.length is not None:
        return last - first < window.length
    shown = {Period.DAY: "%Y-%m-%d", Period.WEEK: "%G-%V", Period.MONTH: "%Y-%m"}
    form = shown[window.period or Period.DAY]
    return first.strftime(form) == last.strftime(form)


@settings(max_examples=300)
@given(policy=policies, ages=moments)
def test_the_end_is_what_counting_event_by_event_gives(
    policy: ContactPolicy, ages: list[int]
) -> None:
    times = sorted(NOW - age * HOUR for age in ages)
    ends = [
        at + policy.silence
        for place, at in enumerate(times)
        if sum(_together(policy.window, one, at) for one in times[: place + 1]) >= policy.times
    ]
    wanted = max((one for one in ends if one > NOW), default=None)
    assert end(policy, seen(*(age * HOUR for age in ages))) == wanted


@settings(max_examples=25, deadline=None)
@given(policy=policies, ages=moments)
def test_hour_after_hour_silence_is_what_counting_at_each_gives(
    policy: ContactPolicy, ages: list[int]
) -> None:
    contacts = seen(*(age * HOUR for age in ages))
    silent_until: datetime | None = None
    for hour in range(-20 * 24, 11 * 24, 3):
        now = NOW + hour * HOUR
        known = [one for one in contacts if one.at <= now.timestamp() * 1000]
        past = [datetime.fromtimestamp(one.at / 1000, UTC) for one in known]
        happens = [at for at in past if at == now]
        count = sum(_together(policy.window, at, now) for at in past)
        if happens and count >= policy.times:
            silent_until = now + policy.silence
        silent = silent_until is not None and now < silent_until
        assert end(policy, known, now=now) == (silent_until if silent else None)


@settings(max_examples=200)
@given(policy=policies, ages=moments, more=st.integers(0, 20 * 24))
def test_one_more_contact_never_ends_a_silence_sooner(
    policy: ContactPolicy, ages: list[int], more: int
) -> None:
    before = end(policy, seen(*(age * HOUR for age in ages)))
    after = end(policy, seen(*(age * HOUR for age in (*ages, more))))
    assert before is None or (after is not None and after >= before)


@settings(max_examples=200)
@given(policy=policies, ages=moments)
def test_an_action_is_silent_until_the_end_and_not_a_millisecond_longer(
    policy: ContactPolicy, ages: list[int]
) -> None:
    contacts = seen(*(age * HOUR for age in ages))
    until = end(policy, contacts)
    if until is not None:
        assert until > NOW
        assert end(policy, contacts, now=until - MILLISECOND) == until
        assert end(policy, contacts, now=until) is None


# -- survey fatigue, made of policies, limits and rules


def test_a_customer_is_asked_once_a_quarter_on_any_channel_and_only_after_the_visit() -> None:
    after_visit = a_rule('journey.installation.stage == "done"', name="after-visit")
    surveys = [
        an_action(f"survey-{name}", purpose="survey", group="surveys", tags=(), rules=[after_visit])
        for name in ("visit", "brand")
    ]
    quarantine = a_policy(
        "survey-quarantine",
        outcomes=["dispatch", "impression"],
        times=1,
        window=DAY,
        silence=90 * DAY,
        per="purpose",
        purposes=["survey"],
    )
    one_channel = a_limit("one-survey-a-year", maximum=1, window=365 * DAY, purposes=["survey"])
    bundle = a_bundle(*surveys, policies=(quarantine,), limits=[one_channel])

    def reasons(stage: str, *contacts: Contact, channel: str = "web") -> set[str]:
        snapshot = a_snapshot(contacts=contacts, journeys=(a_journey("installation", stage),))
        decision = decide(a_request(channel), snapshot, bundle, NoModels())
        return {drop.rule for one in decision.candidates for drop in one.drops[:1]}

    asked = a_contact(action="survey-visit", group="surveys", purpose="survey", channel="email")
    assert reasons("done") == set()
    assert reasons("planned") == {"after-visit"}
    for channel in ("web", "email", "whatsapp", "inbox"):
        assert reasons("done", asked, channel=channel) == {"policy:survey-quarantine"}
