"""Outcomes: of what was offered only, each once, counted even if Redis missed it at first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import InvalidInput, LiveStateUnavailable, UnknownDecision, UnknownTreatment
from engine.ledger import Ledger
from engine.ledger.outcomes import Outcome
from engine.live import Ask
from engine.types import ContactKind
from tests.support.builders import a_bundle, a_customer, an_action
from tests.support.ledgers import decided

BUNDLE = a_bundle(an_action("upgrade"), an_action("other", value=1))


async def an_outcome(ledger: Ledger, outcome: str = "impression") -> Outcome:
    """What a customer did with a new offer."""
    decision = await decided(ledger, BUNDLE, Ask(customer=a_customer(), channel="web"))
    return Outcome(
        decision_id=decision.decision_id,
        treatment="upgrade.web",
        outcome=outcome,
        id="1",
        at=ledger.clock.now(),
    )


async def kinds(ledger: Ledger) -> list[ContactKind]:
    """What counts as a contact by now."""
    return [contact.kind for contact in (await ledger.state(a_customer())).contacts]


@pytest.mark.parametrize(
    ("outcome", "kind", "word"),
    [
        ("impression", ContactKind.IMPRESSION, ""),
        ("click", ContactKind.RESPONSE, "click"),
        ("reject", ContactKind.RESPONSE, "reject"),
        ("asked-for-a-quote", ContactKind.RESPONSE, "asked-for-a-quote"),
    ],
)
async def test_an_outcome_counts_as_a_contact_under_its_own_word(
    ledger: Ledger, outcome: str, kind: ContactKind, word: str
) -> None:
    assert (await ledger.record_outcome(await an_outcome(ledger, outcome))).new
    [contact] = (await ledger.state(a_customer())).contacts
    assert (contact.kind, contact.outcome) == (kind, word)


@pytest.mark.parametrize("outcome", ["dispatch", "delivery", "ignore"])
async def test_what_is_counted_without_being_told_can_not_be_told(
    ledger: Ledger, outcome: str
) -> None:
    told = await an_outcome(ledger, outcome)
    with pytest.raises(InvalidInput, match=f"'{outcome}' is no outcome to tell"):
        await ledger.record_outcome(told)
    assert await kinds(ledger) == []


async def test_an_outcome_counts_once_however_often_it_comes(ledger: Ledger) -> None:
    outcome = await an_outcome(ledger)
    new = await asyncio.gather(*(ledger.record_outcome(outcome) for _ in range(10)))
    assert sum(told.new for told in new) == 1
    assert not (await ledger.record_outcome(outcome)).new
    assert len(await kinds(ledger)) == 1
    assert (await ledger.record_outcome(replace(outcome, id="2"))).new
    assert len(await kinds(ledger)) == 2


async def test_an_outcome_that_redis_missed_counts_once_it_is_repeated(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = await an_outcome(ledger)

    async def away(*_: object) -> None:
        raise LiveStateUnavailable("Redis went away")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "add_contacts", away)
        with pytest.raises(LiveStateUnavailable):
            await ledger.record_outcome(outcome)
    assert await kinds(ledger) == []
    assert not (await ledger.record_outcome(outcome)).new
    assert len(await kinds(ledger)) == 1


async def test_a_late_outcome_counts_at_its_own_time(ledger: Ledger) -> None:
    outcome = replace(await an_outcome(ledger), at=ledger.clock.now() - timedelta(days=3))
    await ledger.record_outcome(outcome)
    [contact] = (await ledger.state(a_customer())).contacts
    assert contact.at == round(outcome.at.timestamp() * 1000)


async def test_an_outcome_of_what_was_not_offered_changes_nothing(ledger: Ledger) -> None:
    outcome = replace(await an_outcome(ledger), treatment="other.web")
    with pytest.raises(UnknownTreatment, match=r"it offered upgrade\.web"):
        await ledger.record_outcome(outcome)
    assert await kinds(ledger) == []


@pytest.mark.parametrize("decision_id", ["01KJMK6G00ABCDEFGHJKMNPQRS", "", "*", "x" * 26])
async def test_an_outcome_of_no_decision_is_refused(ledger: Ledger, decision_id: str) -> None:
    outcome = replace(await an_outcome(ledger), decision_id=decision_id)
    with pytest.raises(UnknownDecision):
        await ledger.record_outcome(outcome)
