"""A changed bundle's acceptance is estimated from what was logged, or refused with the reason."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.catalog import Bundle, Exploration
from engine.decide import decide
from engine.record import Record
from engine.types import Stage
from models.impact import Rival
from models.what_if import NOTHING, Answered, of_control, rows_of, simulated
from tests.support.builders import (
    a_bundle,
    a_customer,
    a_request,
    a_rule,
    a_snapshot,
    an_action,
)
from tests.support.scorers import Silent

RATES = {"fiber": 0.1, "sport": 0.3, "phone": 0.5}
TERMS = Exploration(thompson=True)


def a_business(exploration: Exploration = TERMS, /, **values: float) -> Bundle:
    """Three actions with the same prior, worth 10 each or what is said."""
    actions = (an_action(name, value=values.get(name, 10)) for name in RATES)
    return a_bundle(*actions, exploration=exploration)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Decisions and who accepted."""

    records: Sequence[Record]
    accepted: Answered

    @property
    def share(self) -> float:
        """How many accepted."""
        return len(self.accepted) / len(self.records)

    def under(self, bundle: Bundle) -> dict[str, Any]:
        """What another bundle would have done."""
        return simulated([*rows_of(self.records, bundle, self.accepted)])


def a_history(bundle: Bundle, decisions: int = 300, seed: int = 1) -> History:
    """Decisions of a bundle, each accepted by chance, at the rate of its action."""
    records = [*decided(bundle, decisions, seed)]
    dice = random.Random(seed)
    answered = (
        (one.decision.decision_id, offer.treatment)
        for one in records
        for offer in one.decision.offers
        if dice.random() < RATES[offer.action]
    )
    return History(records=records, accepted=frozenset(answered))


def decided(bundle: Bundle, decisions: int, seed: int) -> Iterator[Record]:
    for number in range(decisions):
        customer = a_customer(str(number))
        request = replace(
            a_request("web", customer=customer),
            decision_id=f"{number:026}",
            seed=1_000 * seed + number,
        )
        snapshot = replace(a_snapshot(), customer=customer)
        decision = decide(request, snapshot, bundle, Silent())
        yield Record(request=request, snapshot=snapshot, decision=decision)


@pytest.fixture(scope="module")
def history() -> History:
    """What became of the bundle that knows no favourite."""
    return a_history(a_business())


def expected(bundle: Bundle, decisions: int = 500) -> float:
    """The acceptance that a bundle has in truth."""
    offers = [one.decision.offers for one in decided(bundle, decisions, seed=9)]
    return sum(RATES[offer.action] for each in offers for offer in each) / decisions


@pytest.mark.parametrize(
    "values", [{"phone": 16.0}, pytest.param({"fiber": 14.0}, marks=pytest.mark.long)]
)
def test_intervals_hold_what_the_changed_bundle_would_have_got(
    history: History, values: dict[str, float]
) -> None:
    changed = a_business(**values)
    found = history.under(changed)["accepted"]
    truth = expected(changed)
    for name, told in found["estimates"].items():
        assert told["low"] <= truth <= told["high"], name


def test_a_better_bundle_is_seen_to_be_better(history: History) -> None:
    found = history.under(a_business(phone=16.0))
    assert found["accepted"]["change"]["low"] > 0
    assert found["changed"] > 0.3


def test_the_same_bundle_changes_nothing_beyond_the_dice(history: History) -> None:
    found = history.under(a_business())
    assert found["accepted"]["happened"]["value"] == history.share
    change = found["accepted"]["change"]
    assert change["low"] < 0 < change["high"]


def test_without_exploration_the_log_says_nothing_of_another_choice() -> None:
    sure = a_business(Exploration(), fiber=11)
    history = a_history(sure)
    found = history.under(a_business(Exploration(), phone=16.0))
    assert found["changed"] == 1.0
    assert found["accepted"]["refused"]["reason"] == "no_support"
    assert "estimates" not in found["accepted"]
    assert history.under(sure)["accepted"]["change"]["value"] == 0


def test_the_control_slice_tells_of_a_bundle_that_leaves_nothing_to_chance() -> None:
    terms = Exploration(control_percent=100)
    changed = a_business(terms, phone=16.0)
    log = a_history(a_business(terms))
    records, sure = of_control(log.records, changed)
    found = simulated([*rows_of(records, sure, log.accepted)])["accepted"]
    assert len(records) == len(log.records)
    for name, told in found["estimates"].items():
        assert told["low"] <= RATES["phone"] <= told["high"], name
    assert found["change"]["low"] > 0
    assert of_control(a_history(a_business(), decisions=5).records, changed)[0] == []


def test_an_action_that_is_new_is_refused_and_named(history: History) -> None:
    new = a_bundle(*a_business().actions.values(), an_action("tv", value=1_000))
    found = history.under(new)["accepted"]
    assert found["refused"]["reason"] == "no_support"


def test_contacts_are_counted_not_estimated(history: History) -> None:
    found = history.under(a_bundle(an_action("tv"), minimum_propensity=0.9))
    assert found["contacts"] == {"web": {"happened": 300.0, "would": 0.0}}


def test_value_is_what_was_accepted_at_the_value_of_then(history: History) -> None:
    found = history.under(a_business(phone=16.0))["value"]
    assert found["happened"]["value"] == pytest.approx(10 * history.share)


def test_where_nothing_could_be_offered_nothing_was_sure() -> None:
    silent = a_bundle(an_action("tv"), minimum_propensity=0.9)
    (row,) = rows_of(decided(silent, 1, seed=1), silent, frozenset())
    assert (row.shown, row.selection, row.would) == (NOTHING, 1.0, {NOTHING: 1.0})


def impact(history: History, bundle: Bundle, name: str = "accepted") -> dict[str, Any]:
    """What a bundle gains over each rival."""
    return history.under(bundle)[name]["impact"]


def test_a_bundle_that_prefers_what_is_liked_gains_over_random_actions(history: History) -> None:
    bundle = a_business(phone=40.0)
    found = impact(history, bundle)
    assert set(found) == {rival.value for rival in Rival}
    for name in (Rival.RANDOM_ACTION, Rival.PROPENSITY_ONLY):  # all have one prior
        told = found[name]
        truth = expected(bundle) - sum(RATES.values()) / 3
        assert 0 < told["gain"]["low"] <= truth <= told["gain"]["high"]
        assert told["lift"] == pytest.approx(told["gain"]["value"] / told["rival"]["value"])


def test_levers_that_push_what_nobody_wants_show_as_a_loss(history: History) -> None:
    actions = [an_action(name, value=10, lever=200.0 * (name == "fiber")) for name in RATES]
    found = impact(history, a_bundle(*actions, exploration=TERMS))[Rival.NO_LEVERS]
    assert found["gain"]["high"] < 0 > found["lift"]


def test_without_levers_and_rules_there_is_nothing_to_gain_over_doing_without(
    history: History,
) -> None:
    found = impact(history, a_business())
    for rival in (Rival.NO_LEVERS, Rival.ELIGIBILITY_ONLY, Rival.PROPENSITY_ONLY):
        assert found[rival]["gain"]["low"] <= 0 <= found[rival]["gain"]["high"]


def test_what_only_suitability_kept_back_could_not_happen_and_is_refused() -> None:
    unsuitable = a_rule("False", stage=Stage.SUITABILITY)
    actions = [an_action(name, value=10) for name in ("fiber", "sport")]
    best = an_action("phone", value=100, rules=[unsuitable])
    bundle = a_bundle(*actions, best, exploration=TERMS)
    found = impact(a_history(bundle), bundle)
    assert found[Rival.ELIGIBILITY_ONLY]["refused"]["reason"] == "no_support"
    assert "gain" in found[Rival.RANDOM_ACTION]


def test_what_must_be_shown_is_shown_by_every_rival() -> None:
    must = an_action("fiber", value=1, mandatory=True)
    bundle = a_bundle(must, an_action("sport", value=100), exploration=TERMS)
    (row,) = rows_of(decided(bundle, 1, seed=1), bundle, frozenset())
    assert all(chances == {"fiber.web": 1.0} for chances in row.rivals.values())
