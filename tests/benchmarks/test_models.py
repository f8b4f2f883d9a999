"""The benchmark of models tells misses as misses, and judges by what was set apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import model_trials, models
from benchmarks.model_trials import DATA_SETS, calibration_bound, split, trial
from feature_store.generate import write_csv
from models.metrics import calibration_error


def a_trial(ours: float, error: float) -> dict[str, Any]:
    baseline = {"auc": 0.8, "calibration_error": 0.02}
    return {
        "ours": {"auc": ours, "calibration_error": error},
        "logistic": baseline,
        "lightgbm": {**baseline, "auc": 0.7},
        "calibration_bound": 0.03,
    }


@pytest.mark.parametrize(
    ("ours", "error", "verdicts"),
    [
        (0.8, 0.03, ["holds", "holds"]),
        (0.7951, 0.03, ["holds", "holds"]),
        (0.7949, 0.02, ["does not hold", "holds"]),
        (0.9, 0.031, ["holds", "does not hold"]),
    ],
)
def test_a_miss_is_told_as_a_miss(ours: float, error: float, verdicts: list[str]) -> None:
    told = models.told(DATA_SETS[0], [a_trial(ours, error)] * 3, None)
    found = models.verdicts({"telco_churn": told})
    assert list(found.values()) == verdicts
    result = {"models": {"telco_churn": told}, "missing": ["banking77"], "verdicts": found}
    text = "\n".join(models.lines(result))
    assert text.count("does not hold") == verdicts.count("does not hold")
    assert "not measured: banking77" in text


def test_a_model_that_is_right_exceeds_the_bound_once_in_twenty() -> None:
    random = np.random.default_rng(3)
    chances = random.beta(1, 4, 1500)
    bound = calibration_bound(chances)
    errors = [
        calibration_error((random.random(1500) < chances).astype(float), chances)
        for _ in range(400)
    ]
    assert 0.02 < np.mean(np.array(errors) > bound) < 0.09


def test_no_row_is_both_learned_from_and_judged() -> None:
    target = np.repeat([0, 1], [80, 20])
    for seed in (None, 1, 2):
        learned, judged = split(target, seed)
        assert sorted([*learned, *judged]) == list(range(100))
        assert len(judged) == 30
    assert target[split(target, 1)[1]].sum() == 6
    assert split(target, None)[0].max() < split(target, None)[1].min()


def test_a_table_goes_through_training_and_both_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "a.csv", 700, seed=1)
    monkeypatch.setattr(model_trials, "DATA", tmp_path)
    found = trial(replace(DATA_SETS[0], file="a.csv"), seed=1)
    assert (found["learned_rows"], found["judged_rows"]) == (490, 210)
    assert all(found[name]["auc"] > 0.6 for name in models.CONTESTANTS)
    assert 0 < found["calibration_bound"] < 0.2
