"""The kernel says what the plain funnel says, of anything that may be asked of anybody."""

from __future__ import annotations

import math
from functools import cache
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bundle import load_bundle
from engine.case_files import load_cases
from engine.catalog import Bundle
from engine.decide import decide, plainly
from engine.golden import Case
from engine.kernel import rounded
from engine.ledger.site import BUNDLES
from engine.propensity import DECIMALS, Scorer
from engine.record import Record, read, record
from engine.types import Request, Snapshot
from feature_store.generate import customers
from feature_store.mapping import read_mapping
from feature_store.schema import FEATURES
from tests.support.builders import a_request, a_snapshot
from tests.support.situations import AnyScores, any_bundle, any_case

FOLDER = BUNDLES / "telco"
TELCO = load_bundle(FOLDER, features=FEATURES)
FEATURE_VALUES = {
    "contract.type": "A",
    "contract.tenure_months": 8,
    "contract.flag": True,
    "billing.bill": 61.5,
    "services.x": 1,
    "profile.y": "z",
}


@cache
def rows() -> tuple[dict[str, object], ...]:
    """What is known of some customers of the example business."""
    sources = read_mapping().sources
    return tuple({one.feature: one.read(row) for one in sources} for row in customers(50))


def assert_same(request: Request, snapshot: Snapshot, bundle: Bundle, scorer: Scorer) -> None:
    """By the kernel and by the plain funnel, equal in every byte, as they are and as recorded."""
    fast = decide(request, snapshot, bundle, scorer)
    kept = record(request, snapshot, fast, b"k")
    plain = plainly(request, snapshot, bundle, scorer)
    assert orjson.dumps(fast) == orjson.dumps(plain)
    assert fast == plain
    assert kept == record(request, snapshot, plain, b"k")
    assert read(kept) == Record(request=request, snapshot=snapshot, decision=plain)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_the_kernel_and_the_plain_funnel_agree_on_any_bundle(seed: int) -> None:
    dice = Random(seed)
    bundle = any_bundle(dice)
    for _ in range(6):
        values = {
            **FEATURE_VALUES,
            "contract.type": dice.choice(("A", "B", "C")),
            "contract.tenure_months": dice.choice((0, 3, 12, 30)),
            "contract.flag": dice.random() < 0.5,
            "billing.bill": round(dice.uniform(0, 120), 2),
        }
        request, snapshot = any_case(dice, bundle, values)
        assert_same(request, snapshot, bundle, AnyScores(dice))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_the_kernel_and_the_plain_funnel_agree_on_the_example_business(seed: int) -> None:
    dice = Random(seed)
    request, snapshot = any_case(dice, TELCO, dice.choice(rows()))  # pyright: ignore[reportArgumentType]
    assert_same(request, snapshot, TELCO, AnyScores(dice))


@pytest.mark.parametrize("case", load_cases(FOLDER, TELCO, features=FEATURES), ids=lambda c: c.name)
def test_the_kernel_and_the_plain_funnel_agree_on_every_golden_case(case: Case) -> None:
    for request in case.requests:
        assert_same(request, case.snapshot, TELCO, AnyScores(Random(1)))


def test_what_is_explained_gives_the_same_offers_and_every_reason() -> None:
    plain = plainly(a_request(explain=True), a_snapshot(), TELCO, AnyScores(Random(1)))
    fast = decide(a_request(), a_snapshot(), TELCO, AnyScores(Random(1)))
    assert fast.placements == plain.placements
    assert fast.funnel == plain.funnel


@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 1e4))
@settings(max_examples=2_000)
def test_numbers_are_rounded_as_python_rounds_them(number: float) -> None:
    found = rounded(number)
    assert repr(found) == repr(round(number, DECIMALS))


@given(st.integers(0, 10**12), st.sampled_from((0.5, 0.4999, 0.5001, 0.0)))
@settings(max_examples=2_000)
def test_what_lies_in_the_middle_is_rounded_as_python_rounds_it(whole: int, part: float) -> None:
    for number in ((whole + part) / 1e9, math.nextafter((whole + part) / 1e9, math.inf)):
        assert repr(rounded(number)) == repr(round(number, DECIMALS))
