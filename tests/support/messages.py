"""Messages with defaults."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.channels.delivery import Message


def a_message(message_id: str = "m-1", customer: str = "c1") -> Message:
    """A welcome by e-mail."""
    return Message(
        message_id=message_id,
        customer=customer,
        external_customer="7590-VHVEG",
        channel="email",
        action="welcome",
        treatment="welcome.email",
        group="onboarding",
        purpose="nurture",
        tags=("onboarding",),
        content={"title": "Grüß Gott"},
        decision_id="d-1",
        journey="onboarding:c1",
        step="welcome",
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
