"""A feature's status says what decisions do with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.freshness import known_features
from feature_store.schema import FEATURES, VIEW
from feature_store.status import Status, statuses
from tests.support.builders import a_bundle, a_snapshot
from tests.support.customers import NOON, a_customer

DAY = timedelta(days=1)
AGES = st.dictionaries(
    st.sampled_from(["contract", "billing", "contract.type", "billing.total_charges"]),
    st.integers(0, 3).map(lambda days: days * DAY),
)


def test_every_feature_has_one_of_four_statuses() -> None:
    values = {"contract.type": "One year", "contract.tenure_months": None}
    found = statuses(values, {"contract": NOON - DAY}, {}, NOON)
    assert found.keys() == FEATURES.keys()
    assert found["contract.type"] is Status.PRESENT
    assert found["contract.tenure_months"] is Status.NULL
    assert found["contract.paperless"] is Status.NULL
    assert found["billing.total_charges"] is Status.ABSENT


def test_the_age_of_a_single_feature_counts_instead_of_its_views() -> None:
    values = {"contract.type": "One year", "contract.tenure_months": 9}
    ages = {"contract": 9 * DAY, "contract.type": timedelta(hours=1)}
    found = statuses(values, {"contract": NOON - DAY}, ages, NOON)
    assert found["contract.type"] is Status.STALE
    assert found["contract.tenure_months"] is Status.PRESENT


def test_exactly_as_old_as_allowed_is_present() -> None:
    found = statuses({"contract.type": "x"}, {"contract": NOON - DAY}, {"contract": DAY}, NOON)
    assert found["contract.type"] is Status.PRESENT


@given(AGES, st.fixed_dictionaries({}, optional={view: st.integers(0, 4) for view in VIEW}))
def test_stale_is_exactly_what_decisions_leave_out(
    ages: Mapping[str, timedelta], days: Mapping[str, int]
) -> None:
    times = {view: NOON - age * DAY for view, age in days.items()}
    values = {key: each for key, each in a_customer().items() if key.partition(".")[0] in times}
    snapshot = a_snapshot(features=values, feature_times=times)
    used = known_features(snapshot, a_bundle(max_ages=ages), NOON).features
    found = statuses(values, times, ages, NOON)
    for key, value in values.items():
        if value is not None:
            assert found[key] is (Status.PRESENT if key in used else Status.STALE), key
