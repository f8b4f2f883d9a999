"""What no model gets past: each is refused with a clear reason, and the one before keeps serving.

The gate stands before a model is put in use; the load path stands behind it, for files that were
changed, or put there, by other hands.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidInput, InvalidModel
from engine.ledger.site import Site
from models.artefact import Artefact, content_hash, read_artefact
from models.calibrate import Calibration, Method
from models.encoding import Column
from models.fit import Provenance, fit
from models.frames import Examples
from models.gate import Judged, go_back, verdict
from models.history import Entry, Happened, history, note, withdrawn
from models.registry import CURRENT, current_hash, folder, place, point, register
from models.score import ModelScorer
from tests.support.customers import a_customer
from tests.support.ledgers import a_site
from tests.support.models import AT, a_churn_model, churn_examples, encoded_labels, made_up


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A stack whose champion is in use, put there in the way that trainings do it."""
    found = a_site(tmp_path)
    promoted(found, a_churn_model())
    return found


def promoted(site: Site, artefact: Artefact) -> str:
    name = register(site, artefact)
    before = current_hash(site, artefact.name)
    point(site, artefact.name, name)
    what = Happened.PROMOTED
    note(site, "churn", Entry(at=AT, what=what, artefact=name, because="better", before=before))
    return name


@cache
def judged() -> Judged:
    """Customers that no model of these tests learned from."""
    found = made_up(900)[600:]
    target = encoded_labels([churned for _, _, churned in found])
    return Judged(values=[row for _, row, _ in found], target=target, base_rate=0.27)


def score(site: Site) -> float:
    return ModelScorer(site).customer_scores(a_customer()).customer["churn"]


# -- the gate: models that came out of a training


def test_a_model_that_is_as_good_passes(site: Site) -> None:
    found = verdict(site, a_churn_model(most_rounds=40), judged())
    assert found.passed
    assert "not worse than" in found.because
    assert found.metrics is not None
    assert found.champion is not None


def test_the_first_model_passes_when_it_is_better_than_nothing(tmp_path: Path) -> None:
    assert verdict(a_site(tmp_path), a_churn_model(), judged()).because == "the first one"


def trained_on(change: Callable[[Examples], Examples]) -> Artefact:
    provenance = Provenance(
        name="churn", target="churn", trained_at=AT, window=(AT, AT), vocabulary={}
    )
    return fit(change(churn_examples()), provenance, most_rounds=30)


def with_features_swapped(examples: Examples) -> Examples:
    """Tenure where the monthly bill belongs, and so on: every number is that of its neighbour."""
    texts = {at for at, column in enumerate(examples.columns) if column.categories}
    numbers = [at for at in range(len(examples.columns)) if at not in texts]
    rows = examples.rows.copy()
    rows[:, numbers] = examples.rows[:, [*numbers[1:], numbers[0]]]
    return replace(examples, rows=rows)


def with_answers_swapped(examples: Examples) -> Examples:
    return replace(examples, target=1 - examples.target)


def with_answers_drawn(examples: Examples) -> Examples:
    drawn = np.random.default_rng(1).permutation(examples.target)
    return replace(examples, target=np.where(drawn == 1, examples.target, 1 - drawn))


def with_a_category_as_a_number(examples: Examples) -> Examples:
    renamed = {
        "contract.type": "billing.monthly_charges",
        "billing.monthly_charges": "contract.type",
    }
    columns = tuple(
        Column(
            name=renamed.get(column.name, column.name),
            kind=column.kind,
            categories=column.categories,
        )
        for column in examples.columns
    )
    return replace(examples, columns=columns)


def with_other_words(examples: Examples) -> Examples:
    columns = tuple(
        replace(column, categories=tuple(f"{each} plan" for each in column.categories))
        if column.name == "contract.type"
        else column
        for column in examples.columns
    )
    return replace(examples, columns=columns)


def with_a_feature_of_nobody(examples: Examples) -> Examples:
    first = replace(examples.columns[0], name="profile.shoe_size")
    return replace(examples, columns=(first, *examples.columns[1:]))


REFUSED_AT_THE_GATE: dict[str, tuple[Callable[[Examples], Examples], str]] = {
    "swapped answers": (with_answers_swapped, "of everyone would be better"),
    "a text where a number belongs": (with_a_category_as_a_number, "were features swapped"),
    "categories nobody has": (with_other_words, r"contract.type has an unknown category in \d+ of"),
    "a feature nobody knows": (with_a_feature_of_nobody, "nobody knows the feature profile.shoe"),
}


@pytest.mark.parametrize("what", REFUSED_AT_THE_GATE)
def test_trained_on_what_is_wrong_it_is_refused(site: Site, what: str) -> None:
    change, reason = REFUSED_AT_THE_GATE[what]
    before = score(site)
    found = verdict(site, trained_on(change), judged())
    assert found.refused
    assert not found.passed
    assert matches(reason, found.because)
    assert score(site) == before


def test_trained_on_swapped_features_it_does_not_take_over(site: Site) -> None:
    found = verdict(site, trained_on(with_features_swapped), judged())
    assert not found.passed
    assert "worse than" in found.because or "would be better" in found.because


def test_a_model_that_was_never_better_than_nothing_is_not_even_the_first(tmp_path: Path) -> None:
    found = verdict(a_site(tmp_path), trained_on(with_answers_swapped), judged())
    assert found.refused


def test_scores_that_are_no_numbers_are_refused(site: Site) -> None:
    champion = a_churn_model()
    nothing = Calibration(method=Method.PLATT, slope=1.0, offset=float("nan"))
    for wrong in (
        replace(champion, calibration=nothing),
        replace(champion, metrics={"auc": float("nan")}),
        replace(champion, model=leaf(champion.model, "nan")),
        replace(champion, model=leaf(champion.model, "inf")),
    ):
        found = verdict(site, wrong, judged())
        assert found.refused
        assert matches("numbers that are none|is nan|is inf", found.because)


def leaf(model: str, value: str) -> str:
    """The model with one leaf that gives this value."""
    return with_first(model, "leaf_value", lambda leaves: [value, *leaves[1:]])


# -- the load path: files that were changed, under a hash that fits them


def put_in_use(
    site: Site, change: Callable[[dict[str, Any], str], tuple[dict[str, Any], str]]
) -> str:
    """What somebody does who edits both files of a model, hashes them, and points to them."""
    artefact = a_churn_model(most_rounds=40)
    facts, model = change(json.loads(artefact.facts()), artefact.model)
    raw = json.dumps(facts).encode()
    name = content_hash(raw, model.encode())
    kept = place(site, "churn", name)
    kept.mkdir(parents=True)
    (kept / "artefact.json").write_bytes(raw)
    (kept / "model.txt").write_bytes(model.encode())
    point(site, "churn", name)
    return name


def swapped_columns(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    columns = facts["columns"]
    places = {column["name"]: at for at, column in enumerate(columns)}
    one, other = places["contract.tenure_months"], places["billing.monthly_charges"]
    columns[one], columns[other] = columns[other], columns[one]
    return facts, model


def swapped_categories(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    column = next(each for each in facts["columns"] if each["name"] == "contract.type")
    column["categories"] = column["categories"][::-1]
    return facts, model


def a_category_less(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    column = next(each for each in facts["columns"] if each["name"] == "contract.type")
    column["categories"] = column["categories"][:-1]
    return facts, model


def a_category_more_than_there_is(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    place_ = next(at for at, c in enumerate(facts["columns"]) if c["name"] == "contract.type")
    head, _, infos = model.partition("feature_infos=")
    line, _, rest = infos.partition("\n")
    ranges = line.split(" ")
    ranges[place_] = "0:1:9"
    return facts, f"{head}feature_infos={' '.join(ranges)}\n{rest}"


def half_of_it(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    return facts, model[: len(model) // 2]


def a_tree_less(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    start, end = model.index("Tree=5\n"), model.index("Tree=6\n")
    return facts, model[:start] + model[end:]


def with_first(model: str, name: str, change: Callable[[list[str]], list[str]]) -> str:
    """The model with this line of its first tree changed, and the size that it says made to fit."""
    head, _, rest = model.partition(f"\n{name}=")
    line, _, tail = rest.partition("\n")
    changed = " ".join(change(line.split()))
    sizes = head.partition("tree_sizes=")[2].partition("\n")[0].split()
    size = int(sizes[0]) + len(changed) - len(line)
    head = head.replace(f"tree_sizes={sizes[0]} ", f"tree_sizes={size} ")
    return f"{head}\n{name}={changed}\n{tail}"


def a_tree_that_runs_in_a_circle(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    return facts, with_first(model, "left_child", lambda nodes: ["0", *nodes[1:]])


def a_tree_that_asks_for_more_columns(
    facts: dict[str, Any], model: str
) -> tuple[dict[str, Any], str]:
    return facts, with_first(model, "split_feature", lambda columns: ["99", *columns[1:]])


def a_leaf_less(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    return facts, with_first(model, "leaf_value", lambda leaves: leaves[1:])


def a_leaf_that_is_none(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    return facts, leaf(model, "nan")


def a_calibration_that_is_none(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    facts["calibration"] |= {"method": "platt", "offset": float("nan")}
    return facts, model


def a_calibration_that_turns_round(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    facts["calibration"] |= {"method": "isotonic", "knots": [-1.0, 1.0], "levels": [0.9, 0.1]}
    return facts, model


def golden_scores_that_are_none(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    facts["golden"]["scores"][0] = [float("nan")]
    return facts, model


def golden_rows_of_text(facts: dict[str, Any], model: str) -> tuple[dict[str, Any], str]:
    facts["golden"]["rows"][0][0] = "one"
    return facts, model


Change = Callable[[dict[str, Any], str], tuple[dict[str, Any], str]]

REFUSED_AT_LOAD: dict[Change, str] = {
    swapped_columns: "features are swapped",
    swapped_categories: "contract.type has other categories",
    a_category_less: "contract.type has other categories",
    a_category_more_than_there_is: "contract.type has an unknown category, number 9",
    half_of_it: "not a whole LightGBM model",
    a_tree_less: "not a whole LightGBM model",
    a_tree_that_runs_in_a_circle: "tree 0 is damaged",
    a_tree_that_asks_for_more_columns: "tree 0 is damaged",
    a_leaf_less: "tree 0 is damaged",
    a_leaf_that_is_none: "a leaf_value in model.txt is nan",
    a_calibration_that_is_none: "calibration has numbers that are none",
    a_calibration_that_turns_round: "no rising curve",
    golden_scores_that_are_none: "no finite numbers",
    golden_rows_of_text: "no finite numbers",
}


@pytest.mark.parametrize("change", REFUSED_AT_LOAD, ids=lambda change: change.__name__)
def test_a_file_that_was_changed_is_refused_and_the_champion_keeps_serving(
    site: Site, change: Change
) -> None:
    running = ModelScorer(site)
    before = running.customer_scores(a_customer())
    put_in_use(site, change)
    assert running.refresh()
    started_later = ModelScorer(site)
    for scorer in (running, started_later):
        found = scorer.customer_scores(a_customer())
        assert found.customer == before.customer
        assert found.models == before.models
        assert matches(REFUSED_AT_LOAD[change], found.because[0])


def test_a_truncated_file_is_refused_by_its_hash(site: Site) -> None:
    before = score(site)
    name = promoted(site, a_churn_model(most_rounds=40))
    file = place(site, "churn", name) / "model.txt"
    file.write_bytes(file.read_bytes()[:-100])
    found = ModelScorer(site).customer_scores(a_customer())
    assert found.customer["churn"] == before
    assert "is damaged" in found.because[0]
    assert "stays in use" in found.because[0]


def test_a_category_that_training_never_saw_is_unknown_and_never_an_error(site: Site) -> None:
    scorer = ModelScorer(site)
    strange = scorer.customer_scores({**a_customer(), "contract.type": "lunar"})
    without = {name: value for name, value in a_customer().items() if name != "contract.type"}
    assert strange.customer["churn"] == scorer.customer_scores(without).customer["churn"]


def test_any_changed_byte_is_refused_whatever_it_was(site: Site) -> None:
    artefact = a_churn_model()
    facts, model = artefact.facts(), artefact.model.encode()
    draws = random.Random(2)
    for _ in range(30):
        at = draws.randrange(len(model))
        changed = model[:at] + bytes([model[at] ^ (1 << draws.randrange(7))]) + model[at + 1 :]
        assert content_hash(facts, changed) != artefact.hash()
    assert read_artefact(facts, model) == artefact


# -- the way back


def test_the_way_back_leads_to_the_one_before(site: Site) -> None:
    first, second = a_churn_model().hash(), promoted(site, a_churn_model(most_rounds=40))
    entry = go_back(site, "churn", because="too many discounts")
    assert (entry.artefact, entry.before) == (first, second)
    assert current_hash(site, "churn") == first
    assert history(site, "churn")[-1] == entry


def test_what_was_gone_back_from_is_not_promoted_again_by_a_training(site: Site) -> None:
    promoted(site, a_churn_model(most_rounds=40))
    go_back(site, "churn", because="too many discounts")
    found = verdict(site, a_churn_model(most_rounds=40), judged())
    assert found.refused
    assert "too many discounts" in found.because
    go_back(site, "churn", to=a_churn_model(most_rounds=40).hash())
    assert a_churn_model(most_rounds=40).hash() not in withdrawn(site, "churn")


def test_there_is_no_way_back_to_nothing_or_to_what_cant_be_used(site: Site) -> None:
    with pytest.raises(InvalidInput, match="no earlier churn model"):
        go_back(site, "churn")
    with pytest.raises(InvalidInput, match="in use already"):
        go_back(site, "churn", to=a_churn_model().hash())
    promoted(site, a_churn_model(most_rounds=40))
    (place(site, "churn", a_churn_model().hash()) / "model.txt").write_text("")
    with pytest.raises(InvalidModel, match="damaged"):
        go_back(site, "churn")
    assert current_hash(site, "churn") == a_churn_model(most_rounds=40).hash()


def test_going_back_twice_goes_back_twice(site: Site) -> None:
    promoted(site, a_churn_model(most_rounds=40))
    promoted(site, a_churn_model(most_rounds=20))
    go_back(site, "churn")
    assert go_back(site, "churn").artefact == a_churn_model().hash()


def test_a_line_that_was_cut_short_hides_no_other(site: Site) -> None:
    with (folder(site, "churn") / "history.jsonl").open("a") as file:
        file.write('{"at": "2026-0\n')
    promoted(site, a_churn_model(most_rounds=40))
    assert len(history(site, "churn")) == 2
    assert (folder(site, "churn") / CURRENT).exists()


def matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None
