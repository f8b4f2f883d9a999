"""The odds that one of several draws is the highest: against draws, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.odds import LEAST, Contender, of_first

ERROR = 0.001


def drawn(mean: float, counted: float = 0.0, worth: float = 10.0) -> Contender:
    """A priority of which so many answers are known."""
    return Contender(mean=mean, strength=max(counted, 1 / min(mean, 1 - mean)), worth=worth)


def fixed(priority: float) -> Contender:
    """A priority that is not drawn."""
    return Contender(mean=priority, strength=0.0, worth=1.0)


def frequencies(contenders: list[Contender], draws: int = 200_000) -> list[float]:
    """How often each is the highest of that many draws."""
    dice = np.random.default_rng(11)
    values = [
        np.full(draws, one.mean * one.worth)
        if one.fixed
        else one.worth * dice.beta(one.mean * one.strength, (1 - one.mean) * one.strength, draws)
        for one in contenders
    ]
    won = np.bincount(np.argmax(values, axis=0), minlength=len(contenders))
    return [int(count) / draws for count in won]


CASES = {
    "alike": [drawn(0.05, 400)] * 4,
    "a new one among known ones": [drawn(0.05, 4_000), drawn(0.06, 2_000), drawn(0.05)],
    "all new": [drawn(0.5), drawn(0.3), drawn(0.05, worth=60), drawn(0.9, worth=5)],
    "very sure and very unsure": [drawn(0.3, 100_000), drawn(0.28, 3), drawn(0.301, 50_000)],
    "near certainty": [drawn(0.97, 40), drawn(0.99, 130), drawn(0.5, worth=13)],
    "other values": [drawn(0.02, 500, 100), drawn(0.2, 500, 10), drawn(0.6, 50, 3.5)],
    "one drawn against one that is not": [drawn(0.875, 8, 1), fixed(0.522), drawn(0.01, worth=20)],
    "with one that is not drawn": [drawn(0.1, 100), fixed(1.05), drawn(0.12, 80), fixed(0.4)],
}


@pytest.mark.parametrize("contenders", CASES.values(), ids=CASES.keys())
def test_the_odds_are_the_frequencies_of_many_draws(contenders: list[Contender]) -> None:
    odds = [of_first(at, contenders) for at in range(len(contenders))]
    deviation = 0.0012  # of a frequency of one half in 200,000 draws
    assert odds == pytest.approx(frequencies(contenders), abs=ERROR + 3 * deviation)


def test_two_uniform_draws_have_odds_that_can_be_computed_by_hand() -> None:
    once, twice = drawn(0.5, worth=1), drawn(0.5, worth=2)
    assert of_first(0, [once, twice]) == pytest.approx(0.25, abs=ERROR)
    assert of_first(1, [once, twice]) == pytest.approx(0.75, abs=ERROR)


MEANS = st.floats(0.001, 0.999)
CONTENDERS = st.lists(
    st.one_of(
        st.builds(drawn, MEANS, st.floats(0, 1e5), st.floats(0.5, 50)),
        st.builds(fixed, st.floats(0, 1)),
    ),
    min_size=1,
    max_size=24,
)


@given(CONTENDERS)
def test_some_contender_comes_first(contenders: list[Contender]) -> None:
    odds = [of_first(at, contenders) for at in range(len(contenders))]
    assert all(LEAST <= one <= 1 for one in odds)
    assert sum(odds) == pytest.approx(1.0, abs=3 * ERROR)


@given(CONTENDERS.filter(lambda some: not any(one.fixed for one in some)), st.integers(0, 23))
def test_the_odds_do_not_depend_on_who_is_named_first(contenders: list[Contender], at: int) -> None:
    at %= len(contenders)
    turned = contenders[at:] + contenders[:at]
    assert of_first(0, turned) == pytest.approx(of_first(at, contenders), abs=1e-9)


@given(CONTENDERS, st.floats(0.01, 100))
def test_the_odds_do_not_depend_on_the_currency(contenders: list[Contender], rate: float) -> None:
    dearer = [
        Contender(mean=one.mean, strength=one.strength, worth=one.worth * rate)
        for one in contenders
    ]
    assert of_first(0, dearer) == pytest.approx(of_first(0, contenders), abs=2 * ERROR)


def test_a_rival_can_only_lower_the_odds() -> None:
    contenders = [drawn(0.1, 50), drawn(0.12, 80), drawn(0.3, 500, 3.5), drawn(0.05)]
    odds = [of_first(0, contenders[:count]) for count in range(1, 5)]
    assert odds == sorted(odds, reverse=True)
    assert odds[0] == 1.0


def test_of_equal_fixed_priorities_the_first_comes_first() -> None:
    assert [of_first(at, [fixed(0.5)] * 3) for at in range(3)] == [1.0, LEAST, LEAST]
    assert of_first(0, [fixed(0.4), fixed(0.5)]) == LEAST


def test_what_cannot_come_first_has_the_least_odds() -> None:
    assert of_first(0, [drawn(0.01, 10_000), drawn(0.2, 10_000)]) == LEAST
    assert of_first(0, [drawn(0.01, 10_000), fixed(9.0)]) == LEAST


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_certainties_and_worthless_things_are_not_drawn(mean: float) -> None:
    sure = Contender(mean=mean, strength=50, worth=1.0)
    assert of_first(0, [sure, fixed(0.5)]) == (1.0 if mean else LEAST)
    assert of_first(0, [Contender(mean=0.5, strength=5, worth=0.0), fixed(0.0)]) == 1.0
