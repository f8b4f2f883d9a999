"""A compiled model scores only after it was checked; whatever is wrong with it, others score."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from engine.errors import InvalidModel
from engine.ledger.site import Site
from models import compiled, forest, leaves
from models.compiled import compile_current, compile_model, object_file
from models.registry import place, promote
from models.score import ModelScorer
from tests.support.customers import a_customer
from tests.support.ledgers import a_site
from tests.support.models import ACTIONS, CHANNELS, a_churn_model, an_acceptance_model

PAIRS = [(action, channel) for action in ACTIONS for channel in CHANNELS]


class FakeLibrary:
    """As lleaves does it: compiles to a file, or loads it; predicts almost as LightGBM does."""

    def __init__(self, model_file: str, off_by: float) -> None:
        self._booster = lgb.Booster(model_file=model_file)
        self._off_by = off_by
        self._raw_score = False

    def compile(self, *, cache: str, raw_score: bool) -> None:
        code = Path(cache)
        if not code.exists():
            code.write_bytes(b"machine code")
        self._raw_score = raw_score

    def predict(self, rows: Any, n_jobs: int) -> Any:
        found: Any = self._booster.predict(rows, raw_score=self._raw_score, num_threads=n_jobs)
        return np.asarray(found) + self._off_by


Install = Callable[[float], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a library whose scores are off by so much; masks are out of the way."""
    monkeypatch.setattr(leaves, "MOST_BYTES", 1000)

    def installed(off_by: float) -> None:
        def model(model_file: str) -> FakeLibrary:
            return FakeLibrary(model_file, off_by)

        monkeypatch.setitem(sys.modules, "lleaves", SimpleNamespace(Model=model))

    return installed


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A stack with two small models."""
    found = a_site(tmp_path)
    promote(found, a_churn_model())
    promote(found, an_acceptance_model())
    return found


def churn_folder(site: Site) -> Path:
    return place(site, "churn", a_churn_model().hash())


def test_what_is_compiled_scores_where_masks_cant_and_the_answer_says_so(
    site: Site, install: Install
) -> None:
    by_library = ModelScorer(site)
    wanted = by_library.customer_scores(a_customer()), by_library.acceptance(a_customer(), PAIRS)
    install(4e-16)
    for name in ("churn", "acceptance"):
        compile_current(site, name)
    scorer = ModelScorer(site)
    found = scorer.customer_scores(a_customer()), scorer.acceptance(a_customer(), PAIRS)
    assert scorer.backends == dict.fromkeys(("churn", "acceptance"), compiled.BACKEND)
    assert [scores.backend for scores in found] == [compiled.BACKEND] * 2
    assert found[0].customer == wanted[0].customer
    assert found[1].acceptance == wanted[1].acceptance


def test_a_running_scorer_takes_up_what_was_compiled(site: Site, install: Install) -> None:
    install(0.0)
    scorer = ModelScorer(site)
    assert scorer.backends["churn"] == forest.BACKEND
    compile_current(site, "churn")
    assert scorer.refresh()
    assert scorer.backends["churn"] == compiled.BACKEND


def test_a_compiled_model_with_other_scores_is_not_used_and_the_log_says_so(
    site: Site, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(1e-6)
    compile_current(site, "churn")
    with caplog.at_level(logging.WARNING):
        scores = ModelScorer(site).customer_scores(a_customer())
    assert (scores.backend, scores.because) == (forest.BACKEND, ())
    assert "lleaves does not reproduce the golden scores of model churn" in caplog.text


def test_a_damaged_object_file_is_never_loaded(
    site: Site, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(0.0)
    compile_current(site, "churn")
    object_file(churn_folder(site)).write_bytes(b"other code")
    assert ModelScorer(site).backends["churn"] == forest.BACKEND
    assert "is damaged" in caplog.text


def test_code_for_another_processor_is_not_even_looked_at(site: Site, install: Install) -> None:
    install(0.0)
    code = compile_model(churn_folder(site))
    code.rename(code.with_name("compiled-0123456789ab.o"))
    assert ModelScorer(site).backends["churn"] == forest.BACKEND


def test_without_the_library_what_is_compiled_is_left_alone(
    site: Site, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(0.0)
    compile_current(site, "churn")
    monkeypatch.setitem(sys.modules, "lleaves", None)
    assert ModelScorer(site).backends["churn"] == forest.BACKEND
    with pytest.raises(InvalidModel, match=r"tactful\[compiled\]"):
        compile_current(site, "churn")


def test_a_scorer_never_compiles(site: Site, install: Install) -> None:
    install(0.0)
    ModelScorer(site)
    assert not object_file(churn_folder(site)).exists()


def test_leaf_masks_come_before_what_is_compiled(
    site: Site, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(0.0)
    compile_current(site, "churn")
    monkeypatch.setattr(leaves, "MOST_BYTES", 64_000_000)
    assert ModelScorer(site).backends["churn"] == leaves.BACKEND


def test_compiling_what_was_never_trained_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="no current model churn"):
        compile_current(a_site(tmp_path), "churn")
