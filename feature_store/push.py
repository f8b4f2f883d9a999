"""What events tell of a customer: the pushed views, computed from a year of events.

Counts are as of the event that pushed them; the bundle's maximum ages say when they are too old.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from engine.types import Event, Scalar

HISTORY = timedelta(days=365)
"""How far back `pushed` looks: what to hand in as history."""

_WEEK, _QUARTER = timedelta(days=7), timedelta(days=90)
_BEHAVIOUR = frozenset({"page.viewed", "purchase.made", "payment.failed"})
_SERVICE = frozenset(
    {
        "complaint.opened",
        "complaint.reopened",
        "complaint.resolved",
        "message.received",
        "feedback.given",
        "order.delayed",
    }
)
CHANGED_BY: Mapping[str, Sequence[str]] = MappingProxyType(
    {"behaviour": sorted(_BEHAVIOUR), "service": sorted(_SERVICE)}
)
"""The types of events that change each pushed view."""


def changed_view(event_type: str) -> str | None:
    """The view that events of a type change, if any."""
    if event_type in _BEHAVIOUR:
        return "behaviour"
    return "service" if event_type in _SERVICE else None


def pushed(event: Event, history: Sequence[Event]) -> Mapping[str, Mapping[str, Scalar]]:
    """The views that an event changes, each with all its features; empty for other events.

    `history` holds the customer's earlier events, oldest first, a year of them; the event itself
    may be among them. Data that is not what its type asks for is left out, never an error.
    """
    view = changed_view(event.type)
    if view is None:
        return {}
    events = tuple(_year_before(event, history))
    return {view: _behaviour(event, events) if view == "behaviour" else _service(event, events)}


def _year_before(event: Event, history: Sequence[Event]) -> Iterator[Event]:
    for earlier in history:
        same = (earlier.source, earlier.id) == (event.source, event.id)
        if not same and event.at - HISTORY < earlier.at <= event.at:
            yield earlier
    yield event


def _behaviour(event: Event, events: Sequence[Event]) -> Mapping[str, Scalar]:
    views = [each for each in events if each.type == "page.viewed"]
    pages = [(each, page) for each in views if (page := _text(each, "page"))]
    purchases = _within(event, _of(events, "purchase.made"), _QUARTER)
    return {
        "page_views_7d": len(_within(event, views, _WEEK)),
        "last_page": pages[-1][1] if pages else None,
        "last_page_at": views[-1].at.timestamp() if views else None,
        "purchases_90d": len(purchases),
        "spent_90d": _total(_number(each, "amount") or 0.0 for each in purchases),
        "payments_failed_90d": len(_within(event, _of(events, "payment.failed"), _QUARTER)),
    }


def _service(event: Event, events: Sequence[Event]) -> Mapping[str, Scalar]:
    messages = _of(events, "message.received")
    channels = [channel for each in messages if (channel := _text(each, "channel"))]
    scores = [
        score
        for each in _of(events, "feedback.given")
        if (score := _number(each, "score")) is not None
    ]
    opened = {str(each.data.get("case", each.id)) for each in _of(events, "complaint.opened")}
    return {
        "complaints_open": _open_cases(events),
        "complaints_365d": len(opened),
        "messages_7d": len(_within(event, messages, _WEEK)),
        "last_message_channel": channels[-1] if channels else None,
        "feedback_score": scores[-1] if scores else None,
        "orders_delayed_90d": len(_within(event, _of(events, "order.delayed"), _QUARTER)),
    }


def _open_cases(events: Sequence[Event]) -> int:
    cases: set[str] = set()
    for each in events:
        case = str(each.data.get("case", each.id))
        if each.type in ("complaint.opened", "complaint.reopened"):
            cases.add(case)
        elif each.type == "complaint.resolved":
            cases.discard(case)
    return len(cases)


def _total(amounts: Iterable[float]) -> float | None:
    total = sum(amounts, 0.0)
    return total if math.isfinite(total) else None


def _of(events: Sequence[Event], kind: str) -> list[Event]:
    return [each for each in events if each.type == kind]


def _within(event: Event, events: Sequence[Event], window: timedelta) -> list[Event]:
    return [each for each in events if each.at > event.at - window]


def _text(event: Event, name: str) -> str | None:
    value = event.data.get(name)
    return value if isinstance(value, str) and value else None


def _number(event: Event, name: str) -> float | None:
    value = event.data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
