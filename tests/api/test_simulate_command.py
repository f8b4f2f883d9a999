"""`tactful simulate`: what a changed bundle would have done to the archive, or why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from engine.errors import InvalidInput, TactfulError
from engine.ledger.archive import records
from engine.ledger.site import BUNDLES as EXAMPLES
from engine.ledger.site import Site
from engine.record import read
from tests.api.test_proof_commands import COUNT, decided, shop

__all__ = ["shop"]


def run(*words: str) -> Result:
    """What the command prints; what it refuses is raised."""
    result = CliRunner().invoke(app, ["simulate", *words])
    if isinstance(result.exception, TactfulError):
        raise result.exception
    return result


def told(*words: str) -> Any:
    """What the command says to programs."""
    return json.loads(run(*words, "--wait", "0", "--json").stdout.splitlines()[-1])


def without(folder: Path, action: str) -> Path:
    """The example business, with an action under another name."""
    shutil.copytree(EXAMPLES / "telco", folder)
    for path in folder.rglob("*.yaml"):
        path.write_text(path.read_text().replace(action, "something-else"))
    return folder


def test_the_bundle_in_force_changes_nothing_and_four_decisions_tell_nothing(shop: Site) -> None:
    decided(shop)
    found = told("--bundle", "current")
    assert (found["places"], found["changed"]) == (COUNT, 0)
    counts = found["contacts"]["web"]
    assert counts["happened"] == counts["would"]
    assert found["accepted"]["happened"]["value"] == 0
    assert found["accepted"]["refused"]["reason"] == "too_few"
    assert f"{COUNT} rows; at least 100" in found["accepted"]["refused"]["words"]


def test_a_log_without_exploration_is_refused_in_words(shop: Site, tmp_path: Path) -> None:
    decided(shop)
    offered = read(records(shop.archive)[0]).decision.offers
    assert offered
    changed = without(tmp_path / "changed", offered[0].action)
    result = run("--bundle", str(changed), "--wait", "0")
    assert result.exit_code == 0
    assert "something else" in result.stdout
    assert "as it happened" in result.stdout
    assert "no estimate (no_support)" in result.stdout


def test_only_decisions_that_can_be_answered_by_now_count(shop: Site) -> None:
    decided(shop)
    with pytest.raises(InvalidInput, match="older than 7 days"):
        run("--bundle", "current")
    assert told("--bundle", "current", "--decisions", "3")["places"] == 3
