"""The event types that Tactful knows, and what the data of each must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from api.parsing import Key, Name, demand, read_time
from engine.catalog import Bundle
from engine.errors import InvalidEvent, UnknownChannel, UnknownPurpose

Words = Annotated[str, StringConstraints(max_length=20_000)]
Amount = Annotated[float, Field(allow_inf_nan=False)]
YEARS = range(1970, 2200)
"""Within what calendars and Temporal's timers can count to: a journey has to wait for the day."""

CALENDAR_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _day_or_time(given: str) -> str:
    if not CALENDAR_DAY.fullmatch(given):
        read_time(given)
    try:
        day = date.fromisoformat(given[:10])
    except ValueError:
        raise ValueError("should be a day that exists, such as 2027-01-31") from None
    if day.year not in YEARS:
        raise ValueError(f"should be a day of the years {YEARS[0]} to {YEARS[-1]}")
    return given


class EventContent(BaseModel):
    """What an event type needs; a sender may add more."""

    model_config = ConfigDict(extra="allow", strict=True)


class Joined(EventContent):
    """`customer.joined`"""


class ComplaintOpened(EventContent):
    """`complaint.opened`"""

    case: Key
    text: Words | None = None
    severity: Name | None = None


class ComplaintMoved(EventContent):
    """`complaint.resolved`, `complaint.reopened`"""

    case: Key


class RenewalDue(EventContent):
    """`contract.renewal_due`"""

    due: Annotated[str, AfterValidator(_day_or_time)]


class MessageReceived(EventContent):
    """`message.received`"""

    channel: Name
    text: Words


class AgentReplied(EventContent):
    """`agent.replied`"""

    channel: Name


class MilestoneReached(EventContent):
    """`milestone.reached`"""

    name: Key


class FeedbackGiven(EventContent):
    """`feedback.given`"""

    score: Amount | None = None
    text: Words | None = None


class OrderDelayed(EventContent):
    """`order.delayed`"""

    order: Key
    hours: Annotated[Amount, Field(ge=0)]


class PaymentFailed(EventContent):
    """`payment.failed`"""

    invoice: Key


class PurchaseMade(EventContent):
    """`purchase.made`"""

    product: Key
    amount: Amount


class PageViewed(EventContent):
    """`page.viewed`"""

    page: Key


class ConsentChanged(EventContent):
    """`consent.changed`"""

    purpose: Name
    channel: Name
    granted: bool


KNOWN: Mapping[str, type[EventContent]] = {
    "customer.joined": Joined,
    "complaint.opened": ComplaintOpened,
    "complaint.resolved": ComplaintMoved,
    "complaint.reopened": ComplaintMoved,
    "contract.renewal_due": RenewalDue,
    "message.received": MessageReceived,
    "agent.replied": AgentReplied,
    "milestone.reached": MilestoneReached,
    "feedback.given": FeedbackGiven,
    "order.delayed": OrderDelayed,
    "payment.failed": PaymentFailed,
    "purchase.made": PurchaseMade,
    "page.viewed": PageViewed,
    "consent.changed": ConsentChanged,
}


def check_content(kind: str, content: Mapping[str, Any], bundle: Bundle, where: str) -> None:
    """Refuse the data of a known type that lacks what it needs; other types are taken as they are.

    `where` names the event in the message. Raises InvalidEvent, UnknownPurpose, UnknownChannel.
    """
    model = KNOWN.get(kind)
    if model is None:
        return
    try:
        checked = model.model_validate(dict(content))
    except ValidationError as error:
        raise InvalidEvent(f"{where}: {_needs(kind, error)}.") from None
    if isinstance(checked, ConsentChanged):
        known_consent(checked.purpose, checked.channel, bundle)


def known_consent(purpose: str, channel: str, bundle: Bundle) -> None:
    """Refuse what the business does not have. Raises UnknownPurpose, UnknownChannel."""
    if purpose not in bundle.purposes:
        raise UnknownPurpose(
            f"There is no purpose {purpose!r}; there are {', '.join(bundle.purposes)}."
        )
    if channel not in bundle.channels:
        raise UnknownChannel(
            f"There is no channel {channel!r}; there are {', '.join(bundle.channels)}."
        )


def _needs(kind: str, error: ValidationError) -> str:
    one = error.errors(include_url=False, include_context=False)[0]
    field = f"data.{'.'.join(map(str, one['loc']))}"
    if one["type"] == "missing":
        return f"{field} is missing; {kind} needs it"
    return f"{field} {demand(one)} in {kind}"
