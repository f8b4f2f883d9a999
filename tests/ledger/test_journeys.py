"""Journeys in the live state: what is shown of one is all there for the next decision and send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from engine.ledger import Ledger, keys, live
from engine.ledger.sends import Sender, SendStatus
from engine.live import Ask
from engine.types import Decision, JourneyState, Planned
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_customer,
    a_journey,
    a_limit,
    a_message,
    a_rule,
    an_action,
)
from tests.support.ledgers import FakeChannel, NoFeatures, decided, standing_at

PLAN = Planned(at=NOW + DAY, channel="email", purpose="retention", value=6.25)
BETTER = a_journey("renewal", "scheduled", before="started", planned=PLAN)
TIP = an_action("tip", purpose="nurture", value=10, prior=0.5)
"""It promises 5, less than what is planned."""
LIMIT = a_limit("week", maximum=1, keeps_for_better=2 * DAY)


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    """Its clock stands a day before what is planned."""
    return standing_at(ledger, NOW)


async def asked(ledger: Ledger, bundle: Any) -> Decision:
    """A decision by e-mail."""
    return await decided(ledger, bundle, Ask(customer=a_customer(), channel="email"))


@pytest.mark.parametrize(
    "journey",
    [
        a_journey(),
        a_journey("onboarding", "day-2", before="started"),
        BETTER,
    ],
    ids=["no more than it must say", "moved on", "with a plan"],
)
async def test_a_journey_is_read_as_it_was_shown(ledger: Ledger, journey: JourneyState) -> None:
    await ledger.put_journey(a_customer(), journey)
    assert (await ledger.state(a_customer())).journeys == (journey,)


async def test_what_an_older_version_wrote_is_still_read(ledger: Ledger) -> None:
    entry = orjson.dumps({"k": "renewal", "s": "open", "t": 0, "d": None, "w": ""})
    await live.SET_FIELD(ledger.redis, [keys.live(a_customer())], ("j:renewal:x", entry, 0))
    (journey,) = (await ledger.state(a_customer())).journeys
    assert (journey.before, journey.planned) == ("", None)


async def test_a_rule_knows_the_stage_before(ledger: Ledger) -> None:
    rule = a_rule('journey.renewal.before == "started"')
    bundle = a_bundle(an_action("tip", purpose="nurture", rules=[rule]))
    assert (await asked(ledger, bundle)).offers == ()
    await ledger.put_journey(a_customer(), BETTER)
    assert [offer.action for offer in (await asked(ledger, bundle)).offers] == ["tip"]


async def test_the_last_place_is_kept_for_what_a_journey_has_planned(ledger: Ledger) -> None:
    bundle = a_bundle(TIP, limits=[LIMIT])
    await ledger.put_journey(a_customer(), BETTER)
    decision = await asked(ledger, bundle)
    assert decision.offers == ()
    assert [drop.rule for one in decision.candidates for drop in one.drops] == ["kept:week"]
    await ledger.put_journey(a_customer(), replace(BETTER, planned=None))
    assert [offer.action for offer in (await asked(ledger, bundle)).offers] == ["tip"]


async def test_a_message_leaves_it_too_unless_the_journey_itself_sends_it(ledger: Ledger) -> None:
    bundle, post = a_bundle(TIP, limits=[LIMIT]), FakeChannel()
    sender = Sender(ledger, {"email": post}, lambda: bundle, NoFeatures())
    await ledger.put_journey(a_customer(), BETTER)
    refused = await sender.send(a_message("m1", TIP))
    assert (refused.status, refused.reason, refused.until) == (
        SendStatus.REFUSED,
        "kept:week",
        PLAN.at,
    )
    own = replace(a_message("m2", TIP), journey=BETTER.id)
    assert (await sender.send(own)).status is SendStatus.DELIVERED
    assert post.started == ["m2"]
