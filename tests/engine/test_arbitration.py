"""Priority, order and placements."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arbitration import Ranked, context_weights, fill, in_order, rank
from engine.catalog import Action, Bundle
from engine.shelf import Place, shelf
from engine.types import Placement
from tests.support.builders import a_bundle, a_purpose, a_treatment, a_weight, an_action


def nothing(name: str) -> None:
    """Knows nothing."""


def on_web(bundle: Bundle, action: Action) -> Place:
    """An action as it is on the web."""
    return shelf(bundle, "web")[action.name]


def ranked(action: Action, priority: float = 1.0) -> Ranked:
    """An action with a priority."""
    place = on_web(a_bundle(action, purposes=[a_purpose(action.purpose)]), action)
    return Ranked(
        place=place,
        propensity=1.0,
        context_weight=1.0,
        value=priority,
        lever=1.0,
        priority=priority,
    )


def test_priority_is_the_product_of_its_parts() -> None:
    one = an_action("one", value=20, lever=10)
    bundle = a_bundle(one, purposes=[a_purpose("sales", lever=20)], groups={"internet": 25})
    weights = {"purpose:sales": 30.0, "group:internet": 20.0, "action:one": 50.0, "action:two": 9.0}
    found = rank(on_web(bundle, one), 0.1, weights, nothing)
    assert (found.context_weight, found.lever) == (2.0, 1.55)
    assert found.priority == pytest.approx(0.1 * 2.0 * 20 * 1.55)


def test_weights_of_one_target_add_up_and_unknown_conditions_add_nothing() -> None:
    bundle = a_bundle(
        weights=[
            a_weight("group:x", 10),
            a_weight("group:x", 5, "2 > 1"),
            a_weight("group:x", 99, "context.page == 'a'"),
            a_weight("group:y", 1, "1 > 2"),
        ]
    )
    assert context_weights(bundle, nothing) == {"group:x": 15.0}


def test_a_value_that_is_not_known_counts_as_one() -> None:
    one = an_action("one", value="billing.monthly_charges * 2")
    place = on_web(a_bundle(one), one)
    assert rank(place, 0.5, {}, nothing).value == 1.0
    assert rank(place, 0.5, {}, lambda name: 4.0).value == 8.0
    assert rank(place, 0.5, {}, lambda name: "a text").value == 1.0


def test_no_part_of_a_priority_is_negative() -> None:
    one = an_action("one", value="0 - 5", lever=-100)
    bundle = a_bundle(one, purposes=[a_purpose("sales", lever=-100)])
    found = rank(on_web(bundle, one), 0.5, {"action:one": -300.0}, nothing)
    assert (found.context_weight, found.value, found.lever) == (0.0, 0.0, 0.0)


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


def test_priorities_are_rounded_so_that_every_machine_ranks_alike() -> None:
    third = an_action("a", value="1 / 3")
    found = rank(on_web(a_bundle(third), third), 0.1, {"action:a": 200.0}, nothing)
    assert found.priority == 0.1
    assert math.isfinite(found.priority)


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.lists(st.sampled_from(["", "p0", "p1", "p2"]), max_size=8),
)
def test_placements_are_filled_in_order_without_repeats(
    limits: list[int], placed: list[str]
) -> None:
    actions = [
        an_action(f"a{n}", treatments=[a_treatment(f"a{n}", "web", place or None)])
        for n, place in enumerate(placed)
    ]
    places = [Placement(name=f"p{n}", limit=limit) for n, limit in enumerate(limits)]
    filled = fill([ranked(action) for action in actions], places, None)
    names = [offer.action for offers in filled.values() for offer in offers]
    assert len(names) == len(set(names))
    assert list(filled) == [place.name for place in places]
    for place in places:
        offers = filled[place.name]
        assert len(offers) <= place.limit
        assert [offer.rank for offer in offers] == list(range(1, len(offers) + 1))
        free = [a.name for a, p in zip(actions, placed, strict=True) if p in ("", place.name)]
        assert len(offers) == place.limit or set(free) <= set(names)


def test_a_treatment_for_the_placement_is_preferred() -> None:
    general, hero = a_treatment("one", "web"), a_treatment("one", "web", "hero")
    one = an_action("one", treatments=[general, hero])
    place = on_web(a_bundle(one), one)
    assert place.treatment("hero", None) == hero
    assert place.treatment("rail", None) == general


def test_a_channel_uses_the_treatments_of_the_one_it_is_like() -> None:
    mail = a_treatment("one", "email")
    one = an_action("one", treatments=[mail])
    bundle = a_bundle(one)
    assert shelf(bundle, "inbox")["one"].treatment("main", None) == mail
    own = a_treatment("one", "inbox")
    both = an_action("one", treatments=[mail, own])
    assert shelf(a_bundle(both), "inbox")["one"].treatment("main", None) == own
    assert shelf(bundle, "web")["one"].treatment("main", None) is None


def test_a_channel_uses_the_other_one_s_treatments_where_its_own_are_for_other_placements() -> None:
    mail, top = a_treatment("one", "email"), a_treatment("one", "inbox", "top")
    one = an_action("one", treatments=[mail, top])
    place = shelf(a_bundle(one), "inbox")["one"]
    assert place.treatment("top", None) == top
    assert place.treatment("main", None) == mail


def test_the_tone_that_fits_is_preferred_to_the_placement() -> None:
    plain = a_treatment("one", "web", "hero")
    warm = a_treatment("one", "web", tone="empathetic")
    one = an_action("one", treatments=[plain, warm])
    assert on_web(a_bundle(one), one).treatment("hero", "empathetic") == warm


def test_bundles_that_share_names_do_not_share_a_shelf() -> None:
    first, second = an_action("one", lever=10), an_action("one", lever=20)
    assert on_web(a_bundle(first), first).lever == 1.1
    assert on_web(a_bundle(second), second).lever == 1.2
