"""Priority = P x C x V x L: every part is logged, and the order is the same on every machine."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import arbitration
from engine.arbitration import UNKNOWN_VALUE, Ranked, Weighed, factor, in_order, rank, weigh
from engine.catalog import Action, Bundle, Influencer
from engine.decide import decide
from engine.exploration import Chance
from engine.moment import Moment, moment
from engine.shelf import shelf
from engine.types import Arm, ContactKind, Decision, Placement, Scalar, Snapshot, Status
from tests.support.builders import (
    DAY,
    NOW,
    a_bundle,
    a_contact,
    a_purpose,
    a_request,
    a_snapshot,
    a_treatment,
    a_weight,
    an_action,
)
from tests.support.ledgers import NoModels

PERCENTS = st.floats(-300, 300).map(lambda x: round(x, 3))


def a_moment(bundle: Bundle, known: Mapping[str, Scalar] | None = None) -> Moment:
    """A customer on the web, of whom only so much is known."""
    return moment(bundle, "web", NOW, a_snapshot(), (known or {}).get)


def weighed(
    action: Action, bundle: Bundle | None = None, known: Mapping[str, Scalar] | None = None
) -> Weighed:
    """What an action is worth on the web."""
    bundle = bundle or a_bundle(action)
    return weigh([shelf(bundle, "web")[action.name]], a_moment(bundle, known))[0]


def by(propensity: float) -> Chance:
    """A propensity that nothing was drawn for."""
    return Chance(model=propensity, smoothed=propensity, final=propensity)


def ranked(action: Action, priority: float = 1.0) -> Ranked:
    """An action with a priority."""
    bundle = a_bundle(action, purposes=[a_purpose(action.purpose)])
    return replace(rank(weighed(action, bundle), by(1.0)), priority=priority)


# -- the parts


def test_priority_is_the_product_of_its_parts() -> None:
    one = an_action("one", value=20, lever=10)
    weights = [
        a_weight("purpose:sales", 30.0),
        a_weight("group:internet", 20.0),
        a_weight("action:one", 50.0),
        a_weight("action:two", 9.0),
    ]
    bundle = a_bundle(
        one, purposes=[a_purpose("sales", lever=20)], groups={"internet": 25}, weights=weights
    )
    found = rank(weighed(one, bundle), by(0.1))
    assert (found.weighed.context_weight, found.weighed.lever) == (2.0, 1.55)
    assert found.priority == pytest.approx(0.1 * 2.0 * 20 * 1.55)
    assert found.weighed.levers == {
        "purpose:sales": 20,
        "group:internet": 25,
        "action:one": 10,
        "context:purpose:sales 1 == 1": 30,
        "context:group:internet 1 == 1": 20,
        "context:action:one 1 == 1": 50,
    }


def test_weights_of_one_target_add_up_and_unknown_conditions_add_nothing() -> None:
    one = an_action("one", group="x")
    weights = [
        a_weight("group:x", 10),
        a_weight("group:x", 5, "2 > 1"),
        a_weight("group:x", 99, "context.page == 'a'"),
        a_weight("group:x", 50, "1 > 2"),
    ]
    assert weighed(one, a_bundle(one, weights=weights)).context_weight == 1.15


def test_weights_that_share_a_name_all_count() -> None:
    one = an_action("one", group="x")
    same = [replace(a_weight(f"{kind}:x", 10), name="same") for kind in ("group", "group")]
    same.append(replace(a_weight("action:one", 5), name="same"))
    found = weighed(one, a_bundle(one, weights=same))
    assert found.context_weight == 1.25
    assert found.levers == {"context:same": 25.0}


def test_a_value_that_is_not_known_counts_as_one_and_is_flagged() -> None:
    one = an_action("one", value="billing.monthly_charges * 2")
    unknown = weighed(one)
    assert unknown.value == 1.0
    assert unknown.levers == {UNKNOWN_VALUE: 0.0}
    known = weighed(one, known={"billing.monthly_charges": 4.0})
    assert known.value == 8.0
    assert known.levers == {}
    assert weighed(one, known={"billing.monthly_charges": "a text"}).value == 1.0


def test_a_purpose_adds_its_shadow_price_and_caps_what_comes_of_it() -> None:
    one = an_action("one", value=20)

    def worth(**terms: Any) -> float:
        return weighed(one, a_bundle(one, purposes=[a_purpose("sales", **terms)])).value

    assert worth() == 20
    assert worth(shadow_price=5) == 25
    assert worth(most_value=12) == 12
    assert worth(shadow_price=5, most_value=24) == 24
    assert worth(shadow_price=5, most_value=25) == 25


def test_a_cap_and_a_shadow_price_hold_for_what_is_not_known_too() -> None:
    one = an_action("one", value="contract.worth")
    purpose = a_purpose("sales", shadow_price=3, most_value=2)
    found = weighed(one, a_bundle(one, purposes=[purpose]))
    assert found.value == 2
    assert UNKNOWN_VALUE in found.levers


def test_no_part_of_a_priority_is_negative() -> None:
    one = an_action("one", value="0 - 5", lever=-100)
    bundle = a_bundle(
        one, purposes=[a_purpose("sales", lever=-100)], weights=[a_weight("action:one", -300)]
    )
    found = weighed(one, bundle)
    assert (found.context_weight, found.value, found.lever) == (0.0, 0.0, 0.0)


def test_no_priority_is_infinite_whatever_a_formula_gives() -> None:
    one = an_action("one", value="contract.worth", lever=1e300)
    bundle = a_bundle(one, weights=[a_weight("action:one", 1e300)])
    found = rank(weighed(one, bundle, {"contract.worth": 1e308}), by(1.0))
    assert math.isfinite(found.priority)
    assert found.priority > 0


def test_priorities_are_rounded_so_that_every_machine_ranks_alike() -> None:
    third = an_action("a", value="1 / 3")
    bundle = a_bundle(third, weights=[a_weight("action:a", 200.0)])
    assert rank(weighed(third, bundle), by(0.1)).priority == 0.1


@given(st.lists(PERCENTS, max_size=8), st.randoms(use_true_random=False))
def test_a_factor_is_the_same_in_whatever_order_its_percents_come(
    percents: list[float], dice: random.Random
) -> None:
    mixed = percents.copy()
    dice.shuffle(mixed)
    assert factor(mixed) == factor(percents)
    assert factor(percents) >= 0


def product(parts: dict[str, Any]) -> float:
    """A priority, recomputed from nothing but what was logged."""
    levers: dict[str, float] = parts["levers"]
    in_context = [p for name, p in levers.items() if name.startswith(("context:", "volume:"))]
    others = [p for name, p in levers.items() if not name.startswith(("context:", "volume:"))]
    assert factor(in_context) == parts["context_weight"]
    assert factor(others) == parts["lever"]
    worth = parts["context_weight"] * parts["value"] * parts["lever"]
    return round(parts["propensity"] * worth, 9)


@given(
    st.lists(st.tuples(PERCENTS, st.floats(0, 1), st.floats(0, 1e4)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), PERCENTS), max_size=6),
    PERCENTS,
    PERCENTS,
    PERCENTS,
)
def test_every_priority_can_be_recomputed_exactly_from_the_logged_parts(
    parts: list[tuple[float, float, float]],
    weights: list[tuple[int, float]],
    of_purpose: float,
    of_group: float,
    influence: float,
) -> None:
    actions = [
        an_action(f"a{n}", lever=lever, prior=prior, value=value)
        for n, (lever, prior, value) in enumerate(parts)
    ]
    bundle = a_bundle(
        *actions,
        purposes=[a_purpose("sales", lever=of_purpose, shadow_price=2.5)],
        groups={"internet": of_group},
        weights=[
            a_weight(f"action:a{at}", percent, f"{n} == {n}")
            for n, (at, percent) in enumerate(weights)
        ],
        influencers=(
            Influencer(
                name="later",
                target="group:internet",
                after="*",
                outcomes=frozenset({"later"}),
                end=influence,
                ramp=3 * DAY,
            ),
        ),
    )
    contact = a_contact(kind=ContactKind.RESPONSE, outcome="later", at=NOW - DAY)
    for one in decided(bundle, a_snapshot(contacts=(contact,))).candidates:
        logged = {name: getattr(one, name) for name in one.__slots__}
        assert "influencer:later" in one.levers
        assert product(logged) == one.priority


def decided(bundle: Bundle, snapshot: Snapshot | None = None, limit: int = 1) -> Decision:
    """A decision by priors."""
    asked = a_request("web", Placement(limit=limit))
    return decide(asked, snapshot or a_snapshot(), bundle, NoModels())


# -- the order


def test_equal_priorities_are_ordered_by_stable_names() -> None:
    actions = [
        an_action(name, purpose=purpose, group=group)
        for purpose, group, name in itertools.product("ab", "cd", "ef")
    ]
    wanted = [ranked(action) for action in actions]
    for seed in range(5):
        mixed = wanted.copy()
        random.Random(seed).shuffle(mixed)
        assert in_order(mixed) == wanted


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e6)), min_size=1, max_size=12))
def test_order_is_mandatory_first_then_by_priority(parts: list[tuple[bool, float]]) -> None:
    every = [
        ranked(an_action(f"a{n:02}", mandatory=must), priority)
        for n, (must, priority) in enumerate(parts)
    ]
    ordered = in_order(reversed(every))
    assert ordered == in_order(every)
    keys = [(not one.action.mandatory, -one.priority, one.action.name) for one in ordered]
    assert keys == sorted(keys)


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.booleans()), min_size=2, max_size=7),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_a_bundle_names_its_actions_changes_no_offer(
    parts: list[tuple[int, bool]], dice: random.Random
) -> None:
    actions = [
        an_action(f"a{n}", value=value, mandatory=must) for n, (value, must) in enumerate(parts)
    ]
    plain = decided(a_bundle(*actions), limit=3)
    dice.shuffle(actions)
    mixed = decided(a_bundle(*actions), limit=3)
    assert mixed.placements == plain.placements
    assert sorted(mixed.candidates, key=lambda one: one.action) == sorted(
        plain.candidates, key=lambda one: one.action
    )


def test_what_promises_most_by_its_prior_is_scored_first() -> None:
    actions = [an_action("b", value=2), an_action("a", value=2), an_action("c", value=9, prior=0.1)]
    bundle = a_bundle(*actions)
    found = weigh([*shelf(bundle, "web").values()], a_moment(bundle))
    assert [one.action.name for one in found] == ["a", "b", "c"]


# -- thresholds


@pytest.mark.parametrize("prior", [0.2, 0.200000001])
def test_a_threshold_is_passed_by_what_reaches_it_exactly(prior: float) -> None:
    one = an_action("one", prior=prior, value=5, minimum_propensity=0.2, minimum_priority=1.0)
    assert [offer.action for offer in decided(a_bundle(one)).offers] == ["one"]


@pytest.mark.parametrize("missed", [{"minimum_propensity": 0.2}, {"minimum_priority": 1.0}])
def test_nothing_is_offered_rather_than_something_poor(missed: dict[str, Any]) -> None:
    one = an_action("one", prior=0.199999999, value=5, **missed)
    decision = decided(a_bundle(one))
    assert decision.offers == ()
    (dropped,) = decision.candidates
    assert dropped.status is Status.DROPPED
    assert dropped.drops[0].rule == next(iter(missed))
    assert dropped.priority == 0.999999995


def test_in_the_control_slice_the_priority_is_p_alone() -> None:
    found = weighed(an_action("one", value=20, lever=50))
    assert rank(found, by(0.25), Arm.CONTROL).priority == 0.25
    assert rank(found, by(0.25)).priority == 7.5


def test_the_worth_of_a_fallback_knows_no_context() -> None:
    one = an_action("one", value=20, lever=50)
    bundle = a_bundle(one, weights=[a_weight("action:one", 100)])
    plain = arbitration.plain(shelf(bundle, "web")["one"], a_moment(bundle))
    assert (plain.context_weight, plain.lever) == (1.0, 1.5)


# -- the shelf


def treatment(bundle: Bundle, channel: str, placement: str, tone: str | None = None) -> str | None:
    """The first treatment of the only action for a placement."""
    (place,) = shelf(bundle, channel).values()
    return next((one.id for one in place.treatments(placement, tone)), None)


def test_a_treatment_for_the_placement_is_preferred() -> None:
    general, hero = a_treatment("one", "web"), a_treatment("one", "web", "hero")
    bundle = a_bundle(an_action("one", treatments=[general, hero]))
    assert treatment(bundle, "web", "hero") == hero.id
    assert treatment(bundle, "web", "rail") == general.id


def test_a_channel_uses_the_treatments_of_the_one_it_is_like() -> None:
    mail, own = a_treatment("one", "email"), a_treatment("one", "inbox")
    bundle = a_bundle(an_action("one", treatments=[mail]))
    assert treatment(bundle, "inbox", "main") == mail.id
    assert treatment(bundle, "web", "main") is None
    both = a_bundle(an_action("one", treatments=[mail, own]))
    assert treatment(both, "inbox", "main") == own.id


def test_a_channel_uses_the_other_one_s_treatments_where_its_own_are_for_other_placements() -> None:
    mail, top = a_treatment("one", "email"), a_treatment("one", "inbox", "top")
    bundle = a_bundle(an_action("one", treatments=[mail, top]))
    assert treatment(bundle, "inbox", "top") == top.id
    assert treatment(bundle, "inbox", "main") == mail.id


def test_the_tone_that_fits_is_preferred_to_the_placement() -> None:
    plain = a_treatment("one", "web", "hero")
    warm = a_treatment("one", "web", tone="empathetic")
    bundle = a_bundle(an_action("one", treatments=[plain, warm]))
    assert treatment(bundle, "web", "hero", "empathetic") == warm.id


def test_bundles_that_share_names_do_not_share_a_shelf() -> None:
    first, second = an_action("one", lever=10), an_action("one", lever=20)
    assert weighed(first, a_bundle(first)).lever == 1.1
    assert weighed(second, a_bundle(second)).lever == 1.2
