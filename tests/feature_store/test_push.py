"""What events say of a customer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.types import Event
from feature_store.push import pushed
from feature_store.schema import VIEW, Kind
from feature_store.values import encode_value
from tests.support.customers import NOON

DAY = timedelta(days=1)
TYPES = (
    "page.viewed",
    "purchase.made",
    "payment.failed",
    "complaint.opened",
    "complaint.reopened",
    "complaint.resolved",
    "message.received",
    "feedback.given",
    "order.delayed",
    "customer.joined",
)


def an_event(kind: str, days_ago: float = 0, id: str = "", **data: Any) -> Event:
    return Event(
        source="test",
        id=id or f"{kind}-{days_ago}",
        type=kind,
        customer="c1",
        at=NOON - days_ago * DAY,
        data=data,
    )


def test_an_opened_complaint_is_open_until_it_is_resolved() -> None:
    opened = an_event("complaint.opened", 3, case="1")
    second = an_event("complaint.opened", 2, case="2")
    resolved = an_event("complaint.resolved", 1, case="1")
    assert pushed(opened, [])["service"]["complaints_open"] == 1
    assert pushed(second, [opened])["service"]["complaints_open"] == 2
    assert pushed(resolved, [opened, second])["service"]["complaints_open"] == 1
    reopened = an_event("complaint.reopened", 0, case="1")
    found = pushed(reopened, [opened, second, resolved])["service"]
    assert (found["complaints_open"], found["complaints_365d"]) == (2, 2)


def test_windows_end_where_they_say() -> None:
    history = [
        an_event("page.viewed", 8, page="old"),
        an_event("page.viewed", 7, page="edge"),
        an_event("page.viewed", 6.9, page="new"),
        an_event("purchase.made", 91, amount=1000.0),
        an_event("purchase.made", 89, amount=20),
        an_event("payment.failed", 10),
    ]
    found = pushed(an_event("page.viewed", 0, page="billing"), history)["behaviour"]
    assert found == {
        "page_views_7d": 2,
        "last_page": "billing",
        "last_page_at": NOON.timestamp(),
        "purchases_90d": 1,
        "spent_90d": 20.0,
        "payments_failed_90d": 1,
    }


def test_the_event_itself_counts_once_even_if_history_has_it() -> None:
    event = an_event("payment.failed", 0, id="x")
    assert pushed(event, [event])["behaviour"]["payments_failed_90d"] == 1


def test_what_happened_after_the_event_or_over_a_year_ago_does_not_count() -> None:
    history = [
        an_event("complaint.opened", 366, case="1"),
        an_event("complaint.opened", -1, case="2"),
    ]
    found = pushed(an_event("message.received", 0, channel="email"), history)["service"]
    assert (found["complaints_open"], found["complaints_365d"]) == (0, 0)


def test_the_last_word_counts_for_score_and_channel() -> None:
    history = [
        an_event("feedback.given", 3, score=2),
        an_event("message.received", 2, channel="email"),
        an_event("feedback.given", 1, text="no score"),
    ]
    found = pushed(an_event("message.received", 0), history)["service"]
    assert (found["feedback_score"], found["last_message_channel"]) == (2.0, "email")
    assert found["messages_7d"] == 2


@pytest.mark.parametrize("kind", ["customer.joined", "contract.renewal_due", "weather.changed"])
def test_other_events_push_nothing(kind: str) -> None:
    assert pushed(an_event(kind), []) == {}


@pytest.mark.parametrize("amount", ["12", None, True, float("nan"), float("inf"), 10**400, [1]])
def test_an_amount_that_is_no_number_counts_nothing(amount: object) -> None:
    found = pushed(an_event("purchase.made", 0, amount=amount), [])["behaviour"]
    assert (found["purchases_90d"], found["spent_90d"]) == (1, 0.0)


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(TYPES),
            st.floats(0, 400),
            st.dictionaries(
                st.sampled_from(["case", "page", "amount", "score", "channel"]), ANYTHING
            ),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_the_events_hold_a_whole_row_comes_out_that_the_store_can_keep(
    drawn: list[tuple[str, float, dict[str, Any]]],
) -> None:
    made = [an_event(kind, ago, id=str(n), **data) for n, (kind, ago, data) in enumerate(drawn)]
    events = sorted(made, key=lambda event: event.at)
    for view, values in pushed(events[-1], events[:-1]).items():
        assert values.keys() == {feature.name for feature in VIEW[view].features}
        for feature in VIEW[view].features:
            assert encode_value(values[feature.name], Kind(feature.kind)) is not None
