"""Consents: every change kept, the latest in force."""

from __future__ import annotations

import asyncio

from engine.ledger import Ledger
from engine.ledger.consents import Consent, Recorded, keep_consents, recorded_by
from tests.support.builders import NOW, a_customer
from tests.support.ledgers import redis_says

CUSTOMER = a_customer()


def a_consent(granted: bool, purpose: str = "sales", source: str = "desk") -> Consent:
    """A customer's word on e-mail."""
    return Consent(
        customer=CUSTOMER, purpose=purpose, channel="email", granted=granted, source=source, at=NOW
    )


async def consents(ledger: Ledger) -> dict[str, bool]:
    """The consents in force."""
    return dict((await ledger.state(CUSTOMER)).consents)


async def test_a_consent_is_granted_refused_or_not_recorded(ledger: Ledger) -> None:
    assert await consents(ledger) == {}
    await ledger.set_consent(CUSTOMER, "sales", "email", True, "desk", NOW)
    await ledger.set_consent(CUSTOMER, "survey", "web", False, "desk", NOW)
    assert await consents(ledger) == {"sales:email": True, "survey:web": False}
    await ledger.set_consent(CUSTOMER, "sales", "email", False, "desk", NOW)
    assert await consents(ledger) == {"sales:email": False, "survey:web": False}


async def test_the_later_journal_position_wins_whatever_arrives_first(ledger: Ledger) -> None:
    [early, late] = await ledger.journal.write(
        lambda connection: keep_consents(connection, [a_consent(True), a_consent(False)])
    )
    assert early.seq < late.seq
    await ledger.enforce_consents([late])
    version = (await ledger.state(CUSTOMER)).version
    await ledger.enforce_consents([early, late])
    assert await consents(ledger) == {"sales:email": False}
    assert (await ledger.state(CUSTOMER)).version == version


async def test_changes_at_once_leave_the_one_that_the_journal_has_last(ledger: Ledger) -> None:
    await asyncio.gather(*(ledger.set_consents([a_consent(n % 3 == 0)]) for n in range(30)))
    kept = await ledger.journal.read(lambda c: recorded_by(c, CUSTOMER, "desk"))
    last = max(kept, key=lambda one: one.seq)
    assert await consents(ledger) == {"sales:email": last.granted}


async def test_the_consents_of_one_source_are_found(ledger: Ledger) -> None:
    await ledger.set_consents([a_consent(True), a_consent(False, source="event /crm 1")])
    [found] = await ledger.journal.read(lambda c: recorded_by(c, CUSTOMER, "event /crm 1"))
    assert isinstance(found, Recorded)
    assert (found.purpose, found.granted, found.seq) == ("sales", False, 2)


async def test_a_load_never_overwrites_what_a_customer_said(ledger: Ledger) -> None:
    await ledger.set_consents([a_consent(False)])
    loaded = [a_consent(True, purpose, "load") for purpose in ("sales", "survey", "survey")]
    assert await ledger.set_first_consents(loaded) == 1
    assert await ledger.set_first_consents(loaded) == 0
    assert await consents(ledger) == {"sales:email": False, "survey:email": True}


async def test_more_consents_than_fit_one_batch_are_all_in_force(ledger: Ledger) -> None:
    many = [a_consent(n % 2 == 0, purpose=f"p{n}") for n in range(2100)]
    await ledger.set_consents(many)
    found = await consents(ledger)
    assert len(found) == 2100
    assert found["p2099:email"] is False
    assert await redis_says(ledger, "DBSIZE") == 2
