"""Whether a purpose may use a channel: what was recorded, else what the bundle says by default."""

from __future__ import annotations

from collections.abc import Mapping

from engine.catalog import Bundle


def consented(bundle: Bundle, purpose: str, channel: str, consents: Mapping[str, bool]) -> bool:
    """Whether this purpose may use this channel."""
    recorded = consents.get(f"{purpose}:{channel}")
    return default(bundle, purpose, channel) if recorded is None else recorded


def default(bundle: Bundle, purpose: str, channel: str) -> bool:
    """What holds while nothing is recorded; what a purpose does not mention is not allowed."""
    return bundle.purposes[purpose].default_consent.get(channel, False)
