"""A new designer's way: what `tactful journeys new` writes, and the example of the guide, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.skeleton import write
from engine.errors import InvalidInput

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "authoring.md"
FILE = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree to write into, which is this one as long as nothing is written."""
    for entry in ROOT.iterdir():
        if entry.name not in ("workflows", "tests"):
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / "workflows").mkdir()
    for entry in (ROOT / "workflows").iterdir():
        (tmp_path / "workflows" / entry.name).symlink_to(entry)
    (tmp_path / "tests" / "workflows").mkdir(parents=True)
    return tmp_path


def run(tree: Path, *words: str) -> str:
    """What a command of Python prints in that tree, which must not fail."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_skeleton_is_clean_and_its_test_passes(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    told = CliRunner().invoke(app, ["journeys", "new", "lost-parcel"])
    assert told.exit_code == 0, told.output
    files = ["workflows/lost_parcel.py", "tests/workflows/test_lost_parcel.py"]
    assert all(name in told.output for name in [*files, "KINDS", "TABLE", "PASSED_ON"])
    run(tree, "ruff", "check", *files)
    run(tree, "ruff", "format", "--check", *files)
    assert "4 passed" in run(tree, "pytest", "-q", files[1])


def test_the_example_of_the_guide_is_clean_and_its_test_passes(tree: Path) -> None:
    files = dict(FILE.findall(GUIDE.read_text()))
    assert sorted(files) == ["tests/workflows/test_missed_call.py", "workflows/missed_call.py"]
    for name, text in files.items():
        (tree / name).write_text(text)
    run(tree, "ruff", "check", *files)
    run(tree, "ruff", "format", "--check", *files)
    assert "3 passed" in run(tree, "pytest", "-q", "tests/workflows/test_missed_call.py")


def test_a_journey_may_be_written_into_a_folder_of_ones_own(tmp_path: Path) -> None:
    files = write("lost-parcel", tmp_path / "shop", tmp_path / "checks")
    assert files.journey == tmp_path / "shop" / "lost_parcel.py"
    assert "shop.lost_parcel import" in files.test.read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write("lost-parcel", tmp_path, tmp_path)
    (tmp_path / "lost_parcel.py").write_text("mine")
    with pytest.raises(InvalidInput, match="there already"):
        write("lost-parcel", tmp_path, tmp_path)
    assert (tmp_path / "lost_parcel.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["LostParcel", "lost parcel", "../lost", "4parcels", ""])
def test_a_name_that_can_not_be_a_file_and_a_kind_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="such as missed-call"):
        write(name, tmp_path, tmp_path)


def test_a_kind_that_exists_is_refused() -> None:
    told = CliRunner().invoke(app, ["journeys", "new", "complaint"])
    assert isinstance(told.exception, InvalidInput)
    assert "complaint" in str(told.exception)
