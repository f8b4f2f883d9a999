"""The parts of a customer and of offers, looked up together: LightGBM's sums, to the last bit."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportPrivateUsage=false
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog import Action
from models import forest, in_use, leaves
from models.artefact import Artefact
from models.customer_part import CustomerPart
from models.encoding import encode_row
from models.in_use import InUse
from models.inputs import PAIR, pair_values
from models.leaves import MOST_BYTES, Leaves, Masks, compile_leaves
from models.model import Model
from models.offer_part import OfferPart
from models.registry import promote
from models.score import ModelScorer
from tests.support.customers import a_customer
from tests.support.ledgers import a_site
from tests.support.models import ACTIONS, CHANNELS, a_churn_model, an_acceptance_model, an_action

STRANGERS = [an_action(f"stranger-{number}", group=f"g{number}") for number in range(40)]
OFFERS = [*ACTIONS, *STRANGERS]
ODD = st.sampled_from(
    [None, "", "what", -1, 0, 1, 9, 10**400, math.nan, math.inf, True, False, "12", -0.0, 20.05, []]
)
CUSTOMERS = st.dictionaries(
    st.sampled_from([*a_customer(), "model.churn"]), ODD | st.floats(), max_size=9
).map(lambda odd: {**a_customer(), **odd})
SOME = st.lists(st.tuples(st.sampled_from(OFFERS), st.sampled_from(CHANNELS)), max_size=12)


def masked(artefact: Artefact) -> Leaves:
    compiled = compile_leaves(artefact.model, artefact.columns)
    assert compiled is not None
    return compiled


CHURN_LEAVES = masked(a_churn_model())


def predicted(artefact: Artefact, rows: Sequence[Mapping[str, object]]) -> list[float]:
    """What `Booster.predict` adds up."""
    encoded = np.array([encode_row(artefact.columns, row) for row in rows])
    booster = lgb.Booster(model_str=artefact.model)
    found: Any = booster.predict(encoded, raw_score=True, num_threads=1)
    return found.tolist()


def raw_scores(
    models: InUse, features: Mapping[str, object], pairs: Sequence[tuple[Action, str]]
) -> list[float]:
    """What the models in use add up for pairs."""
    model = models.acceptance
    assert model is not None
    assert model.leaves is not None
    left = models._left_open(model, model.leaves, features)
    return models._raw(model.leaves, left, pairs).tolist()


@cache
def both() -> InUse:
    return InUse(Model(a_churn_model()), Model(an_acceptance_model()))


@settings(max_examples=150, deadline=None)
@given(CUSTOMERS, SOME.filter(bool))
def test_any_customer_and_any_offers_get_lightgbms_sums(
    features: Mapping[str, object], pairs: Sequence[tuple[Action, str]]
) -> None:
    churn = a_churn_model()
    left = both()._customer_masks(features)
    assert CHURN_LEAVES.raw_one(left[0]) == predicted(churn, [features])[0]
    rows = [{**features, **pair_values(*pair)} for pair in pairs]
    assert raw_scores(both(), features, pairs) == predicted(an_acceptance_model(), rows)


@pytest.mark.parametrize("count", [1, 2, 3, 44])
def test_few_of_many_offers_and_all_of_few_are_added_up_alike(count: int) -> None:
    models = InUse(None, Model(an_acceptance_model()))
    every = [(action, "web") for action in OFFERS]
    raw_scores(models, a_customer(), every)
    chosen = every[::-1][:count]
    rows = [{**a_customer(), **pair_values(*pair)} for pair in chosen]
    assert raw_scores(models, a_customer(), chosen) == predicted(an_acceptance_model(), rows)


def test_a_single_offer_is_added_up_in_the_same_order() -> None:
    models = InUse(None, Model(an_acceptance_model()))
    pair = (ACTIONS[0], "email")
    wanted = predicted(an_acceptance_model(), [{**a_customer(), **pair_values(*pair)}])
    assert raw_scores(models, a_customer(), [pair]) == wanted


def test_offers_that_a_model_cant_tell_apart_are_one() -> None:
    compiled = masked(an_acceptance_model())
    part = OfferPart(compiled)
    other = compiled.open.copy()
    other[0] = 1
    assert part.numbers([compiled.open, other, compiled.open.copy()]) == [0, 1, 0]
    assert part.numbers([other]) == [1]
    assert len(part) == 2


def test_another_action_of_the_same_name_is_looked_at_anew() -> None:
    action = ACTIONS[0]
    moved = replace(action, purpose="nurture", group="learning")
    rows = [{**a_customer(), **pair_values(each, "web")} for each in (action, moved)]
    wanted = predicted(an_acceptance_model(), rows)
    found = raw_scores(both(), a_customer(), [(action, "web"), (moved, "web")])
    assert found == wanted
    assert wanted[0] != wanted[1]


def test_a_customer_who_changes_in_place_is_looked_up_again() -> None:
    features: dict[str, Any] = dict(a_customer())
    before = both().churn_score(features)
    features.update({"contract.type": "Two year", "contract.tenure_months": 70})
    after = both().churn_score(features)
    assert before != after
    assert both().churn_score(dict(a_customer())) == before


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CUSTOMERS, SOME), min_size=2, max_size=20), st.data())
def test_who_is_expected_gets_the_same_scores_as_who_is_not(
    asked: list[tuple[dict[str, Any], list[tuple[Action, str]]]], data: st.DataObject
) -> None:
    models = InUse(Model(a_churn_model()), Model(an_acceptance_model()))
    for features, _ in asked:
        models.expect(features)
    alone = InUse(models.churn, models.acceptance)
    churn: dict[int, float | None] = {}
    for features, _ in data.draw(st.permutations(asked)):
        churn[id(features)] = models.churn_score(features)
        assert churn[id(features)] == alone.churn_score(features)
    for features, pairs in data.draw(st.permutations(asked)):
        known = {"model.churn": churn[id(features)], **features}
        assert models.acceptances(known, pairs) == alone.acceptances(known, pairs)


def test_who_is_expected_and_changes_in_place_is_looked_up_again() -> None:
    models = InUse(Model(a_churn_model()), Model(an_acceptance_model()))
    first, second = dict(a_customer()), dict(a_customer())
    for features in (first, second):
        models.expect(features)
    before = models.churn_score(first)
    second.update({"contract.type": "Two year", "contract.tenure_months": 70})
    assert models.churn_score(second) == both().churn_score(second) != before


def test_whoever_is_expected_in_vain_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_use, "_MOST_EXPECTED", 20)
    models = InUse(Model(a_churn_model()), None)
    kept = [dict(a_customer()) for _ in range(100)]
    for features in kept:
        models.expect(features)
        assert models.churn_score(dict(features)) == both().churn_score(features)
    assert kept[-1] in models._expected.values()
    assert len(models._expected) <= 20


def test_offers_of_bundles_long_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_use, "_MOST_OFFERS_KEPT", 3)
    models = InUse(None, Model(an_acceptance_model()))
    for number in range(12):
        pair = (an_action(f"a-{number}", group="internet"), "web")
        wanted = predicted(an_acceptance_model(), [{**a_customer(), **pair_values(*pair)}])
        assert raw_scores(models, a_customer(), [pair]) == wanted
    assert len(models._channels["web"].kept) <= 4


@pytest.mark.parametrize("wide", [(20, 60), (60, 20), (60, 60)])
def test_models_of_narrow_and_wide_masks_are_looked_up_together(wide: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    columns = a_churn_model().columns
    rows = random.integers(0, 9, (2000, len(columns))).astype(np.float64)
    models: list[tuple[Any, Leaves]] = []
    texts: list[str] = []
    for most in wide:
        target = (rows[:, most % 7] + random.normal(size=2000) * 3 > 4).astype(int)
        settings = {"objective": "binary", "num_leaves": most, "min_data_in_leaf": 2}
        data = lgb.Dataset(rows, target)
        quiet = {"verbosity": -1, "num_threads": 1}
        texts.append(lgb.train({**settings, **quiet}, data, 5).model_to_string())
        compiled = compile_leaves(texts[-1], columns)
        assert compiled is not None
        models.append((columns, compiled))
    assert [compiled.bits for _, compiled in models] == [32 if most < 32 else 64 for most in wide]
    part = CustomerPart(models, PAIR)
    row = {column.name: 3 for column in columns if not column.categories}
    encoded = np.array([encode_row(columns, row)])
    for (_, compiled), left, text in zip(models, part.masks(row), texts, strict=True):
        wanted: Any = lgb.Booster(model_str=text).predict(encoded, raw_score=True, num_threads=1)
        assert compiled.raw_one(left) == wanted[0]


def test_the_masks_of_small_models_are_small() -> None:
    tables = [table for table in masked(an_acceptance_model()).tables if table is not None]
    assert sum(table.rows.nbytes for table in tables) < MOST_BYTES / 100


def test_parts_that_come_out_wrong_are_left_for_another_back_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = a_site(tmp_path)
    promote(site, a_churn_model())
    promote(site, an_acceptance_model())
    pairs = [(action, "web") for action in ACTIONS]
    right = ModelScorer(site)
    whole = CustomerPart.masks

    def in_the_wrong_order(part: CustomerPart, values: Mapping[str, object]) -> list[Masks]:
        return [left[::-1] for left in whole(part, values)]

    monkeypatch.setattr(CustomerPart, "masks", in_the_wrong_order)
    found = ModelScorer(site)
    assert set(found.backends.values()) == {forest.BACKEND}
    monkeypatch.undo()
    features = {**a_customer(), "model.churn": 0.2}
    wanted, scores = (each.acceptance(features, pairs) for each in (right, found))
    assert scores.acceptance == wanted.acceptance
    assert (wanted.backend, scores.backend) == (leaves.BACKEND, forest.BACKEND)
    assert "leaf masks of model churn come out wrong" in caplog.text
