"""`tactful models`: what is in use, what became of trainings, the way back, texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from api.settings import load_settings, site
from engine.ledger.site import Site
from models.history import Entry, Happened, note
from models.registry import current_hash, promote
from tests.support.models import a_churn_model

FIRST, SECOND = a_churn_model(30), a_churn_model(40)


@pytest.fixture
def stack(tmp_path: Path) -> Site:
    """A stack that trained twice; the second model is in use."""
    found = site(load_settings({"data_dir": tmp_path}))
    before = None
    for artefact in (FIRST, SECOND):
        promote(found, artefact)
        entry = Entry(
            at=datetime(2026, 3, 1, 3, tzinfo=UTC),
            what=Happened.PROMOTED,
            artefact=artefact.hash(),
            because="log loss 0.4000, not worse than 0.4100",
            before=before,
        )
        note(found, "churn", entry)
        before = artefact.hash()
    return found


def tactful(stack: Site, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--data-dir", str(stack.data_dir)])


def test_the_list_tells_what_is_in_use_and_how_good_it_is(stack: Site) -> None:
    text = tactful(stack, "models", "list").stdout
    assert SECOND.hash()[7:19] in text
    assert "auc 0." in text
    (told,) = json.loads(tactful(stack, "models", "list", "--json").stdout)
    assert (told["name"], told["artefact"]) == ("churn", SECOND.hash())


def test_a_model_that_cant_be_read_is_in_the_list_with_the_reason(stack: Site) -> None:
    kept = stack.data_dir / "models" / "churn" / SECOND.hash()[7:] / "model.txt"
    kept.write_text(kept.read_text()[:-50])
    assert "is damaged" in tactful(stack, "models", "list").stdout


def test_the_history_is_told_newest_first(stack: Site) -> None:
    lines = tactful(stack, "models", "history", "churn").stdout.splitlines()
    assert [SECOND.hash()[7:19] in lines[0], FIRST.hash()[7:19] in lines[1]] == [True, True]
    assert "2026-03-01 03:00" in lines[0]
    assert "not worse than 0.4100" in lines[0]
    (last,) = tactful(
        stack, "models", "history", "churn", "--last", "1", "--json"
    ).stdout.splitlines()
    assert json.loads(last)["artefact"] == SECOND.hash()


def test_the_way_back_is_one_command_and_on_record(stack: Site) -> None:
    told = tactful(stack, "models", "rollback", "churn", "--because", "too eager")
    assert "is in use again" in told.stdout
    assert current_hash(stack, "churn") == FIRST.hash()
    assert "too eager" in tactful(stack, "models", "history", "churn", "--last", "1").stdout
    tactful(stack, "models", "rollback", "churn", "--to", SECOND.hash()[7:15])
    assert current_hash(stack, "churn") == SECOND.hash()


@pytest.mark.parametrize("words", [("rollback", "triage"), ("rollback", "churn", "--to", "zz")])
def test_what_there_is_no_way_back_to_is_said(stack: Site, words: tuple[str, ...]) -> None:
    told = tactful(stack, "models", *words)
    assert told.exit_code != 0
    assert current_hash(stack, "churn") == SECOND.hash()


def test_texts_are_learned_and_classified_by_commands(stack: Site, tmp_path: Path) -> None:
    rows = [f"refund my invoice {n},money\nthe router is slow {n},network" for n in range(60)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,about", *rows]) + "\n")
    learn = ("models", "learn", "triage", str(tmp_path / "texts.csv"))
    told = tactful(stack, *learn, "--text", "text", "--target", "about", "--json")
    assert json.loads(told.stdout.splitlines()[-1])["promoted"]
    found = tactful(stack, "models", "classify", "triage", "my invoice is wrong", "--json")
    assert json.loads(found.stdout)["money"] > 0.5
