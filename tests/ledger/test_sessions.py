"""Sessions: one visit over all channels, which remembers what earlier questions said."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.catalog import SessionTerms
from engine.ledger import Ledger
from engine.ledger.clock import Clock
from engine.live import Ask
from engine.replay import identical
from engine.types import Decision, Session
from tests.support.builders import NOW, a_bundle, a_customer, a_rule, an_action
from tests.support.ledgers import decided

BASKET = an_action("accessory", rules=[a_rule("context.basket >= 100")])
TERMS = SessionTerms(remembers=frozenset({"basket", "page"}))
BUNDLE = a_bundle(BASKET, session=TERMS)
MINUTE = timedelta(minutes=1)


async def asked(
    ledger: Ledger, context: Mapping[str, Any] | None = None, bundle: Any = BUNDLE, **more: Any
) -> Decision:
    """One question of a visit, on the web unless said otherwise."""
    more.setdefault("channel", "web")
    return await decided(ledger, bundle, Ask(customer=a_customer(), context=context or {}, **more))


def shown(decision: Decision) -> list[str]:
    """The actions that are offered."""
    return [offer.action for offer in decision.offers]


async def session(ledger: Ledger) -> Session | None:
    """What is remembered."""
    return (await ledger.state(a_customer())).session


def later(ledger: Ledger, minutes: float) -> None:
    """A clock that hardly moves, so many minutes after noon."""
    wanted, slow = (NOW + minutes * MINUTE).timestamp(), 1e-6
    clock = Clock(anchor=(wanted - slow * time.time()) / (1 - slow), lapse=slow)
    ledger.site = replace(ledger.site, clock=clock)


async def test_what_one_question_said_the_next_may_leave_out_on_another_channel(
    ledger: Ledger,
) -> None:
    assert shown(await asked(ledger)) == []
    assert shown(await asked(ledger, {"basket": 120})) == ["accessory"]
    decision = await asked(ledger, channel="call")
    assert shown(decision) == ["accessory"]
    assert identical(await ledger.raw_record(decision.decision_id), BUNDLE)
    assert shown(await asked(ledger, {"basket": 20})) == []
    assert shown(await asked(ledger)) == []


async def test_a_visit_ends_when_nothing_happened_for_a_while(ledger: Ledger) -> None:
    later(ledger, 0)
    await asked(ledger, {"basket": 120})
    later(ledger, 29)
    assert shown(await asked(ledger)) == ["accessory"]
    later(ledger, 58)
    assert shown(await asked(ledger)) == ["accessory"]
    later(ledger, 89)
    assert shown(await asked(ledger)) == []
    found = await session(ledger)
    assert found is not None
    assert (found.started, found.context) == (found.last, {})
    assert abs(found.started - (NOW + 89 * MINUTE)) < timedelta(seconds=1)


async def test_a_visit_knows_when_and_where_it_was_last_heard_of(ledger: Ledger) -> None:
    later(ledger, 0)
    await asked(ledger, channel="app")
    later(ledger, 10)
    await asked(ledger, channel="call")
    found = await session(ledger)
    assert found is not None
    assert found.channel == "call"
    assert timedelta(minutes=9) < found.last - found.started < timedelta(minutes=11)


@pytest.mark.parametrize(
    ("context", "kept"),
    [
        ({"page": "x" * 200}, {"page": "x" * 200}),
        ({"page": "x" * 201}, {}),
        ({"page": ["a"], "basket": {"sum": 1}}, {}),
        ({"page": "plans", "password": "secret"}, {"page": "plans"}),
        ({"basket": 1.5, "page": True}, {"basket": 1.5, "page": True}),
    ],
)
async def test_only_short_and_plain_context_that_the_bundle_names_is_remembered(
    ledger: Ledger, context: dict[str, Any], kept: dict[str, Any]
) -> None:
    await asked(ledger, context)
    found = await session(ledger)
    assert found is not None
    assert found.context == kept


@pytest.mark.parametrize(
    "more", [{"dry_run": True}, {"channel": "email"}, {"journey": "renewal:x"}]
)
async def test_only_a_customer_on_a_page_or_in_a_call_is_on_a_visit(
    ledger: Ledger, more: dict[str, Any]
) -> None:
    await asked(ledger, {"basket": 120}, **more)
    assert await session(ledger) is None


async def test_remembering_makes_nobody_decide_again(ledger: Ledger) -> None:
    await asked(ledger, {"basket": 120})
    await asked(ledger)
    assert (await ledger.state(a_customer())).version == 0


@pytest.mark.parametrize(
    ("terms", "kept"),
    [
        (SessionTerms(), False),
        (SessionTerms(most_shown=3), True),
        (SessionTerms(silenced_by=frozenset({"reject"})), True),
    ],
)
async def test_a_bundle_without_use_for_visits_remembers_none(
    ledger: Ledger, terms: SessionTerms, kept: bool
) -> None:
    await asked(ledger, {"basket": 120}, a_bundle(BASKET, session=terms))
    assert (await session(ledger) is not None) is kept
