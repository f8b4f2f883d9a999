"""Scores are LightGBM's own to the last bit, from checked artefacts, and never an error."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidModel
from models import forest, leaves
from models.artefact import Golden
from models.encoding import Column, ColumnKind, Matrix, encode_row
from models.forest import Forest
from models.inputs import pair_values
from models.leaves import compile_leaves
from models.model import Model
from models.registry import promote
from models.score import NO_ACCEPTANCE, NO_CHURN, ModelScorer
from tests.support.customers import a_customer
from tests.support.ledgers import a_site
from tests.support.models import (
    ACTIONS,
    CHANNELS,
    a_churn_model,
    an_acceptance_model,
    an_action,
    churn_examples,
)

PAIRS = [(action, channel) for action in ACTIONS for channel in CHANNELS]
ODD = st.sampled_from([None, "", "what", -1, 10**400, math.nan, math.inf, True, "12", 0.0, -0.0])


def predicted(model: str, rows: Matrix) -> Any:
    return np.asarray(lgb.Booster(model_str=model).predict(rows, raw_score=True, num_threads=1))


def test_the_library_by_ctypes_scores_as_booster_predict_does() -> None:
    artefact = a_churn_model()
    rows = churn_examples().rows[:200]
    by_ctypes = Forest(artefact.model, len(artefact.columns))
    assert np.array_equal(by_ctypes.raw(rows)[:, 0], predicted(artefact.model, rows))
    ones = [by_ctypes.raw_one(row)[0] for row in rows.tolist()]
    assert np.array_equal(ones, predicted(artefact.model, rows))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 0.9))
def test_leaf_masks_score_as_booster_predict_does(seed: int, holes: float) -> None:
    artefact = an_acceptance_model()
    random = np.random.default_rng(seed)
    rows = np.column_stack([drawn(column, random) for column in artefact.columns])
    rows[random.random(rows.shape) < holes] = np.nan
    compiled = compile_leaves(artefact.model, artefact.columns)
    assert compiled is not None
    every = range(len(artefact.columns))
    masks = np.array([compiled.mask(every, row) for row in rows.tolist()])
    assert np.array_equal(compiled.raw(masks), predicted(artefact.model, rows))


def drawn(column: Column, random: np.random.Generator) -> Any:
    if column.kind is ColumnKind.CATEGORY:
        return random.integers(0, len(column.categories), 50).astype(float)
    return random.choice([0.0, 1.0, 4.0, 53.85, -7.0, 1e300, random.normal() * 50], 50)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 64), st.booleans(), st.booleans())
def test_leaf_masks_agree_on_any_forest(
    seed: int, most_leaves: int, holes: bool, codes_as_numbers: bool
) -> None:
    random = np.random.default_rng(seed)
    whole = random.integers(0, 40, (400, 2)).astype(np.float64)
    rows: Matrix = np.column_stack([random.normal(size=(400, 3)), whole])
    target = (rows[:, 0] + np.sin(rows[:, 3]) + random.normal(size=400) > 0).astype(int)
    if holes:
        rows[random.random(rows.shape) < 0.2] = np.nan
    parameters = {"objective": "binary", "num_leaves": most_leaves, "min_data_in_leaf": 2}
    data = lgb.Dataset(rows, target, categorical_feature=[] if codes_as_numbers else [3, 4])
    fast = {"verbosity": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1}
    model = lgb.train({**parameters, **fast}, data, 8).model_to_string()
    texts = tuple(map(str, range(40)))
    number, text = ColumnKind.NUMBER, ColumnKind.CATEGORY
    columns = [Column(name=str(i), kind=number) for i in range(3)]
    columns += [Column(name=str(i), kind=text, categories=texts) for i in (3, 4)]
    compiled = compile_leaves(model, columns)
    assert compiled is not None
    masks = np.array([compiled.mask(range(5), row) for row in rows.tolist()])
    assert np.array_equal(compiled.raw(masks), predicted(model, rows))


@pytest.mark.parametrize(
    ("wanted", "instead"),
    [
        ("num_tree_per_iteration=1", "num_tree_per_iteration=3"),
        ("num_leaves=", "num_leaves=9"),
        ("is_linear=0", "is_linear=1"),
        ("left_child=", "wrong_child="),
    ],
)
def test_what_masks_cant_express_is_left_to_the_library(wanted: str, instead: str) -> None:
    artefact = a_churn_model()
    assert compile_leaves(artefact.model.replace(wanted, instead), artefact.columns) is None


def test_a_forest_too_large_for_masks_is_left_to_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaves, "MOST_BYTES", 1000)
    model = Model(an_acceptance_model())
    assert model.leaves is None


def test_scores_come_in_the_order_of_the_pairs_by_either_back_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = a_site(tmp_path)
    promote(site, an_acceptance_model())
    by_masks = ModelScorer(site).acceptance(a_customer(), PAIRS)
    turned = ModelScorer(site).acceptance(a_customer(), PAIRS[::-1])
    monkeypatch.setattr(leaves, "MOST_BYTES", 1000)
    by_library = ModelScorer(site).acceptance(a_customer(), PAIRS)
    assert by_masks.acceptance == by_library.acceptance == turned.acceptance[::-1]
    assert (by_masks.backend, by_library.backend) == (leaves.BACKEND, forest.BACKEND)
    assert len(set(by_masks.acceptance)) > 4


def test_a_score_is_the_calibrated_prediction_rounded(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    artefact = an_acceptance_model()
    promote(site, artefact)
    values = {**a_customer(), "model.churn": 0.2, **pair_values(*PAIRS[0])}
    raw = predicted(artefact.model, np.array([encode_row(artefact.columns, values)]))
    wanted = round(float(artefact.calibration(raw)[0]), 9)
    found = ModelScorer(site).acceptance({**a_customer(), "model.churn": 0.2}, PAIRS)
    assert found.acceptance[0] == wanted


def test_without_models_nothing_is_scored_and_the_answer_says_so(tmp_path: Path) -> None:
    scorer = ModelScorer(a_site(tmp_path))
    found = scorer.acceptance(a_customer(), PAIRS)
    assert found.acceptance == (None,) * len(PAIRS)
    assert found.because == (NO_ACCEPTANCE,)
    assert scorer.customer_scores(a_customer()).because == (NO_CHURN,)
    assert scorer.models == {}


def test_the_answer_names_the_artefacts(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    promote(site, a_churn_model())
    promote(site, an_acceptance_model())
    scorer = ModelScorer(site)
    assert scorer.customer_scores(a_customer()).models == {"churn": a_churn_model().hash()}
    found = scorer.acceptance(a_customer(), PAIRS)
    assert found.models == {"acceptance": an_acceptance_model().hash()}
    assert scorer.models == {
        "churn": a_churn_model().hash(),
        "acceptance": an_acceptance_model().hash(),
    }


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(a_customer())), ODD))
def test_odd_features_are_scored_and_never_an_error(features: dict[str, Any]) -> None:
    model = Model(a_churn_model())
    score = model.one(features)
    assert score is not None
    assert 0 <= score <= 1


def test_an_unknown_action_purpose_and_channel_still_get_a_score(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    promote(site, an_acceptance_model())
    stranger = an_action("never-seen", "collections", "debts")
    found = ModelScorer(site).acceptance({}, [(stranger, "pigeon")])
    assert found.acceptance[0] is not None
    assert 0 < found.acceptance[0] < 1


def test_no_pairs_give_no_scores(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    promote(site, an_acceptance_model())
    assert ModelScorer(site).acceptance(a_customer(), []).acceptance == ()


def test_the_churn_score_is_computed_where_it_is_not_given(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    promote(site, a_churn_model())
    promote(site, an_acceptance_model())
    scorer = ModelScorer(site)
    churn = scorer.customer_scores(a_customer()).customer["churn"]
    given_it = scorer.acceptance({**a_customer(), "model.churn": churn}, PAIRS)
    assert scorer.acceptance(a_customer(), PAIRS) == given_it


def test_a_new_model_is_picked_up_at_the_next_refresh(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    scorer = ModelScorer(site)
    assert not scorer.refresh()
    promote(site, a_churn_model())
    assert scorer.refresh()
    assert scorer.models == {"churn": a_churn_model().hash()}
    promote(site, a_churn_model(most_rounds=10))
    assert scorer.refresh()
    assert scorer.models == {"churn": a_churn_model(most_rounds=10).hash()}
    assert not scorer.refresh()


def test_a_damaged_new_model_leaves_the_old_one_in_use_and_says_so(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    promote(site, a_churn_model())
    scorer = ModelScorer(site)
    before = scorer.customer_scores(a_customer()).customer
    other = a_churn_model(most_rounds=10)
    promote(site, other)
    text = site.data_dir / "models" / "churn" / other.hash().removeprefix("sha256:") / "model.txt"
    text.write_text(text.read_text().replace("leaf_value=", "leaf_value=9", 1))
    assert scorer.refresh()
    after = scorer.customer_scores(a_customer())
    assert after.customer == before
    assert "damaged" in after.because[0]


def test_a_model_that_does_not_reproduce_its_golden_scores_is_refused() -> None:
    artefact = a_churn_model()
    golden = artefact.golden
    wrong = tuple((score + 1e-6,) for (score,) in golden.scores)
    with pytest.raises(InvalidModel, match="does not reproduce"):
        Model(replace(artefact, golden=Golden(rows=golden.rows, scores=wrong)))
    with pytest.raises(InvalidModel, match="no golden rows"):
        Model(replace(artefact, golden=Golden(rows=(), scores=())))


def test_a_model_with_other_columns_is_refused() -> None:
    artefact = a_churn_model()
    with pytest.raises(InvalidModel, match="columns"):
        Model(replace(artefact, columns=artefact.columns[:-1]))


@pytest.mark.parametrize("text", ["", "tree", "pickle", "tree\nversion=v4\n"])
def test_a_text_that_is_no_model_never_reaches_the_library(text: str) -> None:
    with pytest.raises(InvalidModel):
        Forest(text, 3)
