"""Evidence: each offer counts once, however often it was seen and answered; a rebuild keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.catalog import Exploration
from engine.channels.delivery import DeliveryStatus
from engine.errors import LiveStateUnavailable
from engine.ledger import Ledger
from engine.ledger.evidence import EvidenceCounts, count_again
from engine.ledger.outcomes import Outcome
from engine.ledger.sends import Sender
from engine.live import Ask
from engine.types import Answers, Decision
from models.registry import promote
from models.score import ModelScorer
from tests.support.builders import a_bundle, a_customer, a_message, an_action
from tests.support.ledgers import (
    NOWHERE,
    FakeChannel,
    NoFeatures,
    a_site,
    decided,
    opened,
    redis_says,
)
from tests.support.models import ACTIONS, an_acceptance_model, offers

UPGRADE = an_action("upgrade")
BUNDLE = a_bundle(UPGRADE)
SMOOTHING = Exploration(smoothing_evidence=50)


async def an_offer(ledger: Ledger, channel: str = "web") -> Decision:
    """One more offer of the upgrade."""
    return await decided(ledger, BUNDLE, Ask(customer=a_customer(), channel=channel))


async def tell(ledger: Ledger, decision: Decision, *outcomes: str) -> None:
    """What came of it, in order."""
    for number, outcome in enumerate(outcomes):
        told: dict[str, Any] = {"outcome": outcome, "id": str(number), "at": ledger.clock.now()}
        treatment = decision.offers[0].treatment
        await ledger.record_outcome(
            Outcome(decision_id=decision.decision_id, treatment=treatment, **told)
        )


async def answers(ledger: Ledger, channel: str = "web", terms: Exploration = SMOOTHING) -> Answers:
    """The positive and negative answers to the upgrade."""
    counts = EvidenceCounts(ledger.redis)
    await counts.refresh(terms)
    return counts.of("upgrade", channel)


@pytest.mark.parametrize(
    ("outcomes", "counted"),
    [
        ([], (0, 0)),
        (["impression"], (0, 1)),
        (["impression", "impression"], (0, 1)),
        (["impression", "click"], (0, 1)),
        (["impression", "reject"], (0, 1)),
        (["impression", "accept"], (1, 0)),
        (["impression", "accept", "convert", "accept"], (1, 0)),
        (["accept", "impression"], (1, 0)),
        (["convert"], (1, 0)),
        (["reject"], (0, 1)),
        (["click", "later", "accept"], (1, 0)),
    ],
)
async def test_one_offer_counts_once(
    ledger: Ledger, outcomes: list[str], counted: tuple[int, int]
) -> None:
    await tell(ledger, await an_offer(ledger), *outcomes)
    assert await answers(ledger) == counted


@pytest.mark.parametrize(
    ("outcomes", "counted"),
    [([], (0, 1)), (["impression"], (0, 1)), (["accept"], (1, 0)), (["reject", "click"], (0, 1))],
)
async def test_a_delivered_message_is_a_trial_whether_or_not_anybody_tells_that_it_was_seen(
    ledger: Ledger, outcomes: list[str], counted: tuple[int, int]
) -> None:
    offer = await an_offer(ledger, "email")
    sender = Sender(ledger, {"email": FakeChannel()}, lambda: BUNDLE, NoFeatures())
    for name in ("m1", "m1", "m2"):  # the same again, and another reminder of the same offer
        message = a_message(name, at=offer.at)
        await sender.send(replace(message, decision_id=offer.decision_id))
    await tell(ledger, offer, *outcomes)
    assert await answers(ledger, "email") == counted
    await count_again(ledger.journal, ledger.redis)
    assert await answers(ledger, "email") == counted


async def test_a_message_that_was_not_delivered_is_no_trial(ledger: Ledger) -> None:
    offer = await an_offer(ledger, "email")
    channel = FakeChannel(answers=[DeliveryStatus.REJECTED])
    sender = Sender(ledger, {"email": channel}, lambda: BUNDLE, NoFeatures())
    message = replace(a_message(at=offer.at), decision_id=offer.decision_id)
    await sender.send(message)
    assert await answers(ledger, "email") == (0, 0)


async def test_each_channel_counts_on_its_own(ledger: Ledger) -> None:
    for _ in range(3):
        await tell(ledger, await an_offer(ledger), "impression")
    await tell(ledger, await an_offer(ledger), "impression", "accept")
    await tell(ledger, await an_offer(ledger, "app"), "impression", "accept")
    assert await answers(ledger) == (1, 3)
    assert await answers(ledger, "app") == (1, 0)
    assert await answers(ledger, "call") == (0, 0)


async def test_an_outcome_told_twice_counts_once(ledger: Ledger) -> None:
    offer = await an_offer(ledger)
    await tell(ledger, offer, "impression", "accept")
    await tell(ledger, offer, "impression", "accept")
    assert await answers(ledger) == (1, 0)


async def test_a_wipe_loses_nothing_for_good(ledger: Ledger) -> None:
    for outcomes in (["impression"], ["impression", "accept", "convert"], ["impression", "click"]):
        await tell(ledger, await an_offer(ledger), *outcomes)
    before = await answers(ledger)
    await redis_says(ledger, "FLUSHALL")
    assert await answers(ledger) == (0, 0)
    await count_again(ledger.journal, ledger.redis)
    await count_again(ledger.journal, ledger.redis)
    assert await answers(ledger) == before == (1, 2)


async def test_nothing_is_read_where_no_bundle_goes_by_it(ledger: Ledger) -> None:
    await tell(ledger, await an_offer(ledger), "accept")
    assert await answers(ledger, terms=Exploration(control_percent=2)) == (0, 0)


async def test_what_was_known_stays_while_redis_is_away(ledger: Ledger, tmp_path: Any) -> None:
    counts = EvidenceCounts(ledger.redis)
    await tell(ledger, await an_offer(ledger), "accept")
    await counts.refresh(SMOOTHING)
    async with opened(tmp_path / "away", NOWHERE) as away:
        counts._redis = away.redis  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(LiveStateUnavailable):
            await counts.refresh(SMOOTHING)
    assert counts.of("upgrade", "web") == (1, 0)


async def test_a_scorer_gives_evidence_only_where_the_bundle_goes_by_it(
    ledger: Ledger, tmp_path: Any
) -> None:
    counts = EvidenceCounts(ledger.redis)
    scorer = ModelScorer(a_site(tmp_path / "models"), counts)
    pairs = [(UPGRADE, "web"), (UPGRADE, "app")]
    await tell(ledger, await an_offer(ledger), "accept")
    assert scorer.acceptance({}, pairs).evidence == ()
    await counts.refresh(SMOOTHING)
    assert scorer.acceptance({}, pairs).evidence == ((1, 0), (0, 0))
    await counts.refresh(Exploration())
    assert scorer.acceptance({}, pairs).evidence == ()


async def test_answers_say_from_how_many_the_model_in_use_has_learned(
    ledger: Ledger, tmp_path: Any
) -> None:
    site = a_site(tmp_path / "models")
    counts = EvidenceCounts(ledger.redis)
    scorer = ModelScorer(site, counts)
    await counts.refresh(SMOOTHING)
    promote(site, an_acceptance_model())
    assert scorer.refresh()
    known, unknown = scorer.acceptance({}, [(ACTIONS[0], "web"), (UPGRADE, "web")]).evidence
    shown = [row for row in offers() if (row.action, row.channel) == (ACTIONS[0].name, "web")]
    assert known[:2] == (0, 0)
    assert 0 < known[2] <= len(shown)
    assert unknown == (0, 0, 0)


async def test_an_answer_that_came_since_is_told_after_the_next_refresh(ledger: Ledger) -> None:
    counts = EvidenceCounts(ledger.redis)
    await counts.refresh(SMOOTHING)
    assert counts.of("upgrade", "web") == (0, 0)
    await tell(ledger, await an_offer(ledger), "accept")
    assert counts.of("upgrade", "web") == (0, 0)
    await counts.refresh(SMOOTHING)
    assert counts.of("upgrade", "web") == (1, 0)
