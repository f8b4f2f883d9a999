"""What is left to chance: the control slice, smoothing, sampling, maturity, and the logged odds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import exploration, replay
from engine.catalog import Action, Bundle, Exploration, PlacementTerms, Volume
from engine.decide import decide
from engine.exploration import Chance, arm_of, chance, reach_percent, smoothed, strength_of
from engine.record import record
from engine.types import (
    Answers,
    Arm,
    Decision,
    Placement,
    Remembered,
    Scalar,
    Scores,
    Snapshot,
    Stage,
)
from tests.support.builders import (
    CHANNELS,
    IN_PAGE,
    NOW,
    a_bundle,
    a_customer,
    a_hold,
    a_reach,
    a_request,
    a_rule,
    a_snapshot,
    an_action,
)

TWO_PERCENT = Exploration(control_percent=2)
ALL_CONTROL = Exploration(control_percent=100)
THOMPSON = Exploration(thompson=True)


class Counted:
    """A scorer that says how many answers each propensity was learned from."""

    def __init__(self, known: Mapping[str, tuple[float | None, Answers]]) -> None:
        self._known = known

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        return Scores(backend="counted")

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        found = [self._known.get(action.name, (None, (0, 0))) for action, _ in pairs]
        return Scores(
            acceptance=tuple(score for score, _ in found),
            evidence=tuple(answers for _, answers in found),
            backend="counted",
        )


def decided(
    bundle: Bundle,
    known: Mapping[str, tuple[float | None, Answers]] | None = None,
    *,
    seed: int = 7,
    channel: str = "web",
    limit: int = 1,
    snapshot: Snapshot | None = None,
    **request: Any,
) -> Decision:
    """A decision with the dice thrown so."""
    asked = replace(a_request(channel, Placement(limit=limit), **request), seed=seed)
    return decide(asked, snapshot or a_snapshot(), bundle, Counted(known or {}))


def shown(decision: Decision) -> list[str]:
    """The actions that are offered."""
    return [offer.action for offer in decision.offers]


def customers(count: int) -> list[str]:
    """Customers, always the same."""
    return [a_customer(f"customer {n}") for n in range(count)]


def slice_of(customer: str, terms: Exploration = TWO_PERCENT, now: datetime = NOW) -> Arm:
    """The slice a customer is in."""
    return arm_of(a_request(customer=customer, now=now), terms)


def p_of(
    score: float | None,
    evidence: Answers | None,
    terms: Exploration,
    *,
    prior: float = 0.3,
    seed: int = 7,
    name: str = "one",
) -> Chance:
    """P of one action."""
    asked = replace(a_request(), seed=seed)
    return chance(an_action(name, prior=prior), score, evidence, asked, terms, Arm.BEST)


def deviations(count: int, of: int, share: float) -> float:
    """By how many standard deviations a count is off."""
    return abs(count - of * share) / math.sqrt(of * share * (1 - share))


# -- the control slice


@pytest.mark.parametrize("percent", [0.5, 2.0, 12.5])
def test_the_control_slice_is_as_large_as_the_bundle_says(percent: float) -> None:
    terms = Exploration(control_percent=percent)
    inside = sum(slice_of(one, terms) is Arm.CONTROL for one in customers(20_000))
    assert deviations(inside, 20_000, percent / 100) < 3


def test_nobody_or_everybody_can_be_in_the_control_slice() -> None:
    assert {slice_of(one, Exploration()) for one in customers(200)} == {Arm.BEST}
    assert {slice_of(one, ALL_CONTROL) for one in customers(200)} == {Arm.CONTROL}


def test_a_larger_slice_keeps_whoever_is_in_a_smaller_one() -> None:
    small = [one for one in customers(3_000) if slice_of(one) is Arm.CONTROL]
    larger = Exploration(control_percent=5)
    assert small
    assert {slice_of(one, larger) for one in small} == {Arm.CONTROL}


def test_the_slice_stays_for_a_month_and_is_another_one_the_next() -> None:
    first, last = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    march = {one for one in customers(5_000) if slice_of(one, now=first) is Arm.CONTROL}
    end = last - timedelta(milliseconds=1)
    assert march == {one for one in customers(5_000) if slice_of(one, now=end) is Arm.CONTROL}
    april = {one for one in customers(5_000) if slice_of(one, now=last) is Arm.CONTROL}
    assert len(march & april) < len(march) / 4
    assert april


def test_a_month_is_the_same_whatever_clock_the_moment_is_told_in() -> None:
    there = timezone(timedelta(hours=9))
    for one in customers(500):
        assert slice_of(one, now=NOW.replace(day=1, hour=0).astimezone(there)) is slice_of(one)


def test_the_control_slice_sees_every_allowed_action_equally_often_first() -> None:
    actions = [an_action(f"a{n}", value=10**n, lever=30 * n, prior=0.01 + n / 6) for n in range(6)]
    bundle = a_bundle(*actions, exploration=ALL_CONTROL)
    won = Counter(shown(decided(bundle, seed=seed))[0] for seed in range(1_800))
    chi_square = sum((won[one.name] - 300) ** 2 / 300 for one in actions)
    assert chi_square < 20.5  # 5 degrees of freedom: 1 in 1,000


def test_the_control_slice_sees_every_order_equally_often() -> None:
    actions = [an_action(name, value=value) for name, value in (("a", 1), ("b", 10), ("c", 100))]
    bundle = a_bundle(*actions, exploration=ALL_CONTROL)
    orders = Counter(tuple(shown(decided(bundle, seed=n, limit=3))) for n in range(1_200))
    assert len(orders) == 6
    assert sum((count - 200) ** 2 / 200 for count in orders.values()) < 20.5


def test_a_customer_in_the_control_slice_is_marked_and_ranked_by_p_alone() -> None:
    actions = [an_action(f"a{n}", value=n) for n in range(5)]
    decision = decided(a_bundle(*actions, exploration=ALL_CONTROL), limit=5)
    assert decision.arm is Arm.CONTROL
    assert [one.priority for one in decision.offers] == sorted(
        (one.propensity for one in decision.offers), reverse=True
    )
    assert {one.value for one in decision.candidates} == {0, 1, 2, 3, 4}
    assert [one.selection for one in decision.offers] == pytest.approx(
        [1 / 5, 1 / 4, 1 / 3, 1 / 2, 1]
    )


def test_what_the_model_said_is_logged_for_the_control_slice_too() -> None:
    bundle = a_bundle(an_action("one"), exploration=ALL_CONTROL)
    (one,) = decided(bundle, {"one": (0.125, (3, 5))}).candidates
    assert (one.model, one.smoothed) == (0.125, 0.125)
    assert one.propensity not in (None, 0.125)


def test_in_the_control_slice_no_threshold_and_no_maturity_hold_but_rules_and_holds_do() -> None:
    terms = replace(ALL_CONTROL, mature_positives=100, immature_percent=0)
    poor = an_action("poor", minimum_propensity=0.9, minimum_priority=1e6)
    ruled_out = an_action("ruled-out", rules=[a_rule("1 == 2")])
    help_action = an_action("help", purpose="service", exempt="service")
    bundle = a_bundle(poor, ruled_out, help_action, exploration=terms)
    free = decided(bundle, {"poor": (0.001, (0, 0))}, channel="email", limit=9)
    assert sorted(shown(free)) == ["help", "poor"]
    held = decided(bundle, channel="email", limit=9, snapshot=a_snapshot(holds=(a_hold(),)))
    assert shown(held) == ["help"]


def test_mandatory_actions_lead_in_the_control_slice_too() -> None:
    must = an_action("must", purpose="service", mandatory=True)
    actions = [an_action(f"a{n}") for n in range(5)]
    bundle = a_bundle(must, *actions, exploration=ALL_CONTROL)
    for seed in range(30):
        decision = decided(bundle, seed=seed, limit=2)
        assert shown(decision)[0] == "must"
        assert [one.selection for one in decision.offers] == [1.0, 0.2]


def test_what_is_of_no_use_for_a_place_does_not_count_among_its_contenders() -> None:
    actions = [
        an_action("free"),
        an_action("also-free", group="billing"),
        an_action("member", only_as_member=True),
        an_action("leader", requires=("missing",)),
        an_action("gone"),
    ]
    gone = Volume(name="v", maximum=0, because="none left", reach=a_reach(actions=["gone"]))
    bundle = a_bundle(*actions, volumes=(gone,), exploration=ALL_CONTROL)
    for seed in range(20):
        (offer,) = decided(bundle, seed=seed).offers
        assert offer.selection == 0.5


def test_diversity_bounds_the_contenders_of_later_places() -> None:
    kinds = {"*": PlacementTerms(name="*", most_per_group=1)}
    actions = [an_action("a"), an_action("b"), an_action("c", group="billing")]
    bundle = a_bundle(*actions, placements=kinds, exploration=ALL_CONTROL)
    for seed in range(20):
        first, second = decided(bundle, seed=seed, limit=2).offers
        assert first.selection == pytest.approx(1 / 3)
        assert second.selection == (0.5 if first.group == "billing" else 1.0)


# -- smoothing


def test_smoothing_moves_from_the_prior_to_the_model_as_answers_come() -> None:
    terms = Exploration(smoothing_evidence=50)
    told = [(0, 0), (15, 35), (135, 315), (30_000, 70_000)]  # answers as the prior expects them
    said = [p_of(0.1, answers, terms).final for answers in told]
    assert said == pytest.approx([50 / 51 * 0.3, 20 / 101, 60 / 501, 0.1], abs=1e-4)
    assert said == sorted(said, reverse=True)


def test_a_new_action_learns_from_every_answer_before_any_model_knows_it() -> None:
    terms = Exploration(smoothing_evidence=50)
    for score in (None, 0.9):  # what a model says that never saw the action
        first, liked, refused = (
            p_of(score, answers, terms).final for answers in ((0, 0, 0), (1, 0, 0), (0, 1, 0))
        )
        assert refused < first < liked
    assert p_of(None, (600, 400), terms).final == pytest.approx((50 * 0.3 + 600) / 1050)
    assert p_of(0.9, (0, 1_000, 0), terms).final < 0.02


def test_a_model_counts_by_what_it_has_learned_from_and_not_by_what_came_since() -> None:
    terms = Exploration(smoothing_evidence=50)
    counted = (50 * 0.3 + 20) / 250
    said = [p_of(0.8, (20, 180, learned), terms).final for learned in (0, 50, 100_000)]
    assert said == pytest.approx([counted, (counted + 0.8) / 2, 0.8], abs=0.01)


def test_where_p_is_drawn_a_new_action_grows_sure_of_its_answers_and_not_of_its_prior() -> None:
    wide, known = p_of(None, (0, 0), THOMPSON), p_of(None, (90, 10), THOMPSON)
    assert wide.smoothed == 0.3
    assert known.smoothed > 0.85
    assert known.strength == 100 > wide.strength
    assert p_of(None, (9, 1), THOMPSON, prior=1.0).final == 1.0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1e4), st.integers(0, 10**6))
def test_smoothing_stays_between_nothing_and_the_higher_of_prior_and_model(
    model: float, prior: float, counts: float, evidence: int
) -> None:
    assert 0 <= smoothed(model, prior, counts, evidence) <= max(model, prior) + 1e-12


def test_without_smoothing_the_model_is_taken_at_its_word() -> None:
    assert p_of(0.1, (0, 0), Exploration()).final == 0.1
    assert p_of(None, (0, 0), Exploration()).final == 0.3


def test_what_nobody_counts_is_not_smoothed() -> None:
    terms = Exploration(smoothing_evidence=50)
    assert p_of(0.1, None, terms).final == 0.1
    assert p_of(None, None, terms).final == 0.3


def test_p_is_logged_before_and_after_each_step() -> None:
    terms = Exploration(smoothing_evidence=50, thompson=True)
    bundle = a_bundle(an_action("one", prior=0.3), exploration=terms)
    decision = decided(bundle, {"one": (0.1, (5, 45))})
    (one,) = decision.candidates
    assert one.model == 0.1
    assert one.smoothed == pytest.approx((50 * 20 / 100 + 50 * 0.1) / 101)
    assert one.propensity not in (None, one.smoothed, one.model)
    assert decision.scores.evidence == ((5, 45),)
    assert decision.offers[0].propensity == one.propensity


# -- sampling


@pytest.mark.parametrize("p", [0.05, 0.1, 0.3])
def test_about_nine_in_ten_draws_are_close_at_two_hundred_positives(p: float) -> None:
    answers = (200, round(200 / p) - 200)
    draws = [p_of(p, answers, THOMPSON, seed=seed).final for seed in range(1_500)]
    close = sum(abs(one - p) <= p / 10 for one in draws) / 1_500
    assert 0.82 < close < 0.95
    assert sum(draws) / 1_500 == pytest.approx(p, rel=0.01)


def test_nearly_all_draws_are_close_at_five_hundred_positives() -> None:
    draws = [p_of(0.1, (500, 4_500), THOMPSON, seed=seed).final for seed in range(1_000)]
    assert sum(abs(one - 0.1) <= 0.01 for one in draws) > 970


def test_a_new_action_with_even_chances_is_drawn_uniformly() -> None:
    draws = [p_of(None, (0, 0), THOMPSON, prior=0.5, seed=seed).final for seed in range(2_000)]
    tenths = Counter(min(9, int(one * 10)) for one in draws)
    assert sum((tenths[n] - 200) ** 2 / 200 for n in range(10)) < 27.9  # 9 degrees: 1 in 1,000


@pytest.mark.parametrize("prior", [0.02, 0.3, 0.9])
def test_the_draws_of_a_new_action_have_its_prior_as_their_mean(prior: float) -> None:
    draws = [p_of(None, (0, 0), THOMPSON, prior=prior, seed=seed).final for seed in range(4_000)]
    assert sum(draws) / 4_000 == pytest.approx(prior, rel=0.06)
    assert max(draws) - min(draws) > prior / 2 * (1 - prior)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0, 1e6))
def test_no_draw_comes_from_a_beta_with_its_mass_at_the_ends(mean: float, counted: float) -> None:
    strength = strength_of(mean, counted)
    assert strength >= max(counted, 2)
    assert min(mean * strength, (1 - mean) * strength) >= 1 - 1e-9


@given(st.floats(0, 1), st.integers(0, 10**6), st.integers(0, 2**53))
def test_every_draw_is_a_probability_and_the_same_each_time(
    p: float, answers: int, seed: int
) -> None:
    drawn = p_of(p, (answers, answers), THOMPSON, seed=seed)
    assert 0 <= drawn.final <= 1
    assert drawn.final == round(drawn.final, 9)
    assert drawn == p_of(p, (answers, answers), THOMPSON, seed=seed)


def test_two_actions_are_drawn_independently_of_each_other() -> None:
    first = [p_of(0.5, (1, 1), THOMPSON, seed=n).final for n in range(500)]
    second = [p_of(0.5, (1, 1), THOMPSON, seed=n, name="two").final for n in range(500)]
    product = sum((a - 0.5) * (b - 0.5) for a, b in zip(first, second, strict=True)) / 500
    assert abs(product) < 0.012


def test_certainty_is_not_drawn() -> None:
    assert p_of(1.0, (0, 0), THOMPSON).final == 1.0
    assert p_of(0.0, (0, 0), THOMPSON).final == 0.0


def test_thresholds_look_at_what_is_known_and_not_at_the_dice() -> None:
    terms: dict[str, Any] = {"minimum_propensity": 0.1, "minimum_priority": 1.0}
    bundle = a_bundle(an_action("one", value=10, **terms), exploration=THOMPSON)
    enough = [decided(bundle, {"one": (0.1, (1, 9))}, seed=seed) for seed in range(40)]
    assert {len(one.offers) for one in enough} == {1}
    assert min(one.offers[0].propensity for one in enough) < 0.1
    never = [decided(bundle, {"one": (0.0999, (1, 9))}, seed=seed) for seed in range(40)]
    assert {len(one.offers) for one in never} == {0}


def test_what_is_given_again_without_features_is_given_as_it_was() -> None:
    bundle = a_bundle(an_action("one"), an_action("two", value=1), exploration=THOMPSON)
    said = Remembered(
        placement="main", action="two", treatment="two.web", propensity=0.123, decision_id="before"
    )
    snapshot = a_snapshot(remembered=(said,))
    for seed in range(5):
        found = decided(bundle, seed=seed, snapshot=snapshot, limit=2)
        assert {one.action: one.propensity for one in found.candidates}["two"] == 0.123


# -- what is logged is what happens


WINNERS: dict[str, tuple[Exploration, dict[str, tuple[float | None, Answers]]]] = {
    "alike": (THOMPSON, {f"a{n}": (0.1, (10, 90)) for n in range(4)}),
    "one is new": (
        THOMPSON,
        {"a0": (0.2, (100, 400)), "a1": (0.19, (19, 81)), "a2": (None, (0, 0))},
    ),
    "smoothed": (
        Exploration(thompson=True, smoothing_evidence=50),
        {"a0": (0.6, (2, 3)), "a1": (0.3, (30, 70)), "a2": (0.5, (0, 0)), "a3": (0.02, (9, 300))},
    ),
    "some are certain": (
        THOMPSON,
        {"a0": (0.0, (0, 9)), "a1": (0.5, (3, 3)), "a2": (0.5, (30, 30))},
    ),
    "control": (ALL_CONTROL, {f"a{n}": (n / 9, (n, 9)) for n in range(5)}),
}


@pytest.mark.parametrize(("terms", "known"), WINNERS.values(), ids=WINNERS.keys())
def test_an_action_wins_as_often_as_its_logged_probability_says(
    terms: Exploration, known: Mapping[str, tuple[float | None, Answers]]
) -> None:
    actions = [an_action(name, prior=0.25, value=10 + at) for at, name in enumerate(known)]
    bundle = a_bundle(*actions, exploration=terms)
    runs = 1_500
    won, logged = Counter[str](), dict[str, float]()
    for seed in range(runs):
        (offer,) = decided(bundle, known, seed=seed).offers
        won[offer.action] += 1
        assert logged.setdefault(offer.action, offer.selection) == offer.selection
    assert len(won) > 1
    assert sum(logged.values()) == pytest.approx(1.0, abs=0.01)
    for name, probability in logged.items():
        assert deviations(won[name], runs, min(probability, 0.999)) < 3.5, name


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1).map(lambda p: round(p, 9)),  # as every P is before it ranks
            st.floats(0, 2_000),
            st.floats(0, 50),
        ),
        min_size=1,
        max_size=24,
    ),
    st.sampled_from(Arm),
)
def test_the_probabilities_of_all_contenders_sum_to_one(
    drawn: list[tuple[float, float, float]], arm: Arm
) -> None:
    contenders = [
        (
            Chance(
                model=p,
                smoothed=p,
                final=p,
                strength=strength_of(p, n) if 1e-6 < p < 1 - 1e-6 else 0.0,
            ),
            worth,
        )
        for p, n, worth in drawn
    ]
    odds = [exploration.selection(at, contenders, arm) for at in range(len(contenders))]
    assert sum(odds) == pytest.approx(1.0, abs=0.02)  # each is a quadrature of its own
    assert min(odds) > 0


def test_without_exploration_every_choice_is_certain() -> None:
    bundle = a_bundle(*[an_action(f"a{n}") for n in range(4)])
    decision = decided(bundle, {f"a{n}": (0.1, (1, 9)) for n in range(4)}, limit=3)
    assert decision.arm is Arm.BEST
    assert [one.selection for one in decision.offers] == [1.0, 1.0, 1.0]
    assert [one.propensity for one in decision.offers] == [0.1, 0.1, 0.1]


def test_the_dice_change_nothing_where_nothing_is_left_to_chance() -> None:
    bundle = a_bundle(*[an_action(f"a{n}") for n in range(4)])
    assert decided(bundle, seed=1) == decided(bundle, seed=2)


# -- maturity


MATURE = Exploration(mature_positives=200, immature_percent=2)


def reached(bundle: Bundle, positives: int, channel: str = "email", count: int = 1_000) -> set[str]:
    """The customers who are told about the first action, with so many positive answers to it."""
    known = {"one": (0.1, (positives, 9 * positives))}
    return {
        one
        for one in customers(count)
        if shown(decided(bundle, known, channel=channel, customer=one)) == ["one"]
    }


def test_a_new_action_reaches_few_and_more_with_every_positive_answer() -> None:
    bundle = a_bundle(an_action("one", new=True), exploration=MATURE)
    sizes = {positives: len(reached(bundle, positives)) for positives in (0, 100, 199, 200)}
    assert deviations(sizes[0], 1_000, 0.02) < 3
    assert deviations(sizes[100], 1_000, 0.51) < 3
    assert sizes[199] < 1_000
    assert sizes[200] == 1_000


def test_whoever_is_reached_stays_reached() -> None:
    bundle = a_bundle(an_action("one", new=True), exploration=MATURE)
    few, more = reached(bundle, 20, count=400), reached(bundle, 90, count=400)
    assert few < more


@pytest.mark.parametrize("channel", CHANNELS)
def test_only_channels_that_deliver_hold_an_immature_action_back(channel: str) -> None:
    nobody = replace(MATURE, immature_percent=0)
    bundle = a_bundle(an_action("one", new=True), exploration=nobody)
    assert (shown(decided(bundle, channel=channel)) == ["one"]) is (channel in IN_PAGE)


def test_an_immature_action_is_dropped_in_words() -> None:
    nobody = replace(MATURE, immature_percent=0)
    decision = decided(a_bundle(an_action("one", new=True), exploration=nobody), channel="email")
    (drop,) = decision.candidates[0].drops
    assert (drop.stage, drop.rule) == (Stage.MATURITY, "immature")
    assert "0 of 200 positive answers" in drop.detail


def test_only_what_is_marked_as_new_and_is_not_mandatory_waits_until_it_is_mature() -> None:
    nobody = replace(MATURE, immature_percent=0)
    actions = [
        an_action("sale", new=True),
        an_action("tip", purpose="nurture", new=True),
        an_action("must", mandatory=True, new=True),
        an_action("old"),
    ]
    bundle = a_bundle(*actions, exploration=nobody)
    assert sorted(shown(decided(bundle, channel="email", limit=9))) == ["must", "old"]


def test_what_nobody_counts_is_not_mature() -> None:
    nobody = replace(MATURE, immature_percent=0)
    bundle = a_bundle(an_action("one", new=True), exploration=nobody)
    asked = a_request("email")

    class Silent(Counted):
        def acceptance(
            self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
        ) -> Scores:
            return Scores(acceptance=tuple(0.5 for _ in pairs), backend="silent")

    decision = decide(asked, a_snapshot(), bundle, Silent({}))
    assert decision.candidates[0].drops[0].stage is Stage.MATURITY


@given(st.integers(0, 500), st.integers(1, 300), st.floats(0, 100))
def test_reach_never_falls_as_answers_come(positives: int, mature: int, least: float) -> None:
    terms = Exploration(mature_positives=mature, immature_percent=least)
    now, then = reach_percent(terms, positives), reach_percent(terms, positives + 1)
    assert least <= now <= then <= 100
    assert positives < mature or now == 100


# -- again


@pytest.mark.parametrize(("terms", "known"), WINNERS.values(), ids=WINNERS.keys())
def test_what_was_left_to_chance_replays_byte_for_byte(
    terms: Exploration, known: Mapping[str, tuple[float | None, Answers]]
) -> None:
    bundle = a_bundle(*[an_action(name) for name in known], exploration=terms)
    for seed in range(10):
        asked = replace(a_request("web", Placement(limit=2)), seed=seed)
        decision = decide(asked, a_snapshot(), bundle, Counted(known))
        assert replay.identical(record(asked, a_snapshot(), decision), bundle)
