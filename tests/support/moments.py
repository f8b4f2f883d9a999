"""One moment on one channel, and an action as it is there: what every guard is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engine.catalog import Action, Bundle
from engine.moment import Moment
from engine.moment import moment as moment_of
from engine.shelf import Place, shelf
from engine.types import Contact
from tests.support.builders import NOW, a_snapshot

ZONE = "profile.zone"


def a_moment(
    bundle: Bundle,
    *contacts: Contact,
    channel: str = "email",
    now: datetime = NOW,
    sending: bool = False,
    journey: str = "",
    features: dict[str, Any] | None = None,
    **more: Any,
) -> Moment:
    """A moment of a customer with these contacts, given in any order."""
    in_order: Sequence[Contact] = sorted(contacts, key=lambda contact: contact.at)
    return moment_of(
        bundle,
        channel,
        now,
        a_snapshot(contacts=tuple(in_order), features=features, **more),
        (features or {}).get,
        journey=journey,
        sending=sending,
    )


def on_channel(bundle: Bundle, action: Action | str, channel: str = "email") -> Place:
    """An action of a bundle as it is on a channel."""
    return shelf(bundle, channel)[action if isinstance(action, str) else action.name]
