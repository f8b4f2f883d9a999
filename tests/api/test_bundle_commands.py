"""`tactful bundle check, test, diff, schema`: what they print, and how they exit."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from engine.bundle import load_bundle
from engine.case_files import load_cases
from engine.ledger.bundles import BundleInForce
from engine.ledger.site import BUNDLES
from feature_store.schema import FEATURES


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


@pytest.fixture
def tactful(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Any:
    """Runs a command in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["tactful", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A business that may be changed."""
    return Path(shutil.copytree(BUNDLES / "telco", tmp_path / "business"))


def change(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    file.write_text(text)


def cases_in(folder: Path) -> int:
    bundle = load_bundle(folder)
    return len(load_cases(folder, bundle))


def test_check_counts_the_actions_of_a_good_bundle(tactful: Any, folder: Path) -> None:
    ran = tactful("bundle", "check", folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("sha256:")
    assert ran.out.endswith("actions, no problems\n")
    data = tactful("bundle", "check", folder, "--json").data
    assert data["bundle"] == load_bundle(folder).hash
    assert data["problems"] == []


def test_check_lists_every_problem_at_once_and_fails(tactful: Any, folder: Path) -> None:
    change(folder / "business.yaml", ("at_most: 2", "at_most: two"), ("week_starts", "week_stars"))
    change(folder / "actions" / "sales.yaml", ("group: internet", "group: internt"))
    ran = tactful("bundle", "check", folder)
    assert (ran.code, ran.out) == (1, "")
    lines = ran.err.splitlines()
    assert len(lines) == 3
    assert any("actions/sales.yaml:" in line and "did you mean internet?" in line for line in lines)
    found = tactful("bundle", "check", folder, "--json")
    assert found.code == 1
    assert len(found.data["problems"]) == 3


def test_check_knows_the_features_and_what_a_schema_can_not_see(tactful: Any, folder: Path) -> None:
    change(folder / "actions" / "sales.yaml", ("services.internet ==", "services.internets =="))
    ran = tactful("bundle", "check", folder)
    assert ran.code == 1
    assert "unknown feature 'services.internets', did you mean services.internet?" in ran.err


def test_check_misses_the_business_hours_that_journeys_go_by(tactful: Any, folder: Path) -> None:
    file = folder / "business.yaml"
    text = file.read_text().replace("hours: care", "hours: shop")
    file.write_text(text.replace("\n  care:\n    holidays", "\n  shop:\n    holidays"))
    ran = tactful("bundle", "check", folder)
    assert (ran.code, ran.out) == (1, "")
    assert "business_hours: care is missing, by which " in ran.err
    assert "callback" in ran.err
    assert "it has around-the-clock, shop" in ran.err
    assert tactful("bundle", "check", folder, "--json").data["bundle"] is None


def test_test_passes_and_says_that_nothing_is_missing(tactful: Any) -> None:
    ran = tactful("bundle", "test", "--complete")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].endswith("cases: all as expected; everything is exercised")


def test_a_case_that_is_not_as_expected_fails_the_test(tactful: Any, folder: Path) -> None:
    change(folder / "business.yaml", ("at_most: 2\n", "at_most: 3\n"))
    ran = tactful("bundle", "test", folder)
    assert ran.code == 1
    failures = [line for line in ran.out.splitlines() if line.startswith("cases/")]
    why = "upgrade-fiber should be stopped at contact_limit marketing-messages-in-a-week"
    assert any(why in line for line in failures)
    assert ran.out.splitlines()[-1].startswith(f"{cases_in(folder)} cases: {len(failures)} not as")
    assert tactful("bundle", "test", folder, "--json").data["failures"] == failures


def test_what_has_no_case_is_told_and_fails_only_if_asked_to(tactful: Any, folder: Path) -> None:
    shutil.rmtree(folder / "cases")
    ran = tactful("bundle", "test", folder)
    assert ran.code == 0
    assert "has-dsl of action upgrade-fiber: no case expects it to stop something" in ran.out
    assert ran.out.splitlines()[-1].startswith("0 cases: all as expected; ")
    assert tactful("bundle", "test", folder, "--complete").code == 1
    missing = tactful("bundle", "test", folder, "--json").data["coverage"]
    assert {item["kind"] for item in missing if item["missing"]} >= {"rule", "stage", "level"}


def test_a_mistake_in_a_case_is_told_with_its_place(tactful: Any, folder: Path) -> None:
    change(folder / "cases" / "help.yaml", ("customer: anita", "customer: anitta"))
    ran = tactful("bundle", "test", folder)
    assert (ran.code, ran.out) == (1, "")
    assert "cases/help.yaml:" in ran.err
    assert "did you mean anita?" in ran.err


def test_diff_says_in_words_what_changes(tactful: Any, folder: Path) -> None:
    change(folder / "business.yaml", ("at_most: 2\n", "at_most: 3\n"), ("48 hours", "3 days"))
    ran = tactful("bundle", "diff", "current", folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "hold complaint: cool down 2 days -> 3 days",
        "limit marketing-messages-in-a-week: at most 2 -> 3",
    ]
    changes = tactful("bundle", "diff", "current", folder, "--json").data["changes"]
    assert changes[1] == {
        "where": ["limits", "marketing-messages-in-a-week", "maximum"],
        "words": "limit marketing-messages-in-a-week: at most 2 -> 3",
        "before": "2",
        "after": "3",
    }


def test_diff_of_the_same_says_that_nothing_changes(tactful: Any, folder: Path) -> None:
    change(folder / "business.yaml", ("# The example business", "# Our business"))
    assert tactful("bundle", "diff", folder, "current").out == "nothing changes\n"
    assert tactful("bundle", "diff", folder, "current", "--json").data == {"changes": []}


def test_diff_finds_what_was_in_force_by_its_hash(tactful: Any, folder: Path) -> None:
    archive = folder.parent / "data" / "bundles"
    models = {"churn": "sha256:1"}
    old = BundleInForce(folder, archive, lambda: models, FEATURES)().hash
    change(folder / "business.yaml", ("currency: USD", "currency: EUR"))
    models["churn"] = "sha256:2"
    new = BundleInForce(folder, archive, lambda: models, FEATURES)().hash
    data_dir = ("--data-dir", folder.parent / "data")
    assert tactful("bundle", "diff", old, new, *data_dir).out.splitlines() == [
        "currency USD -> EUR",
        "model churn sha256:1 -> sha256:2",
    ]
    assert tactful("bundle", "diff", old, folder, *data_dir).out == "currency USD -> EUR\n"


@pytest.mark.parametrize("side", ["nowhere", f"sha256:{'0' * 64}", "sha256:../../x"])
def test_diff_refuses_what_is_no_bundle(tactful: Any, side: str) -> None:
    ran = tactful("bundle", "diff", "current", side)
    assert (ran.code, ran.out) == (1, "")
    assert side in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("words", [("diff", "current"), ("test", "--quick"), ("check", "a", "b")])
def test_wrong_usage_ends_with_two(tactful: Any, words: Sequence[str]) -> None:
    assert tactful("bundle", *words).code == 2


def test_schema_prints_the_one_that_is_kept(tactful: Any) -> None:
    ran = tactful("bundle", "schema")
    assert ran.code == 0
    assert ran.out == (BUNDLES / "bundle.schema.json").read_text()
