"""Each guard is taken out in turn: the suite notices every time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises.removed import GUARDS, VARIABLE

ROOT = Path(__file__).parent.parent.parent
TESTS_FAILED = 1
SEEN_FROM_OUTSIDE = (
    "holds",
    "contact limits",
    "contact policies",
    "quiet hours",
    "nothing while not reconciled",
    "freshness",
    "version at authorisation",
    "units at commit",
    "contacts after a wipe",
)
"""What the auditor of tests/promises can see missing, without knowing what is inside."""


def ends(guard: str | None, *files: str) -> subprocess.CompletedProcess[str]:
    """How the tests of these files end without a guard."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "--no-header"]
    plugin = ["-p", "tests.promises.removed"] if guard else []
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *plugin, *(f"tests/{file}" for file in files)],
        cwd=ROOT,
        env={**os.environ, VARIABLE: guard or ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.long
@pytest.mark.parametrize("guard", GUARDS)
def test_the_suite_notices_that_a_guard_is_gone(guard: str) -> None:
    ended = ends(guard, GUARDS[guard][1])
    assert ended.returncode == TESTS_FAILED, ended.stdout[-2_000:] + ended.stderr[-2_000:]


@pytest.mark.long
@pytest.mark.parametrize("guard", SEEN_FROM_OUTSIDE)
def test_random_interleavings_alone_notice_that_a_guard_is_gone(guard: str) -> None:
    ended = ends(guard, "promises/test_promises.py")
    assert ended.returncode == TESTS_FAILED, ended.stdout[-2_000:] + ended.stderr[-2_000:]


@pytest.mark.long
def test_with_every_guard_in_place_the_same_files_pass() -> None:
    ended = ends(None, *sorted({file for _, file in GUARDS.values()}))
    assert ended.returncode == 0, ended.stdout[-2_000:]
