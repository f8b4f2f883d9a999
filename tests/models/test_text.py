"""Models of texts learn what texts are about, are kept as text, and show damage."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidInput, InvalidModel
from engine.ledger.site import Site
from models.dataset import held_out
from models.registry import current_hash, place
from models.text import TextModel, read_text_model, terms
from models.text_fit import Texts, fit_texts
from models.text_train import text_model, train_texts
from tests.support.ledgers import a_site
from tests.support.models import AT

ABOUT = {
    "billing": "charged invoice twice refund money statement fee amount",
    "network": "router slow outage internet disconnects signal cable speed",
    "contract": "cancel renewal term notice end leave moving terminate",
}
FILLER = "hello please my the a I yesterday again still today for you since"


def sentences(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts of a few words of their topic among words of none, with what each is about."""
    random_ = random.Random(seed)
    found: list[tuple[str, str]] = []
    for _ in range(count):
        about = random_.choice(sorted(ABOUT))
        words = random_.sample(ABOUT[about].split(), 2) + random_.sample(FILLER.split(), 5)
        random_.shuffle(words)
        found.append((" ".join(words), about))
    return found


def a_table(folder: Path, count: int = 400, seed: int = 1) -> Path:
    """The same as a CSV file."""
    rows = [f"{text},{about}" for text, about in sentences(count, seed)]
    path = folder / "texts.csv"
    path.write_text("\n".join(["text,about", *rows]) + "\n")
    return path


@cache
def a_text_model() -> TextModel:
    found = sentences(400, 1)
    classes = tuple(sorted(ABOUT))
    target = np.array([classes.index(about) for _, about in found])
    examples = Texts(texts=[text for text, _ in found], target=target, classes=classes)
    return fit_texts(examples, "triage", "about", AT)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return a_site(tmp_path)


def test_texts_go_where_they_belong() -> None:
    asked = sentences(200, 2)
    right = sum(a_text_model().most_likely(text)[0] == about for text, about in asked)
    assert right > 190


def test_a_word_that_was_misspelt_is_understood_by_its_parts() -> None:
    assert a_text_model().most_likely("the intrnet routr dropps")[0] == "network"


def test_chances_mean_what_they_say_and_a_text_without_known_words_is_nobodys() -> None:
    found = a_text_model().probabilities(["", "qqqq 77 ###", "refund invoice"])
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert np.array_equal(found[0], found[1])
    assert found[0].max() < 0.6 < found[2].max()


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=200))
def test_any_text_at_all_can_be_classified(text: str) -> None:
    name, chance = a_text_model().most_likely(text)
    assert name in ABOUT
    assert 1 / 3 <= chance <= 1


@given(st.text(max_size=40))
def test_no_term_could_break_the_lines_of_the_file(text: str) -> None:
    assert not any(mark in term for term in terms(text) for mark in "\t\n")


def test_a_model_of_texts_comes_back_as_it_was_from_text_alone() -> None:
    model = a_text_model()
    again = read_text_model(model.facts(), model.model.encode())
    assert again.hash() == model.hash()
    texts = [text for text, _ in sentences(20, 3)]
    assert np.array_equal(again.probabilities(texts), model.probabilities(texts))
    assert a_text_model.__wrapped__().hash() == model.hash()


DAMAGE: dict[str, Callable[[str], str]] = {
    "its second half is gone": lambda text: text[: len(text) // 2],
    "a line is gone": lambda text: "\n".join([*text.split("\n")[:-2], ""]),
    "two terms changed places": lambda text: (
        text.replace("=refund\t", "=\t", 1)
        .replace("=router\t", "=refund\t", 1)
        .replace("=\t", "=router\t", 1)
    ),
    "a weight is none": lambda text: text.replace(" 0.", " nan 0.", 1),
    "weights are no numbers": lambda text: text.replace("=refund\t", "=refund\tnan", 1),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_of_texts_is_refused_even_under_a_hash_that_fits(damage: str) -> None:
    model = a_text_model()
    changed = DAMAGE[damage](model.model)
    assert changed != model.model
    with pytest.raises(InvalidModel):
        read_text_model(model.facts(), changed.encode())


def test_a_table_of_texts_becomes_the_current_model(site: Site, tmp_path: Path) -> None:
    report = train_texts(site, "triage", a_table(tmp_path), "text", "about")
    assert report["promoted"]
    assert (report["metrics"]["macro_f1"] or 0) > 0.9
    assert report["rows"] + report["held_out_rows"] == 400
    assert text_model(site, "triage").most_likely("a refund for my invoice")[0] == "billing"


def test_a_worse_model_of_texts_does_not_take_over(site: Site, tmp_path: Path) -> None:
    train_texts(site, "triage", a_table(tmp_path), "text", "about")
    before = current_hash(site, "triage")
    found = sentences(400, 1)
    apart = held_out([text for text, _ in found])
    wrong = {"billing": "network", "network": "contract", "contract": "billing"}
    rows = [f"{t},{a if out else wrong[a]}" for (t, a), out in zip(found, apart, strict=True)]
    table = tmp_path / "wrong.csv"
    table.write_text("\n".join(["text,about", *rows]) + "\n")
    report = train_texts(site, "triage", table, "text", "about")
    assert not report["promoted"]
    assert "worse than" in report["because"]
    assert current_hash(site, "triage") == before


@pytest.mark.parametrize("name", ["churn", "acceptance", "../up", "", "Triage"])
def test_a_model_of_texts_takes_no_name_of_another_kind(site: Site, name: str) -> None:
    with pytest.raises(InvalidInput, match="can't name"):
        train_texts(site, name, Path("none.csv"), "text", "about")


def test_what_cant_be_learned_from_is_said(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no column 'words'"):
        train_texts(site, "triage", a_table(tmp_path), "words", "about")
    with pytest.raises(InvalidModel, match="train it first"):
        text_model(site, "triage")


def test_a_model_that_was_changed_on_disk_is_refused(site: Site, tmp_path: Path) -> None:
    report = train_texts(site, "triage", a_table(tmp_path), "text", "about")
    file = place(site, "triage", report["artefact"]) / "model.txt"
    file.write_text(file.read_text().replace("=refund", "=rebate"))
    with pytest.raises(InvalidModel, match="damaged"):
        text_model(site, "triage")
