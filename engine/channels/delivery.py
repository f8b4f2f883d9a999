"""What a channel adapter gets and gives back: one message in, one delivery out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Repeat(StrEnum):
    """What to do when the outcome of a delivery is unknown.

    `idempotent`: the receiver knows the message id, so the same id is sent again. `at_most_once`:
    it is not.
    """

    IDEMPOTENT = "idempotent"
    AT_MOST_ONCE = "at_most_once"


class DeliveryStatus(StrEnum):
    """`rejected` is final; `unknown` means that the message may or may not have arrived."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The outcome of one attempt; `detail` says why in words."""

    status: DeliveryStatus
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one customer.

    `message_id` is the idempotency key, the same in every attempt. `external_customer` is the id
    that the outside knows; `customer` the opaque reference. `exempt` names the class that frees it
    from contact limits, if any. `at` is the stack's time of the step that sends it.
    """

    message_id: str
    customer: str
    external_customer: str
    channel: str
    action: str
    treatment: str
    group: str
    purpose: str
    tags: tuple[str, ...]
    content: Mapping[str, str]
    decision_id: str
    journey: str
    step: str
    at: datetime
    exempt: str | None = None


def told(message: Message) -> dict[str, Any]:
    """What every way out tells of a message: all but who the customer is, and when."""
    return {
        "message_id": message.message_id,
        "channel": message.channel,
        "action": message.action,
        "treatment": message.treatment,
        "purpose": message.purpose,
        "tags": message.tags,
        "content": dict(message.content),
        "decision_id": message.decision_id,
        "journey": message.journey,
        "step": message.step,
    }


class Adapter(Protocol):
    """Delivers messages to the world; what the other side does is an answer, never an error."""

    repeat: Repeat

    async def deliver(self, message: Message) -> Delivery: ...
