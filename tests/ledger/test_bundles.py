"""The bundle in force follows its files, survives a broken change, and is kept for ever."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.decide import decide
from engine.errors import NotFound
from engine.ledger.bundles import BundleInForce, archived_bundle
from engine.ledger.site import BUNDLES
from engine.record import record
from engine.replay import identical
from feature_store.schema import FEATURES
from tests.support.builders import a_request, a_snapshot
from tests.support.ledgers import NoModels

MODELS: dict[str, str] = {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a business that may be changed."""
    return Path(shutil.copytree(BUNDLES / "telco", tmp_path / "business"))


def in_force(folder: Path, models: dict[str, str] = MODELS) -> BundleInForce:
    """The bundle of a folder, with its archive beside it."""
    return BundleInForce(folder, folder.parent / "bundles", lambda: models, FEATURES)


def rename(folder: Path, name: str) -> None:
    """Gives the business another name, which may be none."""
    file = folder / "business.yaml"
    text = file.read_text()
    assert text.count("name: telco") == 1
    file.write_text(text.replace("name: telco", f"name: {name}"))


def test_a_changed_file_is_in_force_after_a_refresh(folder: Path) -> None:
    bundle = in_force(folder)
    assert not bundle.refresh()
    rename(folder, "telecoms")
    assert bundle().name == "telco"
    assert bundle.refresh()
    assert (bundle().name, bundle.problems) == ("telecoms", ())


def test_another_model_makes_another_bundle(folder: Path) -> None:
    models = {"churn": "sha256:1"}
    bundle = in_force(folder, models)
    before = bundle().hash
    models["churn"] = "sha256:2"
    assert bundle.refresh()
    assert bundle().hash != before
    assert bundle().models == models


def test_a_broken_change_leaves_the_last_good_bundle_in_force_and_says_so(folder: Path) -> None:
    bundle = in_force(folder)
    good = bundle()
    rename(folder, '""')
    assert not bundle.refresh()
    assert bundle() is good
    assert bundle.problems[0].startswith("business.yaml:5: ")
    shutil.copytree(BUNDLES / "telco", folder, dirs_exist_ok=True)
    assert not bundle.refresh()
    assert (bundle().hash, bundle.problems) == (good.hash, ())


def test_a_refresh_that_failed_for_another_reason_is_tried_again(folder: Path) -> None:
    bundle = in_force(folder)
    rename(folder, "telecoms")
    archive = folder.parent / "bundles"
    archive.rename(folder.parent / "away")
    archive.touch()
    with pytest.raises(OSError, match="bundles"):
        bundle.refresh()
    archive.unlink()
    assert bundle.refresh()
    assert bundle().name == "telecoms"


def test_a_decision_is_run_again_under_the_archived_bundle_of_its_time(folder: Path) -> None:
    bundle = in_force(folder)
    request, snapshot = a_request(), a_snapshot()
    decision = decide(request, snapshot, bundle(), NoModels())
    kept = record(request, snapshot, decision)
    rename(folder, "telecoms")
    bundle.refresh()
    archive = folder.parent / "bundles"
    assert not identical(kept, bundle())
    assert identical(kept, archived_bundle(archive, decision.bundle))


def test_a_bundle_that_was_never_in_force_is_not_found(folder: Path) -> None:
    in_force(folder)
    with pytest.raises(NotFound, match="sha256:0"):
        archived_bundle(folder.parent / "bundles", "sha256:0")
