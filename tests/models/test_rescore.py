"""A recorded decision is scored again with the models it names, by another way to predict."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.decide import decide
from engine.ledger.site import Site
from engine.record import Record
from engine.types import Placement
from models.registry import folder, promote
from models.rescore import rescored
from models.score import ModelScorer
from tests.support.builders import DAY, a_bundle, a_request, a_snapshot
from tests.support.ledgers import NoModels, a_site
from tests.support.models import ACTIONS, a_churn_model, an_acceptance_model, made_up

BUNDLE = a_bundle(*ACTIONS, max_ages={"contract": 30 * DAY})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A stack with small models."""
    found = a_site(tmp_path)
    for artefact in (a_churn_model(), an_acceptance_model()):
        promote(found, artefact)
    return found


def a_record(
    site: Site, number: int = 0, age: int = 0, scorer: ModelScorer | None = None
) -> Record:
    """A decision about a made-up customer with features of some age, scored by the models."""
    request = a_request("web", Placement(limit=3))
    _, features, _ = made_up(600)[number]
    times = dict.fromkeys(("profile", "contract", "services", "billing"), request.now - age * DAY)
    snapshot = a_snapshot(features=features, feature_times=times)
    decision = decide(request, snapshot, BUNDLE, scorer or ModelScorer(site))
    return Record(request=request, snapshot=snapshot, decision=decision)


@pytest.mark.parametrize("age", [0, 40])
def test_booster_predict_gives_the_recorded_scores_again(site: Site, age: int) -> None:
    scorer = ModelScorer(site)
    for number in range(20):
        found = rescored(site, a_record(site, number, age, scorer), BUNDLE)
        assert found.compared == 1 + len(ACTIONS)
        assert found.largest_difference is not None
        assert found.largest_difference <= 1e-9
        assert found.because == ()


def test_a_score_that_was_changed_shows_as_a_difference(site: Site) -> None:
    kept = a_record(site)
    scores = kept.decision.scores
    first = (scores.acceptance[0] or 0.0) + 0.25
    changed = replace(scores, acceptance=(first, *scores.acceptance[1:]))
    found = rescored(site, replace(kept, decision=replace(kept.decision, scores=changed)), BUNDLE)
    assert found.largest_difference == pytest.approx(0.25)


def test_models_that_are_gone_are_named(site: Site) -> None:
    kept = a_record(site)
    shutil.rmtree(folder(site, "acceptance"))
    found = rescored(site, kept, BUNDLE)
    assert found.compared == 1
    assert "acceptance" in found.because[0]


def test_without_models_there_is_nothing_to_compare(site: Site) -> None:
    request, snapshot = a_request(), a_snapshot()
    decision = decide(request, snapshot, BUNDLE, NoModels())
    kept = Record(request=request, snapshot=snapshot, decision=decision)
    found = rescored(site, kept, BUNDLE)
    assert (found.compared, found.largest_difference) == (0, None)
    assert found.because == ("no model scored this decision",)
