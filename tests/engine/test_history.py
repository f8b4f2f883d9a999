"""What rules ask of the past: counted to the millisecond, ignored once, unknown when unsure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RuleError
from engine.history import VERBS, Asked, Past, asked, ignored_at, look_back, subject
from engine.names import names
from engine.packed import groups
from engine.rules import Kind, compile_expression, history_days
from engine.types import Contact, ContactKind, Scalar, Snapshot
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_contact,
    a_request,
    a_snapshot,
    an_action,
)

DISPATCH, DELIVERY = ContactKind.DISPATCH, ContactKind.DELIVERY
IMPRESSION, RESPONSE = ContactKind.IMPRESSION, ContactKind.RESPONSE
MS = timedelta(milliseconds=1)
WAIT = timedelta(days=3)
BUNDLE = a_bundle(
    an_action("mortgage", group="loans"),
    an_action("renewal", group="contract"),
    an_action("welcome", purpose="service", group="care"),
    groups={"loans": 0.0, "contract": 0.0, "care": 0.0, "renewal": 0.0},
    answers_within=WAIT,
)


def ago(**length: float) -> datetime:
    """So long before now."""
    return NOW - timedelta(**length)


def a_response(outcome: str, at: datetime, action: str = "mortgage", **more: str) -> Contact:
    """An answer of the customer."""
    return a_contact(kind=RESPONSE, outcome=outcome, at=at, action=action, **more)


def an_impression(at: datetime, action: str = "mortgage", channel: str = "web") -> Contact:
    """Something seen."""
    return a_contact(kind=IMPRESSION, at=at, action=action, channel=channel)


def a_dispatch(at: datetime, action: str = "mortgage", channel: str = "email") -> Contact:
    """Something sent."""
    return a_contact(kind=DISPATCH, at=at, action=action, channel=channel)


def evaluated(text: str, *contacts: Contact, reconciled: bool = True) -> Scalar:
    """What an expression over the past gives."""
    snapshot: Snapshot = a_snapshot(contacts=contacts, reconciled=reconciled)
    lookup = names(a_request(), snapshot, BUNDLE, {}, {})
    return compile_expression(text)(lookup)


def ignored(*contacts: Contact, now: datetime = NOW) -> list[tuple[datetime, Contact]]:
    """When what was ignored, at the tests' clock."""
    epoch = NOW - timedelta(milliseconds=round(NOW.timestamp() * 1000))
    found: list[tuple[datetime, Contact]] = []
    for at, words in became_ignored(contacts, now):
        ends = epoch + timedelta(milliseconds=at)
        said = ends if words[0] is RESPONSE else ends - WAIT
        [mine] = [one for one in contacts if _words(one) == words and one.at == _ms(said)]
        found.append((ends, mine))
    return found


def became_ignored(contacts: Sequence[Contact], now: datetime) -> list[tuple[int, tuple[str, ...]]]:
    """When what was ignored, in milliseconds since 1970, by time."""
    return sorted(
        (at, (what.kind, what.action, what.channel))
        for what, times in ignored_at(groups(contacts), now, WAIT)
        for at in times
    )


def _words(one: Contact) -> tuple[str, ...]:
    return one.kind, one.action, one.channel


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


# -- what becomes ignored, and when


def test_what_nothing_followed_is_ignored_at_the_end_of_the_wait_and_not_before() -> None:
    seen = an_impression(ago(days=3))
    assert ignored(seen, now=NOW - MS) == []
    assert ignored(seen, now=NOW - 0.1 * MS) == []
    assert ignored(seen) == [(NOW, seen)]


@pytest.mark.parametrize("outcome", ["click", "accept", "reject", "later", "called-back", ""])
def test_any_response_to_the_same_action_on_any_channel_is_an_answer(outcome: str) -> None:
    seen = an_impression(ago(days=5))
    assert ignored(seen, a_response(outcome, ago(days=4), channel="call")) == []


@pytest.mark.parametrize(
    ("after", "answers"), [(timedelta(0), True), (WAIT - MS, True), (WAIT, False), (-MS, False)]
)
def test_an_answer_counts_from_the_moment_it_was_seen_until_the_wait_is_over(
    after: timedelta, answers: bool
) -> None:
    seen = an_impression(ago(days=9))
    found = ignored(seen, a_response("click", ago(days=9) + after))
    assert found == ([] if answers else [(ago(days=6), seen)])


def test_a_response_to_another_action_is_no_answer() -> None:
    seen = an_impression(ago(days=5))
    assert ignored(seen, a_response("accept", ago(days=4), action="renewal")) != []


def test_one_message_is_ignored_once_however_often_it_was_opened() -> None:
    sent = a_dispatch(ago(days=9))
    delivered = a_contact(kind=DELIVERY, at=ago(days=9), action="mortgage")
    opened = [an_impression(ago(days=9) + n * DAY / 2, channel="email") for n in range(5)]
    assert ignored(sent, delivered, *opened) == [(ago(days=6), sent)]


def test_what_is_seen_elsewhere_or_later_than_the_wait_is_no_part_of_the_message() -> None:
    sent = a_dispatch(ago(days=9))
    elsewhere = an_impression(ago(days=8), channel="web")
    late = an_impression(ago(days=6), channel="email")
    assert [one for _, one in ignored(sent, elsewhere, late)] == [sent, elsewhere, late]


def test_an_outcome_ignore_counts_at_its_own_time_and_in_place_of_what_it_speaks_of() -> None:
    said = a_response("ignore", ago(days=4))
    assert ignored(an_impression(ago(days=5)), said) == [(ago(days=4), said)]


def test_what_a_clock_ahead_of_ours_wrote_is_not_ignored_yet() -> None:
    said = a_response("ignore", NOW + MS)
    assert ignored(said, an_impression(NOW + MS)) == []
    assert ignored(said, now=NOW + MS) == [(NOW + MS, said)]


@st.composite
def any_contacts(draw: st.DrawFn) -> list[Contact]:
    """What may have happened with two actions on two channels."""
    found: list[Contact] = []
    for kind in draw(st.lists(st.sampled_from(ContactKind), max_size=12)):
        said = draw(st.sampled_from(["click", "accept", "reject", "later", "ignore"]))
        contact = a_contact(
            kind=kind,
            at=ago(hours=draw(st.integers(0, 400))),
            action=draw(st.sampled_from(["mortgage", "renewal"])),
            channel=draw(st.sampled_from(["web", "email"])),
            outcome=said if kind is RESPONSE else "",
        )
        found.append(contact)
    return found


@given(any_contacts(), st.integers(0, 300))
def test_what_was_ignored_once_stays_so_and_its_moment_does_not_depend_on_when_one_looks(
    contacts: list[Contact], hours: int
) -> None:
    """History is not rewritten by what happens after."""
    earlier = ago(hours=hours)
    known_then = [one for one in contacts if one.at <= round(earlier.timestamp() * 1000)]
    then = became_ignored(known_then, earlier)
    until = round(earlier.timestamp() * 1000)
    assert then == [found for found in became_ignored(contacts, NOW) if found[0] <= until]


@given(any_contacts(), st.integers(-10, 410))
def test_who_asks_only_for_what_became_so_later_misses_none_of_it(
    contacts: list[Contact], hours: int
) -> None:
    since = _ms(ago(hours=hours))
    recent = sorted(
        (at, (what.kind, what.action, what.channel))
        for what, times in ignored_at(groups(contacts), NOW, WAIT, since)
        for at in times
    )
    assert recent == [found for found in became_ignored(contacts, NOW) if found[0] > since]


@given(any_contacts(), st.permutations(range(12)))
def test_the_order_in_which_contacts_are_given_does_not_matter(
    contacts: list[Contact], order: Sequence[int]
) -> None:
    shuffled = [contacts[at] for at in order if at < len(contacts)]
    assert became_ignored(contacts, NOW) == became_ignored(shuffled, NOW)


@given(any_contacts(), st.integers(1, 20))
def test_contacts_older_than_the_look_back_change_nothing(
    contacts: list[Contact], days: int
) -> None:
    asks = [Asked(verb, "*", days) for verb in VERBS]
    since = round((NOW - look_back(asks, WAIT)).timestamp() * 1000)
    recent = [one for one in contacts if one.at > since]
    for verb in VERBS:
        counts = {Past(known, NOW, WAIT).times(verb, "*", "", days) for known in (contacts, recent)}
        assert len(counts) == 1


# -- in rules


@pytest.mark.parametrize(
    ("verb", "contact"),
    [
        ("shown", an_impression(ago(days=1))),
        ("sent", a_dispatch(ago(days=1))),
        ("clicked", a_response("click", ago(days=1))),
        ("accepted", a_response("accept", ago(days=1))),
        ("rejected", a_response("reject", ago(days=1))),
        ("later", a_response("later", ago(days=1))),
        ("ignored", an_impression(ago(days=4))),
        ("answered", a_response("called-back", ago(days=1))),
    ],
)
def test_each_verb_counts_what_it_says(verb: str, contact: Contact) -> None:
    assert evaluated(f'{verb}("mortgage", days=2)', contact) is True
    assert evaluated(f'times_{verb}("mortgage", days=2)', contact) == 1
    assert evaluated(f'{verb}("mortgage", 2, days=2)', contact) is False
    assert evaluated(f'{verb}("renewal", days=2)', contact) is False
    also = {"clicked": "answered", "accepted": "answered", "rejected": "answered"}
    also |= {"later": "answered", "ignored": "shown"}
    for other in set(VERBS) - {verb}:
        assert evaluated(f'{other}("*", days=400)', contact) is (also.get(verb) == other)


def test_delivery_is_not_sending_and_ignore_is_no_answer() -> None:
    delivered = a_contact(kind=DELIVERY, at=ago(days=1), action="mortgage")
    assert evaluated('sent("*", days=9) or shown("*", days=9)', delivered) is False
    assert evaluated('answered("*", days=9)', a_response("ignore", ago(days=1))) is False


def test_ignored_three_times_in_thirty_days() -> None:
    rule = 'ignored("mortgage", 3, days=30)'
    seen = [an_impression(ago(days=n)) for n in (5, 6, 7)]
    assert evaluated(rule, *seen[:2]) is False
    assert evaluated(rule, *seen) is True
    assert evaluated(rule, *seen, a_response("reject", ago(days=4.5))) is False


def test_the_moment_just_so_long_ago_is_outside_and_one_millisecond_later_is_inside() -> None:
    rule = 'accepted("mortgage", days=30)'
    assert evaluated(rule, a_response("accept", ago(days=30))) is False
    assert evaluated(rule, a_response("accept", ago(days=30) + MS)) is True
    ignoring = 'ignored("mortgage", days=30)'
    assert evaluated(ignoring, an_impression(ago(days=33))) is False
    assert evaluated(ignoring, an_impression(ago(days=33) + MS)) is True


@pytest.mark.parametrize(
    ("what", "counts"),
    [
        ("*", True),
        ("mortgage", True),
        ("action:mortgage", True),
        ("loans", True),
        ("group:loans", True),
        ("sales", True),
        ("purpose:sales", True),
        ("service", False),
        ("group:contract", False),
        ("purpose:loans", None),
        ("nothing-of-that-name", None),
    ],
)
def test_an_action_a_group_or_a_purpose_is_meant(what: str, counts: bool | None) -> None:
    contact = a_contact(
        kind=RESPONSE, outcome="accept", action="mortgage", group="loans", purpose="sales"
    )
    assert evaluated(f'accepted("{what}", days=30)', contact) is counts


def test_a_name_without_its_kind_is_first_an_action() -> None:
    by_action = a_response("accept", ago(days=1), action="renewal", group="contract")
    by_group = a_response("accept", ago(days=1), action="other", group="renewal")
    assert evaluated('accepted("renewal", days=2)', by_action) is True
    assert evaluated('accepted("renewal", days=2)', by_group) is False
    assert evaluated('accepted("group:renewal", days=2)', by_group) is True
    assert subject("renewal", [], ["renewal"], ["renewal"]) == ("group", "renewal")
    assert subject("renewal", [], [], ["renewal"]) == ("purpose", "renewal")
    assert subject("renewal", [], [], []) is None


def test_the_past_is_unknown_while_the_live_state_is_not_reconciled() -> None:
    contact = a_response("accept", ago(days=1))
    assert evaluated('accepted("mortgage", days=9)', contact, reconciled=False) is None
    assert evaluated('times_accepted("*", days=9)', contact, reconciled=False) is None
    assert evaluated('not accepted("*", days=9)', reconciled=False) is None


def test_an_expression_tells_what_it_asks_of_the_past_and_for_how_long() -> None:
    rule = compile_expression(
        'ignored("mortgage", 3, days=30) and times_sent("group:loans", days=90) < 4 or a.x'
    )
    assert rule.names == {"history.ignored:mortgage:30", "history.sent:group:loans:90", "a.x"}
    assert rule.history == (Asked("ignored", "mortgage", 30), Asked("sent", "group:loans", 90))
    assert history_days(rule) == 90
    assert history_days(compile_expression("a.x > 1")) == 0


def test_what_was_ignored_is_looked_for_further_back() -> None:
    assert look_back([], WAIT) == timedelta(0)
    assert look_back([Asked("sent", "*", 30)], WAIT) == timedelta(days=30)
    assert look_back([Asked("ignored", "*", 30), Asked("sent", "*", 33)], WAIT) == 36 * DAY


def test_a_verb_gives_a_condition_and_its_times_a_number() -> None:
    assert compile_expression('sent("x", days=3)', Kind.CONDITION).kind is Kind.CONDITION
    assert compile_expression('times_sent("x", days=3) / 2', Kind.NUMBER).kind is Kind.NUMBER
    with pytest.raises(RuleError, match="a condition is needed here, this is a number"):
        compile_expression('times_sent("x", days=3)', Kind.CONDITION)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('ignored("mortgage")', "days=30"),
        ("ignored(days=3)", "days=30"),
        ('ignored("mortgage", 3, 30)', "days=30"),
        ('ignored("mortgage", 3, hours=30)', "days=30"),
        ('ignored("mortgage", 3, days=30, more=1)', "days=30"),
        ('ignored("mortgage", **a.x)', "days=30"),
        ("ignored(*a.x, days=3)", "a number, a string"),
        ('times_ignored("mortgage", 3, days=30)', 'write times_ignored("mortgage", days=30)'),
        ("ignored(mortgage, days=30)", "a number, a string"),
        ("ignored(3, days=30)", "in quotes"),
        ('ignored("Mortgage", days=30)', "in quotes"),
        ('ignored("mort gage", days=30)', "in quotes"),
        ('ignored("", days=30)', "in quotes"),
        ('ignored("tag:commercial", days=30)', "in quotes"),
        (f'ignored("{"x" * 81}", days=30)', "in quotes"),
        ('ignored("mortgage", 0, days=30)', "times must be a whole number from 1 to 1000"),
        ('ignored("mortgage", 1001, days=30)', "times must be a whole number"),
        ('ignored("mortgage", 1.5, days=30)', "times must be a whole number"),
        ('ignored("mortgage", True, days=30)', "times must be a whole number"),
        ('ignored("mortgage", a.x, days=30)', "a number, a string"),
        ('ignored("mortgage", days=0)', "days must be a whole number from 1 to 400"),
        ('ignored("mortgage", days=401)', "days must be a whole number from 1 to 400"),
        ('ignored("mortgage", days=-3)', "days must be a whole number"),
        ('ignored("mortgage", days="3")', "days must be a whole number"),
        ('ignord("mortgage", days=3)', "did you mean ignored?"),
    ],
)
def test_a_question_to_the_past_that_is_not_clear_is_refused(text: str, why: str) -> None:
    with pytest.raises(RuleError) as caught:
        compile_expression(text)
    assert why in str(caught.value)


@given(
    st.sampled_from(VERBS),
    st.sampled_from(["*", "mortgage", "group:loans", "action:a-1", "purpose:sales"]),
    st.integers(1, 400),
)
def test_a_question_is_read_back_from_its_name(verb: str, what: str, days: int) -> None:
    question = Asked(verb, what, days)
    assert asked(question.name) == question


@given(st.one_of(st.text(max_size=30), st.from_regex(r"history\.\w+:[\w:*-]+:\w+", fullmatch=True)))
def test_what_is_no_question_is_none_and_never_raises(name: str) -> None:
    question = asked(name)
    assert question is None or asked(question.name) == question
