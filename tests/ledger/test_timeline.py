"""What happened between a customer and the business, in order, over all channels and places."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from engine.ledger import facts, tables
from engine.ledger.arrivals import take
from engine.ledger.clock import milliseconds
from engine.ledger.timeline import Moment, What, timeline
from tests.support.builders import DAY, NOW, a_customer, a_hold, an_event

CUSTOMER = a_customer()
HOUR = timedelta(hours=1)


def happens(connection: Connection, event_type: str, at: datetime, **data: str) -> None:
    event = replace(an_event(event_type), customer=CUSTOMER, at=at, data=data)
    take(connection, replace(event, id=f"{event_type}-{at}"))


def sent(connection: Connection, action: str, at: datetime, **row: object) -> None:
    kept = {
        "message_id": f"{action}-{at}",
        "customer": CUSTOMER,
        "at": milliseconds(at),
        "channel": "email",
        "action": action,
        "treatment": f"{action}.email",
        "group": "care",
        "purpose": "service",
        "tags": "[]",
        "decision_id": "d",
        "journey": "complaint:c:1",
        "step": "s",
        "state": "delivered",
        "attempts": 1,
    }
    connection.execute(insert(tables.messages).values(**{**kept, **row}))


def told(connection: Connection, limit: int = 100, back: timedelta = DAY) -> list[Moment]:
    return timeline(connection, CUSTOMER, milliseconds(NOW - back), limit)[0]


def test_shops_and_pages_are_told_in_one_order(connection: Connection) -> None:
    sent(connection, "hello", NOW + HOUR)
    happens(connection, "message.received", NOW, channel="store", text="it is broken")
    happens(connection, "page.viewed", NOW + 2 * HOUR, page="help")
    assert [(one.what, one.name, one.channel) for one in told(connection)] == [
        (What.EVENT, "message.received", "store"),
        (What.MESSAGE, "hello", "email"),
        (What.EVENT, "page.viewed", ""),
    ]


def test_what_was_not_sent_is_told_with_the_reason(connection: Connection) -> None:
    sent(connection, "offer", NOW, state="refused", detail="hold:complaint:1")
    (moment,) = told(connection)
    assert (moment.state, moment.journey) == ("refused: hold:complaint:1", "complaint:c:1")


def test_a_hold_is_told_when_it_began_and_when_and_by_whom_it_was_ended(
    connection: Connection,
) -> None:
    facts.keep_hold(connection, CUSTOMER, a_hold(since=NOW))
    assert [one.what for one in told(connection)] == [What.HOLD]
    ended = {
        "ended_at": milliseconds(NOW + HOUR),
        "ended_by": "operator:ann",
        "ended_because": "settled",
    }
    facts.end_hold(connection, CUSTOMER, a_hold().id, 9, ended)
    assert [(one.what, one.state) for one in told(connection)][1:] == [
        (What.HOLD_ENDED, "operator:ann: settled")
    ]


def test_only_the_latest_are_told_of_this_customer_and_of_these_days(
    connection: Connection,
) -> None:
    for number in range(5):
        happens(connection, "page.viewed", NOW + number * HOUR, page="help")
    happens(connection, "page.viewed", NOW - 3 * DAY, page="old")
    sent(connection, "elsewhere", NOW, customer=a_customer("other"))
    assert len(told(connection)) == 5
    found, more = timeline(connection, CUSTOMER, milliseconds(NOW - DAY), 3)
    assert ([one.at for one in found], more) == ([NOW + n * HOUR for n in (2, 3, 4)], True)
