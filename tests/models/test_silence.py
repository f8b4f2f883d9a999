"""The price of silence: what rules cost is found where a log can tell, and refused elsewhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.catalog import Bundle, Exploration
from engine.decide import decide
from engine.forgone import kept_back
from engine.record import Record
from engine.types import Hold, Stage
from models.silence import Price, Shown, Silenced, forgone, prices
from models.support import Reason
from models.what_if import Answered
from tests.support.builders import (
    a_bundle,
    a_customer,
    a_hold,
    a_request,
    a_rule,
    a_snapshot,
    an_action,
)
from tests.support.scorers import Silent

TENURE = "contract.tenure_months"
LONG = a_rule(f"{TENURE} >= 12", name="only-long")
RATES = {"phone": 0.4, "sport": 0.3}
WEEK = timedelta(days=7)


def a_business(*rules: str, control: float = 0) -> Bundle:
    """A phone for some, which is worth more than sport; P is not how often they accept."""
    every = {"only-long": LONG, "nobody": a_rule("1 == 2", name="nobody")}
    phone = an_action("phone", value=20, prior=0.5, rules=[every[name] for name in rules])
    terms = Exploration(control_percent=control)
    return a_bundle(phone, an_action("sport", value=10, prior=0.2), exploration=terms)


def decided(bundle: Bundle, number: int, tenure: int = 24, holds: tuple[Hold, ...] = ()) -> Record:
    customer = a_customer(str(number))
    asked = a_request("web", customer=customer)
    request = replace(asked, decision_id=f"{number:026}", seed=number)
    snapshot = replace(a_snapshot(), customer=customer, features={TENURE: tenure}, holds=holds)
    decision = decide(request, snapshot, bundle, Silent())
    return Record(request=request, snapshot=snapshot, decision=decision)


def answered(records: Sequence[Record], seed: int = 1) -> Answered:
    dice = random.Random(seed)
    return frozenset(
        (one.decision.decision_id, offer.treatment)
        for one in records
        for offer in one.decision.offers
        if dice.random() < RATES[offer.action]
    )


def priced(records: Sequence[Record], bundle: Bundle) -> list[Price]:
    return prices(records, lambda _: bundle, Silent(), answered(records))


def half_silenced(bundle: Bundle, count: int = 400) -> list[Record]:
    return [decided(bundle, number, tenure=4 if number % 2 else 24) for number in range(count)]


def test_what_a_rule_cost_is_found_among_those_whom_it_does_not_stop() -> None:
    bundle = a_business("only-long")
    [price] = priced(half_silenced(bundle), bundle)
    assert price.rule == (Stage.ELIGIBILITY, "only-long")
    assert (price.decisions, price.customers, price.places, price.alike) == (200, 200, 200, 200)
    assert price.forgone is not None
    truth = 200 * (20 * RATES["phone"] - 10 * RATES["sport"])
    assert price.forgone.holds(truth)
    assert price.forgone.low > 0
    assert price.forgone.high < 200 * 20 * 0.5  # the P that it ranks by is too good to be true


def test_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    runs = 200
    for run in range(runs):
        dice = random.Random(run)
        shown = [
            Shown(
                treatment="phone",
                customer=f"shown {number}",
                propensity=0.5,
                accepted=dice.random() < 0.2,
            )
            for number in range(150)
        ]
        silenced = [
            Silenced(
                treatment="phone",
                customer=f"silenced {number}",
                propensity=0.5,
                value=20,
                earned=10.0 if dice.random() < 0.3 else 0.0,
            )
            for number in range(100)
        ]
        held += forgone(silenced, shown).holds(100 * (20 * 0.2 - 10 * 0.3))
    assert 0.9 <= held / runs <= 0.99


def test_weeks_are_told_apart() -> None:
    bundle = a_business("only-long")
    records = half_silenced(bundle, 200)
    later = [
        replace(one, decision=replace(one.decision, at=one.decision.at + WEEK))
        for one in half_silenced(bundle, 400)[200:]
    ]
    found = priced([*records, *later], bundle)
    assert [price.places for price in found] == [100, 100]
    assert found[1].week - found[0].week == WEEK
    assert all(price.week.weekday() == 0 for price in found)


def test_what_was_never_shown_is_not_guessed() -> None:
    bundle = a_business("nobody")
    [price] = priced(half_silenced(bundle), bundle)
    assert (price.places, price.alike, price.forgone) == (400, 0, None)
    assert price.reason is Reason.NO_SUPPORT


def test_a_propensity_that_was_never_shown_is_not_guessed() -> None:
    records = half_silenced(a_business("only-long"))
    likelier = a_business("only-long")
    phone = replace(likelier.actions["phone"], prior=0.9)
    changed = replace(likelier, actions={**likelier.actions, "phone": phone})
    [price] = priced(records, changed)
    assert price.reason is Reason.NO_SUPPORT


def test_few_places_are_too_few() -> None:
    bundle = a_business("only-long")
    records = [decided(bundle, number, tenure=4 if number < 10 else 24) for number in range(200)]
    [price] = priced(records, bundle)
    assert price.reason is Reason.TOO_FEW
    assert "10 places of 10 customers" in price.words


def test_what_others_outrank_cost_nothing() -> None:
    bundle = a_business("only-long")
    cheap = replace(bundle.actions["phone"], prior=0.01)
    bundle = replace(bundle, actions={**bundle.actions, "phone": cheap})
    [price] = priced(half_silenced(bundle), bundle)
    assert (price.decisions, price.places) == (200, 0)
    assert price.forgone is not None
    assert price.forgone.value == 0


def test_no_rule_is_blamed_for_what_another_stopped_too() -> None:
    bundle = a_business("only-long", "nobody")
    assert [one.rule for one in kept_back(decided(bundle, 1, tenure=4), bundle, Silent())] == []
    [one] = kept_back(decided(bundle, 1, tenure=24), bundle, Silent())
    assert one.rule == (Stage.ELIGIBILITY, "nobody")


def test_a_hold_is_one_rule_for_all_whom_it_silences() -> None:
    bundle = a_business()
    for case in ("4711", "4712"):
        hold = replace(a_hold(), id=f"complaint:{case}")
        [one] = kept_back(decided(bundle, 1, holds=(hold,)), bundle, Silent())
        assert one.rule == (Stage.HOLD, "hold:complaint")
        assert (one.treatment, one.instead, one.wins) == ("phone.web", None, True)


def test_what_a_threshold_stopped_is_laid_to_it() -> None:
    bundle = a_business()
    phone = replace(bundle.actions["phone"], minimum_propensity=0.6)
    bundle = replace(bundle, actions={**bundle.actions, "phone": phone})
    [one] = kept_back(decided(bundle, 1), bundle, Silent())
    assert one.rule == (Stage.PROPENSITY, "minimum_propensity")
    assert one.wins


def test_the_control_slice_is_left_out() -> None:
    bundle = a_business("only-long", control=100)
    assert [*kept_back(decided(bundle, 1, tenure=4), bundle, Silent())] == []


@pytest.mark.parametrize("tenure", [4, 24])
def test_what_was_kept_back_is_what_the_bundle_without_the_rule_shows(tenure: int) -> None:
    bundle, free = a_business("only-long"), a_business()
    record = decided(bundle, 1, tenure=tenure)
    without = decide(record.request, record.snapshot, free, Silent())
    found = [*kept_back(record, bundle, Silent())]
    shown = without.offers[0].treatment
    assert ([one.treatment for one in found if one.wins] or ["phone.web"]) == [shown]
