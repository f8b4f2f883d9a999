"""Estimates of another policy are what their formulas say; where a log is mute, none is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic_logs import worlds
from engine.errors import InvalidInput
from models.intervals import Interval, critical, jackknife, mean_interval, student
from models.off_policy import Estimate, Method, Predicted, contributions, estimate
from models.rewards import CellMeans, cross_fit
from models.support import Demands, Log, Reason, Refusal, support, weights
from tests.support.logs import Made, a_log, a_policy, changed

LENIENT = Demands(effective=1, rows=2, unsupported=1.0, heaviest=1.0)
seeds = st.integers(0, 10_000)


def interval(method: Method, made: Made, target: Any, predicted: Any = None) -> Interval:
    found = estimate(method, made.log, target, predicted or made.perfect(target), demands=LENIENT)
    assert isinstance(found, Estimate)
    return found.interval


def refusal(log: Log, target: Any, method: Method = Method.IPS) -> Refusal:
    found = estimate(method, log, target, Predicted(rewards=target, without=np.zeros(20)))
    assert isinstance(found, Refusal)
    return found


@given(seeds)
def test_the_policy_that_made_the_log_earns_the_mean_of_the_log(seed: int) -> None:
    made = a_log(seed=seed)
    mean = made.log.reward.mean()
    for method in (Method.IPS, Method.SNIPS):
        assert interval(method, made, made.logging).value == pytest.approx(mean)
    nothing = Predicted(rewards=np.zeros(made.logging.shape), without=np.zeros(20))
    for method in (Method.DOUBLY_ROBUST, Method.SWITCH):
        assert interval(method, made, made.logging, nothing).value == pytest.approx(mean)


@given(seeds)
def test_self_normalising_changes_nothing_where_weights_are_constant(seed: int) -> None:
    made = a_log(seed=seed, actions=2)
    even = np.full(made.logging.shape, 0.5)
    log = changed(made.log, propensity=np.full(len(made.log.taken), 0.5))
    constant = Made(log=log, logging=even, means=made.means)
    plain, normalised = (interval(each, constant, even) for each in (Method.IPS, Method.SNIPS))
    assert plain.low == pytest.approx(normalised.low)
    assert plain.value == pytest.approx(normalised.value)
    assert plain.high == pytest.approx(normalised.high)


@given(seeds)
def test_self_normalised_estimates_stay_within_the_rewards_and_move_with_them(seed: int) -> None:
    made = a_log(seed=seed)
    target = a_policy(made, seed)
    value = interval(Method.SNIPS, made, target).value
    assert made.log.reward.min() <= value <= made.log.reward.max()
    shifted = Made(
        log=changed(made.log, reward=made.log.reward + 7), logging=made.logging, means=made.means
    )
    assert interval(Method.SNIPS, shifted, target).value == pytest.approx(value + 7)


@given(seeds)
def test_without_a_model_doubly_robust_is_inverse_propensity(seed: int) -> None:
    made = a_log(seed=seed)
    target = a_policy(made, seed)
    nothing = Predicted(rewards=np.zeros(target.shape), without=np.zeros(20))
    plain = interval(Method.IPS, made, target)
    assert interval(Method.DOUBLY_ROBUST, made, target, nothing) == plain


@given(seeds)
def test_a_perfect_model_of_sure_rewards_leaves_only_the_customers_to_vary(seed: int) -> None:
    made = a_log(seed=seed, noise=0.0)
    target = a_policy(made, seed)
    truth = (target * made.means).sum(axis=1)
    for method in (Method.DOUBLY_ROBUST, Method.SWITCH, Method.DIRECT):
        assert interval(method, made, target).value == pytest.approx(truth.mean())
    alike = Made(log=made.log, logging=made.logging, means=np.full_like(made.means, 2.0))
    same = changed(made.log, reward=np.full(len(made.log.taken), 2.0))
    found = interval(
        Method.DOUBLY_ROBUST, Made(log=same, logging=alike.logging, means=alike.means), target
    )
    assert (found.low, found.value, found.high, found.error) == (2.0, 2.0, 2.0, 0.0)


@given(seeds, st.floats(0.1, 50), st.floats(-20, 20))
def test_estimates_and_intervals_follow_the_unit_of_rewards(
    seed: int, scale: float, shift: float
) -> None:
    made = a_log(seed=seed)
    target = a_policy(made, seed)
    moved = Made(
        log=changed(made.log, reward=scale * made.log.reward + shift),
        logging=made.logging,
        means=scale * made.means + shift,
    )
    for method in (Method.SNIPS, Method.DOUBLY_ROBUST, Method.SWITCH):
        before, after = interval(method, made, target), interval(method, moved, target)
        assert after.low == pytest.approx(scale * before.low + shift, abs=1e-6)
        assert after.high == pytest.approx(scale * before.high + shift, abs=1e-6)


def test_the_mean_of_many_estimates_is_the_truth() -> None:
    found: dict[Method, list[float]] = {method: [] for method in Method}
    truths: list[float] = []
    for seed in range(150):
        made = a_log(seed=seed)
        target = a_policy(made, doubt=0.5)
        truths.append(float((target * made.means).sum(axis=1).mean()))
        for method in Method:
            found[method].append(interval(method, made, target).value)
    for method, values in found.items():
        off = mean_interval(np.array(values) - np.array(truths), level=0.999)
        assert off.low - 1e-9 <= 0 <= off.high + 1e-9, method


def test_a_wrong_model_misleads_the_direct_method_and_not_the_doubly_robust_one() -> None:
    made = a_log(rows=20_000, noise=0.2)
    target = a_policy(made)
    truth = float((target * made.means).sum(axis=1).mean())
    wrong = Predicted(rewards=made.means + 1.0, without=np.full(20, truth + 1))
    assert interval(Method.DIRECT, made, target, wrong).value == pytest.approx(truth + 1)
    assert interval(Method.DOUBLY_ROBUST, made, target, wrong).holds(truth)


def test_contributions_average_to_the_estimate_and_compare_policies_row_by_row() -> None:
    made = a_log(rows=2_000)
    target = a_policy(made, doubt=0.5)
    for method in (Method.IPS, Method.SNIPS, Method.DOUBLY_ROBUST):
        values = contributions(method, made.log, target, made.perfect(target))
        assert values.mean() == pytest.approx(interval(method, made, target).value)
    gain = mean_interval(contributions(Method.IPS, made.log, made.logging) - made.log.reward)
    assert (gain.value, gain.error) == (pytest.approx(0), pytest.approx(0))
    for method in (Method.DIRECT, Method.SWITCH):
        with pytest.raises(InvalidInput, match="no mean of contributions"):
            contributions(method, made.log, target, made.perfect(target))


def test_a_switch_trades_heavy_weights_for_a_bias_that_widens_its_interval() -> None:
    world = worlds()["heavy weights"]
    cell, log = world.log(seed=1)
    target = world.target[cell]
    known = Predicted(rewards=world.means[cell], without=np.zeros(20))
    found = estimate(Method.SWITCH, log, target, known)
    plain = estimate(Method.DOUBLY_ROBUST, log, target, known)
    assert isinstance(found, Estimate)
    assert isinstance(plain, Estimate)
    assert 0 < found.switched < 0.01
    assert found.interval.error < plain.interval.error
    assert found.interval.high - found.interval.low > 2 * 1.97 * found.interval.error
    assert found.interval.holds(world.truth)


def test_a_policy_that_does_what_the_log_never_did_is_refused_by_every_method() -> None:
    made = a_log(actions=4)
    everything_new = np.zeros((400, 5))
    everything_new[:, 4] = 1.0
    for method in Method:
        found = refusal(made.log, everything_new, method)
        assert found.reason is Reason.NO_SUPPORT
        assert "100.0% of what the policy does was never done in the log (actions 4)" in found.words


def test_what_the_log_could_not_do_for_a_customer_counts_though_others_got_it() -> None:
    made = a_log(actions=2)
    even = np.full((400, 2), 0.5)
    chances = made.logging.copy()
    chances[:200] = [1.0, 0.0]
    taken = np.where(np.arange(400) < 200, 0, made.log.taken)
    log = changed(made.log, taken=taken, propensity=chances[np.arange(400), taken])
    assert refusal(changed(log, possible=chances > 0), even).reason is Reason.NO_SUPPORT
    assert support(changed(log, possible=chances > 0), even).unsupported == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "1 absent"), (0.0, "1 zero or below"), (1.5, "1 over one")]
)
def test_propensities_that_are_none_are_named_and_refused(value: float, words: str) -> None:
    made = a_log()
    propensity = made.log.propensity.copy()
    propensity[7] = value
    for method in Method:
        found = refusal(changed(made.log, propensity=propensity), made.logging, method)
        assert found.reason is Reason.NO_PROPENSITY
        assert words in found.words


def test_policies_too_far_apart_are_refused_with_the_effective_sample_size() -> None:
    made = a_log(rows=2_000, actions=4)
    propensity = made.log.propensity.copy()
    propensity[:3] = 1e-5
    found = refusal(changed(made.log, propensity=propensity), a_policy(made, doubt=5.0))
    assert found.reason is Reason.TOO_FEW
    assert "effective sample size" in found.words
    assert found.support is not None
    assert found.support.effective < 30


def test_few_rows_are_refused() -> None:
    made = a_log(rows=99)
    assert "99 rows" in refusal(made.log, made.logging).words


def test_propensities_of_another_log_are_found_out_by_their_weights() -> None:
    made = a_log(rows=4_000)
    half = changed(made.log, propensity=made.log.propensity / 2)
    found = refusal(half, a_policy(made, doubt=5.0))
    assert found.reason is Reason.WRONG_WEIGHTS
    assert "instead of 1" in found.words


@given(seeds)
def test_the_effective_sample_size_is_that_of_the_weights(seed: int) -> None:
    made = a_log(seed=seed)
    target = a_policy(made, seed)
    found, weight = support(made.log, target), weights(made.log, target)
    assert 1 - 1e-9 <= found.effective <= 400 + 1e-9
    assert found.largest_weight == weight.max()
    assert support(made.log, made.logging).effective == pytest.approx(400)


def negative(target: Any) -> Any:
    target[0, :2] = [-0.1, target[0, 0] + target[0, 1] + 0.1]
    return target


Spoil = Callable[[Log, Any], tuple[Log, Any]]
SPOILT: list[tuple[Spoil, str]] = [
    (
        lambda log, target: (changed(log, reward=log.reward[1:]), target),
        "reward is not as long",
    ),
    (lambda log, target: (log, target[1:]), r"target \(399, 4\) for 400 rows"),
    (lambda log, target: (log, target[:, :2]), "outside 0 to 1"),
    (lambda log, target: (changed(log, taken=-log.taken), target), "outside 0 to 3"),
    (lambda log, target: (changed(log, taken=log.taken * 1.0), target), "not integers"),
    (lambda log, target: (log, target * 0.9), "sums to 1 only within 0.1"),
    (lambda log, target: (log, negative(target)), "below 0"),
    (lambda log, target: (changed(log, reward=log.reward * np.nan), target), "finite"),
    (lambda log, target: (changed(log, possible=target[:, :3] > 0), target), "differ in shape"),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILT)
def test_arrays_that_do_not_fit_are_an_error(spoil: Spoil, words: str) -> None:
    made = a_log()
    log, target = spoil(made.log, made.logging.copy())
    with pytest.raises(InvalidInput, match=words):
        estimate(Method.IPS, log, target)


def test_a_model_that_is_missing_or_mute_is_an_error() -> None:
    made = a_log()
    with pytest.raises(InvalidInput, match="needs a model"):
        estimate(Method.DOUBLY_ROBUST, made.log, made.logging)
    mute = Predicted(rewards=made.means * np.nan, without=np.zeros(20))
    with pytest.raises(InvalidInput, match="finite"):
        estimate(Method.DIRECT, made.log, made.logging, mute)


def test_no_row_is_judged_by_a_model_that_learned_from_it() -> None:
    made = a_log(rows=300)
    reward = np.zeros(300)
    reward[11] = 1_000.0
    log = changed(made.log, reward=reward)
    learn = CellMeans(cells=1, actions=4)
    found = cross_fit(learn, np.zeros(300, dtype=np.int64), log, made.logging)
    assert (found.rewards[11] == 0).all()
    assert (found.rewards > 0).any()


def test_rows_of_one_customer_are_judged_together() -> None:
    made = a_log(rows=400)
    unit = np.repeat(np.arange(100), 4)
    reward = np.where(unit == 11, 1_000.0, 0.0)
    log = changed(made.log, reward=reward, unit=unit)
    cell = np.zeros(400, dtype=np.int64)
    found = cross_fit(CellMeans(cells=1, actions=4), cell, log, made.logging)
    assert (found.rewards[unit == 11] == 0).all()


def test_repeating_every_row_under_one_unit_adds_no_certainty() -> None:
    values = np.random.default_rng(1).exponential(size=200)
    once = mean_interval(values)
    thrice = mean_interval(np.repeat(values, 3), np.repeat(np.arange(200), 3))
    assert (thrice.low, thrice.high) == (pytest.approx(once.low), pytest.approx(once.high))


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50))
def test_an_interval_holds_its_value(values: list[float]) -> None:
    found = mean_interval(np.array(values))
    assert found.low <= found.value <= found.high


def test_students_quantiles_are_those_of_the_tables() -> None:
    for freedom, quantile in ((5, 2.571), (19, 2.093), (30, 2.042), (120, 1.980)):
        assert student(0.95, freedom) == pytest.approx(quantile, abs=4e-3)


def test_a_bias_costs_the_one_sided_quantile_at_most() -> None:
    assert critical(0.0) == pytest.approx(1.96, abs=1e-3)
    assert critical(20.0) == pytest.approx(21.645, abs=1e-3)
    one = Interval(value=1.0, low=0.9, high=1.2, error=0.1)
    assert one.widened(0.0) == one
    assert one.widened(0.05).high > 1.2


def test_the_jackknife_of_a_mean_is_the_error_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(size=20)
    without = (values.sum() - values) / 19
    found = jackknife(float(values.mean()), without)
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(20))
