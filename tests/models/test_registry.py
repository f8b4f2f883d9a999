"""Artefacts are named by their content, checked at load, and replaced only by what is not worse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import InvalidModel
from engine.ledger.site import Site
from models.artefact import Artefact, read_artefact
from models.registry import CURRENT, current, current_hash, folder, load, promote, register
from tests.support.ledgers import a_site
from tests.support.models import a_churn_model


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return a_site(tmp_path)


def test_an_artefact_comes_back_as_it_was(site: Site) -> None:
    artefact = a_churn_model()
    assert load(site, "churn", register(site, artefact)) == artefact


def test_the_same_content_has_the_same_name_and_is_kept_once(site: Site) -> None:
    assert register(site, a_churn_model()) == register(site, a_churn_model())
    kept = [path.name for path in folder(site, "churn").iterdir()]
    assert kept == [a_churn_model().hash().removeprefix("sha256:")]


def test_training_again_on_the_same_rows_gives_the_same_bytes() -> None:
    again = a_churn_model.__wrapped__(30)
    assert again.hash() == a_churn_model().hash()


@pytest.mark.parametrize("name", ["model.txt", "artefact.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "add", "remove"])
def test_any_damage_is_found_at_load(site: Site, name: str, damage: str) -> None:
    kept = register(site, a_churn_model())
    path = folder(site, "churn") / kept.removeprefix("sha256:") / name
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.unlink()
    if damage != "remove":
        path.write_bytes({"flip": flipped, "cut": content[:middle], "add": content + b" "}[damage])
    with pytest.raises(InvalidModel, match=r"damaged|can't be read"):
        load(site, "churn", kept)


@pytest.mark.parametrize("name", ["", "sha256:..", "../../etc/passwd", "sha256:" + "G" * 64])
def test_a_hash_that_is_none_never_becomes_a_path(site: Site, name: str) -> None:
    with pytest.raises(InvalidModel, match="no artefact hash"):
        load(site, "churn", name)


@pytest.mark.parametrize("facts", [b"", b"{}", b"[]", b'{"format": 2}', b"\x80\x04pickle"])
def test_facts_that_are_none_are_refused(facts: bytes) -> None:
    with pytest.raises(InvalidModel):
        read_artefact(facts, b"")


def test_nothing_is_current_before_the_first_promotion(site: Site) -> None:
    register(site, a_churn_model())
    assert current(site) == {}
    assert promote(site, a_churn_model()) == (True, "the first one")
    assert current(site) == {"churn": a_churn_model().hash()}


def test_a_worse_model_is_kept_but_not_promoted(site: Site) -> None:
    good, worse = a_churn_model(), a_churn_model(most_rounds=1)

    def loss(artefact: Artefact) -> float:
        return 0.4 if artefact.hash() == good.hash() else 0.5

    promote(site, good, loss)
    promoted, because = promote(site, worse, loss)
    assert not promoted
    assert "worse than 0.4000" in because
    assert current(site) == {"churn": good.hash()}
    assert load(site, "churn", worse.hash()) == worse


def test_a_model_that_is_as_good_within_tolerance_is_promoted(site: Site) -> None:
    before, after = a_churn_model(), a_churn_model(most_rounds=1)
    promote(site, before)
    assert promote(site, after, lambda a: 0.401 if a.hash() == after.hash() else 0.4)[0]
    assert current(site) == {"churn": after.hash()}


def test_a_current_model_that_is_damaged_gives_way(site: Site) -> None:
    promote(site, a_churn_model())
    name = a_churn_model().hash().removeprefix("sha256:")
    (folder(site, "churn") / name / "model.txt").write_text("")
    promoted, because = promote(site, a_churn_model(most_rounds=1), lambda artefact: 9.0)
    assert promoted
    assert "unusable" in because


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", "{"])
def test_a_damaged_pointer_is_an_invalid_model(site: Site, content: str) -> None:
    promote(site, a_churn_model())
    (folder(site, "churn") / CURRENT).write_text(content)
    with pytest.raises(InvalidModel, match=r"current\.json is damaged"):
        current_hash(site, "churn")


def test_no_folder_holds_a_half_written_artefact(site: Site) -> None:
    promote(site, a_churn_model())
    files = sorted(path.name for path in folder(site, "churn").rglob("*") if path.is_file())
    assert files == ["artefact.json", "current.json", "model.txt"]
    facts = json.loads(next(folder(site, "churn").rglob("artefact.json")).read_text())
    assert {"columns", "calibration", "golden", "metrics", "window"} <= facts.keys()


def test_the_golden_rows_are_no_customers(site: Site) -> None:
    artefact = a_churn_model()
    assert all(value is None for value in artefact.golden.rows[-1])
    assert replace(artefact, metrics={}).hash() != artefact.hash()
