"""Training learns what is there to learn, says how well, and takes any table."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from engine.errors import InvalidInput
from engine.ledger.site import Site
from feature_store.generate import customers_table, write_csv
from feature_store.load import load_customers
from models import metrics
from models.calibrate import Calibration, Method, best, fit_curve, fit_isotonic, fit_platt, logistic
from models.dataset import AcceptanceRow, acceptance_columns, acceptance_rows
from models.encoding import Column, ColumnKind
from models.evaluate import evaluate
from models.fit import Provenance, search
from models.forest import Forest
from models.frames import Examples, classes_of, infer_columns, read_frame
from models.history import Happened, history
from models.learning import Material, learn
from models.lift import lift
from models.registry import current
from models.score import ModelScorer
from models.simulate import acceptance_probability, simulate_outcome
from models.told import history_lines, list_lines, models_of
from models.train import train_acceptance, train_churn
from tests.support.customers import BANK_CSV, NOON, TELCO_CSV, a_customer
from tests.support.ledgers import a_site
from tests.support.models import ACTIONS, an_action, offers

NOISE = 0.01


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=60))
def test_our_metrics_are_those_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    target = np.array([float(label) for label, _ in rows])
    score = np.array([score for _, score in rows])
    if 0 < target.sum() < len(target):
        assert metrics.auc(target, score) == pytest.approx(reference.roc_auc_score(target, score))
    else:
        assert metrics.auc(target, score) is None
    clipped = np.clip(score, 1e-12, 1 - 1e-12)
    wanted = reference.log_loss(target, clipped, labels=[0, 1])
    assert metrics.log_loss(target, score) == pytest.approx(wanted)
    assert metrics.brier(target, score) == pytest.approx(np.mean((target - score) ** 2))


def drawn_scores(rows: int, slope: float) -> tuple[Any, Any]:
    """Raw scores that are `slope` times too sure of themselves."""
    random_ = np.random.default_rng(5)
    odds = random_.normal(size=rows) * 1.5 - 0.5
    return odds * slope, (random_.random(rows) < logistic(odds)).astype(float)


def test_scores_that_are_too_sure_are_toned_down() -> None:
    raw, target = drawn_scores(4000, slope=3.0)
    found = best(raw, target)
    assert found.method is not Method.NONE
    before = metrics.calibration_error(target, Calibration()(raw))
    assert metrics.calibration_error(target, found(raw)) < 0.3 * before
    assert fit_platt(raw, target).slope == pytest.approx(1 / 3, rel=0.1)


def test_scores_that_are_right_are_left_alone() -> None:
    raw, target = drawn_scores(4000, slope=1.0)
    assert best(raw, target).method is Method.NONE


@given(st.floats(-60, 60), st.floats(-60, 60))
def test_no_calibration_turns_a_ranking_round(one: float, other: float) -> None:
    raw, target = drawn_scores(2000, slope=2.0)
    low, high = sorted((one, other))
    fitted = [fit(raw, target) for fit in (fit_platt, fit_curve, fit_isotonic)]
    for calibration in (Calibration(), *fitted):
        found = calibration(np.array([low, high]))
        assert 0 <= found[0] <= found[1] <= 1


def test_scores_that_are_wrong_in_the_middle_are_put_right_by_a_curve() -> None:
    random_ = np.random.default_rng(5)
    raw = random_.normal(size=20_000) * 1.5
    target = (random_.random(20_000) < logistic(raw + 1.5 * np.sin(raw))).astype(float)
    found = best(raw, target)
    assert found.method is Method.CURVE
    assert metrics.calibration_error(target, found(raw)) < 0.01
    assert metrics.calibration_error(target, fit_platt(raw, target)(raw)) > 0.02
    assert found.one(0.3) == pytest.approx(float(found(np.array([0.3]))[0]), abs=1e-15)
    assert logistic(np.array([-50.0]))[0] < found.one(-20.0) < found.one(20.0) < 1


@pytest.mark.parametrize("seed", [1, 5, 14, 19])
def test_a_curve_over_a_plateau_does_not_fall_by_a_last_bit(seed: int) -> None:
    random_ = np.random.default_rng(seed)
    raw = np.round(np.sort(random_.normal(-0.3, 0.5, 3_000)), 2)
    target = (random_.random(3_000) < np.where(raw > 0, 0.3, 0.1)).astype(float)
    levels = fit_curve(raw, target).levels
    assert list(levels) == sorted(levels)


def test_scores_that_rank_the_wrong_way_are_not_turned_round() -> None:
    raw, target = drawn_scores(500, slope=-1.0)
    assert fit_platt(raw, target) == Calibration()


def split(path: Path, folder: Path, separator: str, drop: list[str]) -> tuple[Path, Path]:
    """Two thirds to learn from and a third to judge by."""
    whole = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False).drop(columns=drop)
    chosen = np.random.default_rng(1).random(len(whole)) < 0.33
    judged, learned = whole[chosen], whole[~chosen]
    learned.to_csv(folder / "learn.csv", sep=separator, index=False)
    judged.to_csv(folder / "judge.csv.gz", sep=separator, index=False)
    return folder / "learn.csv", folder / "judge.csv.gz"


@pytest.mark.parametrize(
    ("path", "separator", "target", "drop"),
    [
        (TELCO_CSV, ",", "Churn", []),
        pytest.param(BANK_CSV, ";", "y", ["duration"], marks=pytest.mark.long),
    ],
    ids=["telco_churn", "bank_marketing"],
)
def test_on_real_tables_we_are_at_least_as_good_as_both_baselines(
    tmp_path: Path, path: Path, separator: str, target: str, drop: list[str]
) -> None:
    if not path.exists():
        pytest.skip(f"../shared/data/{path.parent.name} is not there")
    found = evaluate(*split(path, tmp_path, separator, drop), target, separator)
    for baseline in found["baselines"].values():
        assert found["auc"] >= baseline["auc"] - NOISE
        assert found["log_loss"] <= baseline["log_loss"] + NOISE
        assert found["brier"] <= baseline["brier"] + NOISE
    assert found["calibration_error"] < 0.04


def a_table(folder: Path, name: str, rows: int, seed: int, **more: Any) -> Path:
    """A table whose target depends on a number and a text, with much that a table may have."""
    random_ = np.random.default_rng(seed)
    number, text = random_.normal(size=rows), random_.choice(["a", "b", "c"], rows)
    odds = 2 * number + (text == "b")
    frame = pd.DataFrame(
        {
            "id": [f"{seed}-{n}" for n in range(rows)],
            "row": range(rows),
            "number": np.where(random_.random(rows) < 0.1, np.nan, number),
            "text": np.where(random_.random(rows) < 0.1, "", text),
            "constant": "same",
            "empty": "",
            "y": np.where(random_.random(rows) < logistic(odds), "yes", "no"),
        }
    )
    path = folder / name
    frame.assign(**more).to_csv(path, index=False)
    return path


def test_ids_and_constants_are_left_out(tmp_path: Path) -> None:
    frame = read_frame(a_table(tmp_path, "a.csv", 300, 1))
    columns = infer_columns(frame.drop(columns="y"))
    assert [column.name for column in columns] == ["number", "text"]
    assert columns[1].categories == ("a", "b", "c", "")


def test_a_test_table_may_have_new_texts_and_lack_columns(tmp_path: Path) -> None:
    learn = a_table(tmp_path, "a.csv", 400, 1)
    judge = pd.read_csv(a_table(tmp_path, "b.csv", 200, 2)).drop(columns=["number"])
    judge.assign(text="never seen").to_csv(tmp_path / "c.csv", index=False)
    found = evaluate(learn, tmp_path / "c.csv", "y")
    assert found["test_rows"] == 200
    assert 0 < found["brier"] < 0.5


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (("no", "yes"), ("no", "yes")),
        (("Yes", "No"), ("No", "Yes")),
        (("0", "1"), ("0", "1")),
        (("2", "10"), ("2", "10")),
        (("1.0", "0.0"), ("0", "1")),
        (("FALSE", "TRUE"), ("FALSE", "TRUE")),
    ],
)
def test_the_positive_class_is_the_one_a_reader_would_say(
    names: tuple[str, str], classes: tuple[str, str]
) -> None:
    assert classes_of(pd.Series([*names, names[0]])) == classes


def test_of_two_other_texts_the_rarer_one_is_positive() -> None:
    assert classes_of(pd.Series(["ham"] * 5 + ["spam"] * 2)) == ("ham", "spam")
    assert classes_of(pd.Series(["ham"] * 2 + ["spam"] * 5)) == ("spam", "ham")


def test_several_classes_are_judged_by_macro_f1_and_accuracy(tmp_path: Path) -> None:
    for name, seed in (("a.csv", 1), ("b.csv", 2)):
        frame = pd.read_csv(a_table(tmp_path, name, 500, seed))
        bins = pd.cut(frame["number"].fillna(0), [-9, -0.5, 0.5, 9], labels=["low", "mid", "high"])
        frame.assign(y=bins).to_csv(tmp_path / name, index=False)
    found = evaluate(tmp_path / "a.csv", tmp_path / "b.csv", "y")
    assert found["classes"] == ["high", "low", "mid"]
    assert found["accuracy"] > 0.9
    assert found["macro_f1"] > 0.9
    assert found["baselines"]["logistic"].keys() == found["baselines"]["lightgbm"].keys()


def test_rows_without_a_usable_target_are_counted_and_left_out(tmp_path: Path) -> None:
    learn, judge = a_table(tmp_path, "a.csv", 300, 1), a_table(tmp_path, "b.csv", 100, 2)
    frame = pd.read_csv(judge)
    frame.loc[:4, "y"] = ""
    frame.loc[5:9, "y"] = "perhaps"
    frame.to_csv(judge, index=False)
    found = evaluate(learn, judge, "y")
    assert (found["test_rows"], found["left_out_rows"]) == (90, 10)


@pytest.mark.parametrize("rows", [4, 12, 40])
def test_tiny_tables_are_no_reason_to_fail(tmp_path: Path, rows: int) -> None:
    labels = ["no", "yes"] * (rows // 2)
    learn = a_table(tmp_path, "a.csv", rows, 1, y=labels)
    found = evaluate(learn, a_table(tmp_path, "b.csv", rows, 2, y=labels), "y")
    assert 0 <= found["brier"] <= 1


def test_a_test_table_with_one_class_has_no_auc(tmp_path: Path) -> None:
    learn = a_table(tmp_path, "a.csv", 300, 1)
    found = evaluate(learn, a_table(tmp_path, "b.csv", 50, 2, y="no"), "y")
    assert found["auc"] is None
    assert found["log_loss"] > 0


def test_a_table_of_ids_alone_learns_the_base_rate(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        frame = pd.read_csv(a_table(tmp_path, name, 200, 3))
        frame[["id", "y"]].to_csv(tmp_path / name, index=False)
    found = evaluate(tmp_path / "a.csv", tmp_path / "b.csv", "y")
    assert found["auc"] == 0.5


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"y": "yes"}, "has 1 values"),
        ({"z": 1}, "no column 'q'"),
    ],
)
def test_what_cant_be_learned_is_said(tmp_path: Path, change: dict[str, Any], wrong: str) -> None:
    table = a_table(tmp_path, "a.csv", 50, 1, **change)
    with pytest.raises(InvalidInput, match=wrong):
        evaluate(table, table, "y" if "y" in change else "q")


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\xff\xfe\x00broken"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InvalidInput):
        read_frame(tmp_path / "a.csv")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return a_site(tmp_path)


def test_churn_and_acceptance_train_on_what_the_stack_holds(site: Site) -> None:
    with pytest.raises(InvalidInput, match="no churn labels"):
        train_churn(site)
    asyncio.run(load_customers(site, None, customers_table(1200)))
    churn = train_churn(site)
    assert churn["promoted"]
    assert (churn["metrics"]["auc"] or 0) > 0.7
    assert 150 < churn["held_out_rows"] < 350
    acceptance = train_acceptance(site, None, offers(3000))
    assert acceptance["promoted"]
    assert (acceptance["metrics"]["auc"] or 0) > 0.6
    assert current(site) == {"churn": churn["artefact"], "acceptance": acceptance["artefact"]}
    found = ModelScorer(site).acceptance(a_customer(), [(ACTIONS[0], "call")])
    assert found.because == ()


def test_a_table_that_is_loaded_again_and_again_can_be_learned_from(site: Site) -> None:
    for seed in range(2):
        asyncio.run(load_customers(site, None, customers_table(400, seed)))
        assert train_churn(site)["rows"] > 0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 199))
def test_too_few_answers_are_refused(count: int) -> None:
    with pytest.raises(InvalidInput, match=f"{count} answered offers"):
        train_acceptance(a_site(Path("nowhere")), None, offers(300)[:count])


def test_nothing_archived_yet_is_too_few_answers(site: Site) -> None:
    with pytest.raises(InvalidInput, match="0 answered offers"):
        train_acceptance(site)


def a_record(decision_id: str = "d1") -> dict[str, Any]:
    offer = {
        "action": "upgrade-fiber",
        "treatment": "upgrade-fiber.web",
        "purpose": "sales",
        "group": "internet",
    }
    return {
        "request": {"customer": "c1", "channel": "web", "now": NOON.isoformat()},
        "snapshot": {"features": {"contract.tenure_months": 4}},
        "decision": {
            "decision_id": decision_id,
            "placements": {"main": [offer]},
            "scores": {"customer": {"churn": 0.3}},
        },
    }


def an_outcome(kind: str, days: float = 0, treatment: str = "upgrade-fiber.web") -> dict[str, Any]:
    return {
        "decision_id": "d1",
        "treatment": treatment,
        "outcome": kind,
        "at": NOON + timedelta(days=days),
    }


@pytest.mark.parametrize(
    ("kinds", "accepted"),
    [
        (["accept"], [True]),
        (["impression", "click", "convert"], [True]),
        (["reject", "accept"], [True]),
        (["reject"], [False]),
        (["impression", "reject"], [False]),
        (["impression", "later"], []),
        ([], []),
    ],
)
def test_outcomes_become_answers(kinds: list[str], accepted: list[bool]) -> None:
    rows = list(acceptance_rows([a_record()], [an_outcome(kind) for kind in kinds]))
    assert [row.accepted for row in rows] == accepted


def test_silence_is_a_no_only_once_the_wait_is_over() -> None:
    seen = [an_outcome("impression", 1)]
    waiting = acceptance_rows([a_record()], seen, now=NOON + timedelta(days=7.9))
    assert list(waiting) == []
    over = acceptance_rows([a_record()], seen, now=NOON + timedelta(days=8))
    assert [row.accepted for row in over] == [False]


def test_an_outcome_of_another_offer_says_nothing() -> None:
    other = [
        an_outcome("accept", treatment="else.web"),
        {**an_outcome("accept"), "decision_id": "d2"},
    ]
    assert list(acceptance_rows([a_record()], other)) == []


def test_an_answered_offer_keeps_what_was_known_when_it_was_made() -> None:
    (row,) = acceptance_rows([a_record()], [an_outcome("accept")])
    assert row.features == {"contract.tenure_months": 4, "model.churn": 0.3}
    assert (row.customer, row.channel, row.at) == ("c1", "web", NOON)


def test_simulated_answers_come_at_the_stated_rate() -> None:
    rng = random.Random(3)
    answers = [simulate_outcome(rng, a_customer(), an_action(), "call") for _ in range(4000)]
    wanted = acceptance_probability(a_customer(), an_action(), "call")
    assert sum(answers) / 4000 == pytest.approx(wanted, abs=0.03)


def test_an_open_complaint_makes_a_sale_unlikely_in_the_simulation() -> None:
    calm = acceptance_probability(a_customer(), an_action(), "web")
    upset = acceptance_probability(a_customer(service__complaints_open=1), an_action(), "web")
    assert upset < calm / 3


def test_made_up_tables_can_be_evaluated_like_any_other(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", 800, seed=1)
    write_csv(tmp_path / "b.csv", 400, seed=2)
    found = evaluate(tmp_path / "a.csv", tmp_path / "b.csv", "Churn")
    assert found["classes"] == ["No", "Yes"]
    assert found["auc"] > 0.7


def dated(rows: Sequence[AcceptanceRow], hours: float) -> list[AcceptanceRow]:
    """The offers, one after the other, so many hours apart."""
    start = NOON - timedelta(hours=hours * len(rows))
    return [replace(row, at=start + timedelta(hours=hours * n)) for n, row in enumerate(rows)]


def test_where_times_tell_old_from_new_the_newest_offers_judge_the_model(site: Site) -> None:
    rows = dated(offers(1500), hours=1)
    report = train_acceptance(site, None, rows)
    assert report["held_out_rows"] == 300
    assert report["held_out"].startswith("the newest, from 2")
    assert report["rows"] == 1500, "what passes learns from the newest too"
    assert "days" in " ".join(report["trials"])


def test_the_next_training_is_judged_only_by_what_the_model_in_use_never_saw(site: Site) -> None:
    rows = dated(offers(3000), hours=1)
    first = train_acceptance(site, None, rows[:1500])
    again = train_acceptance(site, None, rows[:1530])
    assert not again["promoted"]
    assert "only 30 answers are newer" in again["because"]
    assert current(site) == {"acceptance": first["artefact"]}
    later = train_acceptance(site, None, rows[:1700])
    assert later["held_out_rows"] == 200
    assert "of the current one on the same rows" in later["because"]


def test_every_training_stays_on_record_with_its_reason(site: Site) -> None:
    rows = dated(offers(1600), hours=1)
    for count in (1500, 1510):
        train_acceptance(site, None, rows[:count])
    kept, first = (entry.what for entry in reversed(history(site, "acceptance")))
    assert (first, kept) == (Happened.PROMOTED, Happened.KEPT)
    lines = "\n".join(history_lines(site, "acceptance", 5))
    assert "the first one" in lines
    assert "only 10 answers are newer" in lines
    assert "acceptance" in "\n".join(list_lines(models_of(site)))


def test_the_random_control_slice_is_learned_from_but_in_no_rate_of_what_was_chosen() -> None:
    record = a_record()
    record["decision"]["arm"] = "control"
    (row,) = acceptance_rows([record], [an_outcome("accept")])
    assert row.control
    accepted = np.array([1] * 30 + [0] * 70 + [1] * 50 + [0] * 50)
    found = lift(accepted, np.arange(200) < 100)
    assert found is not None
    assert (found["rate"], found["control"], found["offers"]) == (0.5, 0.3, 100)
    assert found["low"] < found["lift"] < found["high"]
    assert lift(accepted[:120], np.arange(120) < 100) is None


def test_those_who_say_yes_at_once_don_t_stand_for_those_who_are_still_silent() -> None:
    records = [a_record(f"d{n}") for n in range(10)]
    outcomes = [{**an_outcome("impression"), "decision_id": f"d{n}"} for n in range(10)]
    outcomes += [{**an_outcome("accept"), "decision_id": f"d{n}"} for n in range(3)]
    soon = acceptance_rows(records, outcomes, now=NOON + timedelta(days=1))
    assert list(soon) == []
    later = acceptance_rows(records, outcomes, now=NOON + timedelta(days=8))
    assert [row.accepted for row in later] == [True] * 3 + [False] * 7


def test_where_all_have_answered_nobody_waits_for_the_young_ones() -> None:
    records = [a_record(f"d{n}") for n in range(4)]
    outcomes = [{**an_outcome("reject"), "decision_id": f"d{n}"} for n in range(4)]
    assert len(list(acceptance_rows(records, outcomes, now=NOON + timedelta(days=1)))) == 4


def test_rare_answers_and_newest_rows_are_tried_with_more_weight() -> None:
    random_ = np.random.default_rng(1)
    inputs = random_.normal(size=(1200, 2))
    old = np.arange(1200) < 900
    odds = np.where(old, 3 * inputs[:, 0], -3 * inputs[:, 0]) - 3
    target = (random_.random(1200) < logistic(odds)).astype(np.int64)
    columns = tuple(Column(name=name, kind=ColumnKind.NUMBER) for name in ("one", "other"))
    times = np.arange(0.0, 1200 * 3600, 3600, dtype=np.float64)
    examples = Examples(
        columns=columns, rows=inputs, target=target, classes=("no", "yes"), at=times
    )
    provenance = Provenance(
        name="x", target="x", trained_at=NOON, window=(NOON, NOON), vocabulary={}
    )
    found = search(examples, provenance, most_rounds=60)
    assert any("positives weigh" in trial for trial in found.trials)
    assert "half after" in found.trials[0], "the world has turned: the newest rows count most"
    raw = Forest(found.artefact.model, 2).raw(np.array([[2.0, 0.0], [-2.0, 0.0]]))[:, 0]
    assert raw[0] < raw[1]


def test_a_training_on_mixed_up_answers_is_refused_and_the_one_in_use_stays(site: Site) -> None:
    rows = dated(offers(2400), hours=1)
    first = train_acceptance(site, None, rows[:1200])
    mixed_up = [replace(row, accepted=not row.accepted) for row in rows[:1900]]
    report = learn(site, material([*mixed_up, *rows[1900:]]))
    assert not report["promoted"]
    assert "were features or answers mixed up?" in report["because"]
    assert history(site, "acceptance")[-1].what is Happened.REFUSED
    assert current(site) == {"acceptance": first["artefact"]}


def material(rows: Sequence[AcceptanceRow]) -> Material:
    """All of these offers to learn from, whether still true or not."""
    window = (rows[0].at, rows[-1].at)
    return Material(
        columns=acceptance_columns(rows),
        values=[row.values() for row in rows],
        target=np.array([row.accepted for row in rows], dtype=np.int64),
        at=np.array([row.at.timestamp() for row in rows]),
        customers=[row.customer for row in rows],
        control=None,
        provenance=Provenance(
            name="acceptance", target="acceptance", trained_at=NOON, window=window, vocabulary={}
        ),
    )
