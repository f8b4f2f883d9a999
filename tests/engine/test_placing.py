"""Placements: no repeats, packages whole or not at all, diversity, and what volumes leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Action, Bundle, PlacementTerms, Volume
from engine.decide import decide
from engine.types import (
    Candidate,
    Decision,
    Placement,
    Reservation,
    Snapshot,
    Stage,
    Status,
)
from tests.support.builders import (
    NOW,
    a_bundle,
    a_reach,
    a_request,
    a_rule,
    a_snapshot,
    a_treatment,
    an_action,
)
from tests.support.ledgers import NoModels

NEVER = a_rule("1 == 2", name="never")


def decided(bundle: Bundle, *placements: Placement, snapshot: Snapshot | None = None) -> Decision:
    """A decision by priors; one place for three, unless said otherwise."""
    asked = a_request("web", *(placements or (Placement(limit=3),)))
    return decide(asked, snapshot or a_snapshot(), bundle, NoModels())


def shown(decision: Decision, placement: str = "main") -> list[str]:
    """The actions at a placement, in order."""
    return [offer.action for offer in decision.placements[placement]]


def candidate(decision: Decision, name: str) -> Candidate:
    """What became of one action."""
    return next(one for one in decision.candidates if one.action == name)


def why(decision: Decision, name: str) -> tuple[Stage, str]:
    """What kept an action out."""
    (drop,) = candidate(decision, name).drops
    assert drop.detail
    return drop.stage, drop.rule


def ranked(*names: str, **terms: dict[str, Any]) -> list[Action]:
    """Actions, the best first; `terms` says more of some of them."""
    return [an_action(name, value=100 - at, **terms.get(name, {})) for at, name in enumerate(names)]


def a_volume(name: str, maximum: int, *actions: str) -> Volume:
    """So much there is of some actions."""
    because = f"there are no more {name}"
    return Volume(name=name, maximum=maximum, because=because, reach=a_reach(actions=actions))


# -- packages


def test_members_follow_their_leader_and_say_whose_they_are() -> None:
    leader = {"requires": ("router",), "brings": ("support",)}
    actions = ranked("fiber", "other", "support", "router", fiber=leader)
    offers = decided(a_bundle(*actions)).placements["main"]
    assert [(one.action, one.part_of, one.rank) for one in offers] == [
        ("fiber", None, 1),
        ("router", "fiber", 2),
        ("support", "fiber", 3),
    ]


def test_without_a_required_member_there_is_no_leader() -> None:
    actions = ranked("fiber", "router", fiber={"requires": ("router",)}, router={"rules": [NEVER]})
    decision = decided(a_bundle(*actions))
    assert shown(decision) == []
    assert why(decision, "fiber") == (Stage.PACKAGE, "requires:router")
    assert decision.funnel[Stage.PACKAGE] == {"requires:router": 1}


def test_a_leader_goes_without_the_others_it_would_bring() -> None:
    actions = ranked("fiber", "tip", fiber={"brings": ("tip",)}, tip={"rules": [NEVER]})
    assert shown(decided(a_bundle(*actions))) == ["fiber"]


def test_what_is_only_a_member_is_never_offered_by_itself() -> None:
    actions = ranked("router", "tip", router={"only_as_member": True})
    decision = decided(a_bundle(*actions))
    assert shown(decision) == ["tip"]
    assert why(decision, "router") == (Stage.PACKAGE, "only_as_member")


def test_a_package_that_does_not_fit_into_a_placement_waits_for_one_that_takes_it() -> None:
    leader = {"requires": ("router", "visit")}
    members = {name: {"only_as_member": True} for name in ("router", "visit")}
    bundle = a_bundle(*ranked("fiber", "tip", "router", "visit", fiber=leader, **members))
    small, large = Placement(name="hero", limit=2), Placement(name="rail", limit=3)
    decision = decided(bundle, small, large)
    assert shown(decision, "hero") == ["tip"]
    assert shown(decision, "rail") == ["fiber", "router", "visit"]
    alone = decided(bundle, small)
    assert shown(alone, "hero") == ["tip"]
    assert why(alone, "fiber") == (Stage.PACKAGE, "requires:visit")


def test_what_is_brought_along_takes_no_more_room_than_there_is() -> None:
    bundle = a_bundle(*ranked("fiber", "a", "b", fiber={"brings": ("b", "a")}))
    assert shown(decided(bundle, Placement(limit=2))) == ["fiber", "b"]
    assert shown(decided(bundle, Placement(limit=1))) == ["fiber"]


def test_a_member_that_is_offered_already_counts_as_there() -> None:
    bundle = a_bundle(*ranked("router", "fiber", fiber={"requires": ("router",)}))
    assert shown(decided(bundle)) == ["router", "fiber"]
    apart = decided(bundle, Placement(name="hero"), Placement(name="rail"))
    assert (shown(apart, "hero"), shown(apart, "rail")) == (["router"], ["fiber"])
    assert [offer.part_of for offer in apart.offers] == [None, None]


def test_a_member_s_own_members_come_too() -> None:
    chain = {"fiber": {"requires": ("router",)}, "router": {"requires": ("visit",)}}
    bundle = a_bundle(*ranked("fiber", "tip", "router", "visit", **chain))
    assert shown(decided(bundle)) == ["fiber", "router", "visit"]
    assert shown(decided(bundle, Placement(limit=2))) == ["tip", "visit"]


def test_packages_that_require_each_other_come_together() -> None:
    both = {"a": {"requires": ("b",)}, "b": {"requires": ("a",)}}
    assert shown(decided(a_bundle(*ranked("a", "b", **both)))) == ["a", "b"]
    alone = decided(a_bundle(*ranked("a", "b", **both)), Placement(limit=1))
    assert shown(alone) == []


def test_a_member_needs_words_for_the_placement() -> None:
    there = an_action("router", treatments=[a_treatment("router", "web", "rail")])
    bundle = a_bundle(an_action("fiber", requires=("router",)), there)
    assert shown(decided(bundle)) == []
    rail = decided(bundle, Placement(name="rail", limit=2))
    assert shown(rail, "rail") == ["fiber", "router"]


# -- diversity


def test_a_placement_takes_only_so_many_of_a_group() -> None:
    groups = {"c": {"group": "billing"}}
    terms = {"main": PlacementTerms(name="main", most_per_group=1)}
    decision = decided(a_bundle(*ranked("a", "b", "c", **groups), placements=terms))
    assert shown(decision) == ["a", "c"]
    assert why(decision, "b") == (Stage.PLACEMENT, "most_per_group")


def test_terms_for_every_placement_hold_where_none_are_its_own() -> None:
    terms = {
        "*": PlacementTerms(name="*", most_per_purpose=1),
        "rail": PlacementTerms(name="rail", most_per_purpose=2),
    }
    bundle = a_bundle(*ranked("a", "b", "c", "d"), placements=terms)
    places = (Placement(name="hero", limit=3), Placement(name="rail", limit=3))
    decision = decided(bundle, *places)
    assert shown(decision, "hero") == ["a"]
    assert shown(decision, "rail") == ["b", "c"]
    assert candidate(decision, "b").status is Status.CHOSEN
    assert candidate(decision, "d").status is Status.DROPPED


def test_members_count_as_one_of_their_kind_too() -> None:
    terms = {"main": PlacementTerms(name="main", most_per_group=1)}
    strict = ranked("fiber", "router", fiber={"requires": ("router",)})
    decision = decided(a_bundle(*strict, placements=terms))
    assert shown(decision) == ["router"]
    assert why(decision, "fiber") == (Stage.PACKAGE, "requires:router")
    loose = ranked("fiber", "router", fiber={"brings": ("router",)})
    assert shown(decided(a_bundle(*loose, placements=terms))) == ["fiber"]


# -- volumes


def test_an_offer_takes_a_unit_of_what_is_limited() -> None:
    bundle = a_bundle(*ranked("a", "b"), volumes=(a_volume("phones", 5, "a"),))
    (reserved,) = decided(bundle).reserves
    assert reserved.action == "a"


def test_a_package_takes_the_units_of_all_its_members_or_of_none() -> None:
    leader = {"fiber": {"requires": ("router", "visit")}}
    actions = ranked("fiber", "router", "visit", **leader)
    volumes = (a_volume("routers", 3, "router"), a_volume("visits", 0, "visit"))
    decision = decided(a_bundle(*actions, volumes=volumes))
    assert shown(decision) == ["router"]
    assert [one.action for one in decision.reserves] == ["router"]
    assert why(decision, "fiber") == (Stage.PACKAGE, "requires:visit")
    assert "no more visits" in candidate(decision, "fiber").drops[0].detail
    assert why(decision, "visit") == (Stage.VOLUME, "volume:visits")


def test_the_last_unit_goes_to_the_better_offer() -> None:
    bundle = a_bundle(*ranked("a", "b"), volumes=(a_volume("phones", 1, "a", "b"),))
    decision = decided(bundle)
    assert shown(decision) == ["a"]
    assert why(decision, "b") == (Stage.VOLUME, "volume:phones")


def test_a_fallback_takes_from_volumes_too_and_is_not_shown_without() -> None:
    tip = an_action("tip", purpose="nurture", rules=[NEVER])

    def with_units(maximum: int) -> Decision:
        volumes = (a_volume("tips", maximum, "tip"),)
        return decided(a_bundle(tip, fallbacks={"*": "tip"}, volumes=volumes))

    assert shown(with_units(1)) == ["tip"]
    assert [one.action for one in with_units(1).reserves] == ["tip"]
    assert shown(with_units(0)) == []
    assert with_units(0).reserves == ()


# -- whatever the bundle


NAMES = [f"a{n}" for n in range(8)]
MEMBERS = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
ACTIONS = st.lists(
    st.fixed_dictionaries(
        {
            "value": st.integers(1, 4),
            "group": st.sampled_from(["x", "y"]),
            "purpose": st.sampled_from(["sales", "service"]),
            "requires": MEMBERS,
            "brings": MEMBERS,
            "only_as_member": st.booleans(),
            "mandatory": st.booleans(),
            "place": st.sampled_from([None, None, "p0", "p1"]),
        }
    ),
    max_size=len(NAMES),
)
LIMITS = st.lists(st.integers(1, 4), min_size=1, max_size=3)
MOST = st.one_of(st.none(), st.integers(1, 2))
UNITS = st.lists(
    st.tuples(st.integers(0, 2), st.sets(st.sampled_from(NAMES), min_size=1)), max_size=2
)


def an_arbitrary_bundle(
    drawn: Sequence[dict[str, Any]],
    most: tuple[int | None, int | None],
    units: Sequence[tuple[int, set[str]]],
) -> Bundle:
    """A bundle of packages, kinds and volumes."""
    actions = [
        an_action(
            name,
            treatments=[a_treatment(name, "web", terms["place"])],
            **{key: value for key, value in terms.items() if key != "place"},
        )
        for name, terms in zip(NAMES, drawn, strict=False)
    ]
    kinds = PlacementTerms(name="*", most_per_group=most[0], most_per_purpose=most[1])
    volumes = tuple(a_volume(f"v{n}", maximum, *names) for n, (maximum, names) in enumerate(units))
    return a_bundle(*actions, placements={"*": kinds}, volumes=volumes)


@given(ACTIONS, LIMITS, st.tuples(MOST, MOST), UNITS)
def test_whatever_the_bundle_its_terms_are_kept(
    drawn: list[dict[str, Any]],
    limits: list[int],
    most: tuple[int | None, int | None],
    units: list[tuple[int, set[str]]],
) -> None:
    bundle = an_arbitrary_bundle(drawn, most, units)
    places = [Placement(name=f"p{n}", limit=limit) for n, limit in enumerate(limits)]
    decision = decided(bundle, *places)
    names = [offer.action for offer in decision.offers]
    assert len(names) == len(set(names))
    assert list(decision.placements) == [place.name for place in places]
    for place in places:
        offers = decision.placements[place.name]
        assert [offer.rank for offer in offers] == list(range(1, len(offers) + 1))
        assert len(offers) <= place.limit
        for kind, allowed in zip(("group", "purpose"), most, strict=True):
            counted = Counter(getattr(offer, kind) for offer in offers)
            assert allowed is None or max(counted.values(), default=0) <= allowed
        _assert_packages_are_whole(bundle, names, [offer.action for offer in offers], decision)
    _assert_volumes_hold(units, names, decision.reserves)
    for one in decision.candidates:
        assert (one.status is Status.CHOSEN) is (one.action in names)
        assert (one.status is Status.DROPPED) is bool(one.drops)


def _assert_packages_are_whole(
    bundle: Bundle, everywhere: list[str], here: list[str], decision: Decision
) -> None:
    led = {offer.action: offer.part_of for offer in decision.offers}
    for name in here:
        action = bundle.actions[name]
        assert set(action.requires) <= set(everywhere)
        assert led[name] is not None or not action.only_as_member
        assert led[name] is None or led[name] in here


def _assert_volumes_hold(
    units: list[tuple[int, set[str]]], names: list[str], reserves: tuple[Reservation, ...]
) -> None:
    wanted = {
        (f"v{n}", name) for n, (_, covered) in enumerate(units) for name in covered & set(names)
    }
    taken = [(one.bucket.partition("|")[0], one.action) for one in reserves]
    assert len(taken) == len(set(taken))
    assert set(taken) == wanted
    for n, (maximum, _) in enumerate(units):
        assert sum(volume == f"v{n}" for volume, _ in taken) <= maximum


@given(ACTIONS, LIMITS)
def test_no_place_stays_free_that_an_action_could_have_taken(
    drawn: list[dict[str, Any]], limits: list[int]
) -> None:
    simple = [{**one, "requires": (), "only_as_member": False} for one in drawn]
    bundle = an_arbitrary_bundle(simple, (None, None), ())
    places = [Placement(name=f"p{n}", limit=limit) for n, limit in enumerate(limits)]
    decision = decided(bundle, *places)
    names = {offer.action for offer in decision.offers}
    for place in places:
        free = [
            name for name, one in zip(NAMES, simple, strict=False)
            if one["place"] in (None, place.name)
        ]  # fmt: skip
        full = len(decision.placements[place.name]) == place.limit
        assert full or set(free) <= names


def test_without_exploration_every_offer_was_certain() -> None:
    decision = decided(a_bundle(*ranked("a", "b", "c")))
    assert [offer.selection for offer in decision.offers] == [1.0, 1.0, 1.0]
    assert decision.at == NOW
