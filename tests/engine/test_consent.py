"""Consent: granted, refused, or not recorded, for each purpose and channel."""

from __future__ import annotations

import pytest

from engine.consent import consented, default
from engine.guards import contact_obstacles
from engine.types import Stage
from tests.support.builders import CHANNELS, a_bundle, a_purpose, an_action
from tests.support.moments import a_moment, on_channel

ACTION = an_action("upgrade")
BUNDLE = a_bundle(ACTION, purposes=[a_purpose("sales", refused_on=["email"])])


@pytest.mark.parametrize(
    ("channel", "recorded", "allowed"),
    [
        ("email", {}, False),
        ("whatsapp", {}, True),
        ("email", {"sales:email": True}, True),
        ("whatsapp", {"sales:whatsapp": False}, False),
        ("email", {"nurture:email": True, "sales:web": True}, False),
        ("fax", {}, False),
    ],
)
def test_consent_is_three_valued_per_purpose_and_channel(
    channel: str, recorded: dict[str, bool], allowed: bool
) -> None:
    assert consented(BUNDLE, "sales", channel, recorded) is allowed


@pytest.mark.parametrize("sending", [False, True])
@pytest.mark.parametrize("recorded", [None, True, False])
@pytest.mark.parametrize("channel", CHANNELS)
def test_what_consent_allows_is_what_the_guard_lets_pass(
    channel: str, recorded: bool | None, sending: bool
) -> None:
    consents = {} if recorded is None else {f"sales:{channel}": recorded}
    moment = a_moment(BUNDLE, channel=channel, sending=sending, consents=consents)
    drops = list(contact_obstacles(on_channel(BUNDLE, ACTION, channel), moment))
    assert (not drops) is consented(BUNDLE, "sales", channel, consents)
    assert all(
        (one.stage, one.rule) == (Stage.CONSENT, f"consent:sales:{channel}") for one in drops
    )


def test_what_a_purpose_does_not_mention_is_not_allowed() -> None:
    assert not default(BUNDLE, "sales", "fax")
    assert default(BUNDLE, "service", "email")


def test_exemption_is_none_from_consent() -> None:
    legal = an_action("terms", purpose="service", exempt="legal")
    bundle = a_bundle(legal)
    moment = a_moment(bundle, consents={"service:email": False})
    [drop] = contact_obstacles(on_channel(bundle, legal), moment)
    assert drop.rule == "consent:service:email"
