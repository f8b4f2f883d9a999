"""The bundle in force follows its files, survives a broken change, and is kept for ever."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
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


def test_what_is_beside_the_files_keeps_no_change_from_being_in_force(folder: Path) -> None:
    actions = folder / "actions"
    (actions / ".#sales.yaml").symlink_to("kim@desk.4711")  # so Emacs marks what is being edited
    (actions / "._sales.yaml").write_bytes(b"\x00\x05\x16\x07")  # so macOS keeps its own
    (actions / "gone.yaml").symlink_to(folder / "nowhere")
    (actions / "old.yaml").mkdir()
    os.mkfifo(actions / "pipe.yaml")
    bundle = in_force(folder)
    rename(folder, "telecoms")
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


def test_a_broken_change_is_reported_once_with_every_problem(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = in_force(folder)
    file = folder / "business.yaml"
    text = file.read_text()
    broken = text.replace("at_most: 2", "at_most: two", 1).replace("currency:", "curency:", 1)
    file.write_text(broken)
    for _ in range(3):
        assert not bundle.refresh()
    file.write_text(broken + "# a comment mends nothing\n")
    assert not bundle.refresh()
    (told,) = [record.getMessage() for record in caplog.records]
    assert f"{bundle().hash} stays in force" in told
    assert len(bundle.problems) >= 2
    assert all(problem in told for problem in bundle.problems)
    assert all(problem.startswith("business.yaml:") for problem in bundle.problems)


def test_a_broken_bundle_is_not_kept_as_if_it_had_been_in_force(folder: Path) -> None:
    bundle = in_force(folder)
    rename(folder, '""')
    bundle.refresh()
    kept = [file.name for file in (folder.parent / "bundles").iterdir()]
    assert kept == [f"{bundle().hash.replace(':', '-')}.json"]


class Interrupted(set[str]):
    """Features, asked for once the files were read: then somebody saves another file."""

    def __init__(self, save: Callable[[], object]) -> None:
        super().__init__(FEATURES)
        self.save = save

    def __contains__(self, name: object) -> bool:
        self.save()
        return super().__contains__(name)


def test_files_that_change_while_they_are_read_are_read_again(folder: Path) -> None:
    """What was read may be half of one bundle and half of the next, and still be valid."""
    late = folder / "actions" / "survey.yaml"
    text, due = late.read_text(), list[bool]()
    half = text.replace("value: 6", "value: 600")
    whole = text.replace("How are we doing?", "How are we?", 1)
    saves = Interrupted(lambda: due and due.pop() and late.write_text(whole))
    bundle = BundleInForce(folder, folder.parent / "bundles", dict, saves)
    good = bundle().hash
    late.write_text(half)
    due.append(True)
    assert not bundle.refresh()
    assert bundle().hash == good
    assert bundle.refresh()
    action = bundle().actions["satisfaction-survey"]
    assert (action.title, action.value.text) == ("How are we?", "6")


def test_golden_cases_that_change_change_nothing(folder: Path) -> None:
    bundle = in_force(folder)
    (folder / "cases" / "broken.yaml").write_text("nothing: [")
    assert not bundle.refresh()
    assert bundle.problems == ()


def test_an_emergency_stop_is_in_force_after_one_refresh(folder: Path) -> None:
    bundle = in_force(folder)
    request, snapshot = a_request(), a_snapshot()
    (offer,) = decide(request, snapshot, bundle(), NoModels()).offers
    stop = f"exclusions: {{stop: {{actions: [{offer.action}], because: It is wrong.}}}}\n"
    (folder / "stop.yaml").write_text(stop)
    assert bundle.refresh()
    decision = decide(replace(request, explain=True), snapshot, bundle(), NoModels())
    assert offer.action not in {each.action for each in decision.offers}
    (stopped,) = [one for one in decision.candidates if one.action == offer.action]
    assert stopped.drops[0].rule == "exclusion:stop"
    (folder / "stop.yaml").unlink()
    assert bundle.refresh()
    assert decide(request, snapshot, bundle(), NoModels()).offers == (offer,)


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
