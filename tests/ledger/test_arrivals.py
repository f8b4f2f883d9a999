"""Events in the journal: once per source and id, leased to one attempt at a time, in order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection

from engine.ledger import arrivals
from engine.ledger.arrivals import Progress, advance, give_up, take, unfinished, waits_behind
from tests.support.builders import DAY, NOW, a_customer, an_event

EVENT = an_event()


def test_an_event_is_new_once(connection: Connection) -> None:
    first, second = take(connection, EVENT), take(connection, EVENT)
    assert (first.new, first.mine, second.new, second.mine) == (True, True, False, False)
    assert first.event == replace(EVENT, seq=1)
    assert second.event == first.event


def test_source_and_id_together_tell_events_apart(connection: Connection) -> None:
    others = [EVENT, replace(EVENT, source="/shop"), replace(EVENT, id="e2")]
    assert [take(connection, event).new for event in others] == [True] * 3


def test_what_came_first_is_kept(connection: Connection) -> None:
    take(connection, EVENT)
    again = take(connection, replace(EVENT, data={"case": "other"}, at=NOW + DAY))
    assert again.event == replace(EVENT, seq=1)


def test_a_stale_attempt_is_taken_over_once(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "LEASE_SECONDS", -1.0)
    take(connection, EVENT)
    monkeypatch.setattr(arrivals, "LEASE_SECONDS", 5.0)
    assert take(connection, EVENT).mine
    assert not take(connection, EVENT).mine


def test_an_attempt_that_gives_up_need_not_be_waited_for(connection: Connection) -> None:
    give_up(connection, take(connection, EVENT).event.seq)
    assert take(connection, EVENT).mine


def test_what_is_through_is_never_taken_again(connection: Connection) -> None:
    advance(connection, take(connection, EVENT).event.seq, Progress.ROUTED, ["complaint:1"])
    again = take(connection, EVENT)
    assert (again.mine, again.progress, again.journeys) == (
        False,
        Progress.ROUTED,
        ("complaint:1",),
    )
    assert unfinished(connection, 10) == []


def test_an_attempt_that_was_overtaken_takes_nothing_back(connection: Connection) -> None:
    seq = take(connection, EVENT).event.seq
    advance(connection, seq, Progress.ROUTED, ["complaint:1"])
    advance(connection, seq, Progress.IN_FORCE)
    assert take(connection, EVENT).journeys == ("complaint:1",)
    assert unfinished(connection, 10) == []


def test_the_unfinished_come_in_order_but_first_those_whose_effects_are_missing(
    connection: Connection,
) -> None:
    taken = [take(connection, an_event(event_id=f"e{n}")).event for n in range(5)]
    advance(connection, taken[0].seq, Progress.IN_FORCE)
    advance(connection, taken[1].seq, Progress.ROUTED)
    give_up(connection, taken[2].seq)
    advance(connection, taken[3].seq, Progress.IN_FORCE)
    found = [event.id for event in unfinished(connection, 10)]
    assert found == ["e2", "e0", "e3"]
    assert [event.id for event in unfinished(connection, 1)] == ["e2"]


def test_what_is_urgent_comes_first_and_holds_nobody_else_up(connection: Connection) -> None:
    types = ["customer.joined", "complaint.opened", "customer.joined", "complaint.opened"]
    taken = [
        take(connection, an_event(each, f"e{n}", customer=a_customer(str(n)))).event
        for n, each in enumerate(types)
    ]
    for event in taken:
        advance(connection, event.seq, Progress.IN_FORCE)
    missing = take(connection, an_event("page.viewed", "e4")).event
    give_up(connection, missing.seq)

    def found(limit: int) -> list[str]:
        return [event.id for event in unfinished(connection, limit, ("complaint.opened",))]

    assert found(10) == ["e4", "e1", "e3", "e0", "e2"]
    assert found(1) == ["e4", "e1"], "however many are urgent, the oldest of all have their turn"


def test_an_event_waits_behind_the_earlier_ones_of_its_customer(connection: Connection) -> None:
    first = take(connection, an_event(event_id="1")).event
    other = take(connection, an_event(event_id="2", customer=a_customer("other"))).event
    last = take(connection, an_event(event_id="3")).event
    assert not waits_behind(connection, first)
    assert not waits_behind(connection, other)
    assert waits_behind(connection, last)
    advance(connection, first.seq, Progress.IN_FORCE)
    assert waits_behind(connection, last)
    advance(connection, first.seq, Progress.ROUTED)
    assert not waits_behind(connection, last)


def test_the_history_is_of_this_customer_before_this_event(connection: Connection) -> None:
    old = an_event(event_id="0", at=NOW - 400 * DAY)
    events = [old, *(an_event(event_id=str(n)) for n in (1, 2, 3))]
    events.insert(2, an_event(event_id="x", customer=a_customer("other")))
    seqs = [take(connection, event).event.seq for event in events]
    since = round((NOW - 365 * DAY).timestamp() * 1000)
    found = arrivals.history(connection, a_customer(), since, seqs[-1])
    assert [event.id for event in found] == ["1", "2"]


def test_when_journeys_began_is_told_by_the_events_that_reached_them_first(
    connection: Connection,
) -> None:
    def reached(number: int, *journeys: str, customer: str = EVENT.customer) -> None:
        at = NOW + number * DAY
        event = replace(EVENT, id=f"e{number}", at=at, customer=customer)
        seq = take(connection, event).event.seq
        advance(connection, seq, Progress.ROUTED, journeys=journeys)

    reached(1, "renewal:x:1", "onboarding:x")
    reached(2, "renewal:x:1")  # it runs already
    reached(3, "renewal:x:2")
    reached(4, "renewal:y:1", customer=a_customer("other"))
    now = take(connection, replace(EVENT, id="now", at=NOW + 9 * DAY)).event
    assert arrivals.starts(connection, now) == {
        "renewal": [NOW + DAY, NOW + 3 * DAY],
        "onboarding": [NOW + DAY],
    }
    first = replace(now, seq=1)
    assert arrivals.starts(connection, first) == {}
