"""What was answered or shown in a session is not offered again in it, on any channel."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import SessionTerms
from engine.guards import exemptions
from engine.session import silenced
from engine.types import Contact, ContactKind, Drop, Session, Stage
from engine.windows import MILLISECOND
from tests.support.builders import CHANNELS, DAY, NOW, a_bundle, a_contact, an_action
from tests.support.moments import a_moment, on_channel

MINUTE = timedelta(minutes=1)
IDLE = 30 * MINUTE
IMPRESSION, RESPONSE = ContactKind.IMPRESSION, ContactKind.RESPONSE
ACTION = an_action("upgrade")
TERMS = SessionTerms(idle=IDLE, silenced_by=frozenset({"accept", "reject"}), most_shown=3)


def answer(outcome: str = "reject", ago: timedelta = MINUTE, **more: Any) -> Contact:
    """A response so long ago."""
    name = f"{outcome}{ago}{more}"
    return a_contact(name, kind=RESPONSE, outcome=outcome, at=NOW - ago, **more)


def shown(*ages: timedelta, **more: Any) -> list[Contact]:
    """Impressions so long ago."""
    return [a_contact(f"i{n}", kind=IMPRESSION, at=NOW - age, **more) for n, age in enumerate(ages)]


def a_session(started: timedelta, last: timedelta) -> Session:
    """A visit that began, and last heard of the customer, so long ago."""
    return Session(started=NOW - started, last=NOW - last, channel="web")


def found(
    *contacts: Contact,
    session: Session | None = None,
    channel: str = "web",
    now: datetime = NOW,
    terms: SessionTerms = TERMS,
    sending: bool = False,
) -> Drop | None:
    """What silences the usual action."""
    bundle = a_bundle(ACTION, session=terms)
    moment = a_moment(bundle, *contacts, channel=channel, now=now, session=session, sending=sending)
    return silenced(on_channel(bundle, ACTION, channel), moment)


@pytest.mark.parametrize("outcome", ["accept", "reject"])
def test_what_was_answered_is_not_offered_again_in_the_session(outcome: str) -> None:
    session = a_session(10 * MINUTE, 2 * MINUTE)
    assert found(answer(outcome, 5 * MINUTE), session=session) == Drop(
        stage=Stage.SESSION,
        rule=f"session:{outcome}",
        detail=f"the answer to it in this session was {outcome}",
        until=NOW + 28 * MINUTE,
    )
    assert found(answer("click", 5 * MINUTE), session=session) is None
    assert found(answer(outcome, 5 * MINUTE, action="other"), session=session) is None


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("sending", [False, True])
def test_a_session_is_one_over_all_channels(channel: str, sending: bool) -> None:
    rejected = answer("reject", channel="call")
    drop = found(rejected, channel=channel, session=a_session(DAY, MINUTE), sending=sending)
    assert drop is not None
    assert drop.rule == "session:reject"


def test_what_was_shown_often_enough_is_not_shown_again_in_the_session() -> None:
    session = a_session(20 * MINUTE, MINUTE)
    twice, thrice = (4 * MINUTE, 2 * MINUTE), (10 * MINUTE, 4 * MINUTE, 2 * MINUTE)
    assert found(*shown(*twice), session=session) is None
    assert found(*shown(*twice, 25 * MINUTE), session=session) is None  # before the session
    drop = found(*shown(*thrice), session=session)
    assert drop is not None
    assert (drop.rule, drop.until) == ("session:most_shown", NOW + 29 * MINUTE)
    assert drop.detail == "it was shown 3 times in this session"


def test_the_latest_answer_is_named_and_before_how_often_it_was_shown() -> None:
    contacts = [
        *shown(*[5 * MINUTE] * 3),
        answer("reject", 4 * MINUTE),
        answer("accept", 3 * MINUTE),
    ]
    drop = found(*contacts)
    assert drop is not None
    assert drop.rule == "session:accept"


def test_an_earlier_session_silences_nothing() -> None:
    rejected = answer("reject", 15 * MINUTE)
    assert found(rejected, session=a_session(15 * MINUTE, MINUTE)) is not None
    assert found(rejected, session=a_session(15 * MINUTE - MILLISECOND, MINUTE)) is None


def test_a_session_ends_to_the_millisecond() -> None:
    rejected = answer("reject", 40 * MINUTE)
    assert found(rejected, session=a_session(DAY, IDLE)) is None
    drop = found(rejected, session=a_session(DAY, IDLE - MILLISECOND))
    assert drop is not None
    assert drop.until == NOW + MILLISECOND


def test_without_a_remembered_session_contacts_tell_it() -> None:
    chain = [
        answer("reject", 70 * MINUTE),
        *shown(45 * MINUTE, action="other"),
        *shown(20 * MINUTE, action="other"),
    ]
    drop = found(*chain)
    assert drop is not None
    assert drop.until == NOW + 10 * MINUTE
    assert found(*chain[:2]) is None  # it is over
    assert found(chain[0], chain[2]) is None  # the gap is too long: another session
    assert found() is None


def test_what_happens_prolongs_a_remembered_session() -> None:
    session = a_session(60 * MINUTE, 40 * MINUTE)
    contacts = [answer("reject", 50 * MINUTE), *shown(15 * MINUTE, action="other")]
    drop = found(*contacts, session=session)
    assert drop is not None
    assert drop.until == NOW + 15 * MINUTE
    assert found(*contacts, session=a_session(60 * MINUTE, 45 * MINUTE)) is None


@pytest.mark.parametrize("kind", [ContactKind.DISPATCH, ContactKind.DELIVERY])
def test_a_message_that_is_sent_is_no_visit(kind: ContactKind) -> None:
    sent = a_contact(kind=kind, at=NOW - 15 * MINUTE)
    assert found(answer("reject", 40 * MINUTE), sent) is None


def test_a_bundle_may_leave_this_alone() -> None:
    contacts = [*shown(*[MINUTE] * 9), answer("reject")]
    assert found(*contacts, terms=SessionTerms()) is None
    only_shown = SessionTerms(most_shown=9)
    drop = found(*contacts, terms=only_shown)
    assert drop is not None
    assert drop.rule == "session:most_shown"


def test_exempt_actions_are_shown_again_and_are_told_what_they_passed() -> None:
    outage = an_action("outage", purpose="service", exempt="service")
    bundle = a_bundle(outage, session=TERMS)
    moment = a_moment(bundle, answer("reject", action="outage"), channel="web")
    place = on_channel(bundle, outage, "web")
    assert silenced(place, moment) is None
    assert exemptions(place, moment) == ("session:reject",)


@given(
    ages=st.lists(st.integers(1, 240), max_size=8),
    remembered=st.none() | st.tuples(st.integers(0, 240), st.integers(0, 240)),
)
def test_it_is_silent_until_the_session_ends_and_no_longer(
    ages: list[int], remembered: tuple[int, int] | None
) -> None:
    contacts = [answer("reject", age * MINUTE) for age in sorted(set(ages), reverse=True)]
    session = None
    if remembered is not None:
        session = a_session(max(remembered) * MINUTE, min(remembered) * MINUTE)
    drop = found(*contacts, session=session)
    known = [*ages, *([min(remembered)] if remembered is not None else [])]
    going_on = bool(known) and min(known) < 30
    if drop is None:
        assert not going_on or not ages or min(ages) > min(known)
    else:
        assert going_on
        assert drop.until is not None
        assert drop.until == NOW - min(known) * MINUTE + IDLE
        assert found(*contacts, session=session, now=drop.until - MILLISECOND) == drop
        assert found(*contacts, session=session, now=drop.until) is None
