"""One training beside its baselines: a data set, a split of it, and how well each did."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from models.baselines import logistic, stock
from models.encoding import Matrix, Vector
from models.fit import Provenance, fit, judge, probabilities
from models.forest import Forest
from models.frames import Examples, classes_of, encode_frame, infer_columns, labels_of, read_frame
from models.metrics import Labels, Metrics, binary, calibration_error, several
from models.text_fit import Texts, fit_texts

DATA = Path(__file__).parents[2] / "shared" / "data"
JUDGED_SHARE = 0.3
SIMULATED = 1_000
PERCENTILE = 0.95
_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A table, its target, and what is measured. `text`: the column of a text, if it has one.

    `in_order`: its rows are in the order of time, so that the future can be told from the past.
    """

    name: str
    file: str
    target: str
    measure: str
    separator: str = ","
    left_out: tuple[str, ...] = ()
    text: str = ""
    in_order: bool = False

    @property
    def path(self) -> Path:
        """The file; it may not be there."""
        return DATA / self.file


DATA_SETS = (
    DataSet(
        name="telco_churn",
        file="telco_churn/Telco-Customer-Churn.csv.gz",
        target="Churn",
        measure="auc",
    ),
    DataSet(
        name="bank_additional",
        file="bank_marketing/bank-additional-full.csv.gz",
        target="y",
        measure="auc",
        separator=";",
        left_out=("duration",),
        in_order=True,
    ),
    DataSet(
        name="bank_full",
        file="bank_marketing/bank-full.csv.gz",
        target="y",
        measure="auc",
        separator=";",
        left_out=("duration",),
        in_order=True,
    ),
    DataSet(
        name="cfpb_triage",
        file="cfpb_complaints/cfpb_narratives.csv.gz",
        target="product_group",
        measure="macro_f1",
        text="narrative",
    ),
    DataSet(
        name="banking77",
        file="banking77/train.csv.gz",
        target="category",
        measure="accuracy",
        text="text",
    ),
    DataSet(
        name="uci_sentiment",
        file="uci_sentiment_sentences/sentences.csv.gz",
        target="label",
        measure="auc",
        text="text",
    ),
)


def trial(data: DataSet, seed: int | None) -> dict[str, Any]:
    """A random split by this seed; without one, the newest rows are judged by the older ones.

    Raises InvalidInput where the file is no such table.
    """
    frame = read_frame(data.path, data.separator)
    classes = classes_of(frame[data.target])
    target = labels_of(frame[data.target], classes)
    learned, judged = split(target, seed)
    if data.text:
        texts: Any = frame[data.text].to_numpy()
        learn = Texts(texts=texts[learned], target=target[learned], classes=classes)
        return _texts(learn, texts[judged], target[judged])
    inputs = frame.drop(columns=[data.target, *data.left_out])
    columns = infer_columns(inputs.iloc[learned])

    def examples(rows: Labels) -> Examples:
        encoded = encode_frame(columns, pd.DataFrame(inputs.iloc[rows]))
        return Examples(columns=columns, rows=encoded, target=target[rows], classes=classes)

    return _tables(examples(learned), examples(judged))


def split(target: Labels, seed: int | None) -> tuple[Labels, Labels]:
    """Places to learn from and to judge: as many of each class by a seed, the last ones without."""
    places = np.arange(len(target))
    if seed is None:
        newest = len(places) - int(JUDGED_SHARE * len(places))
        return places[:newest], places[newest:]
    learned, judged = train_test_split(
        places, test_size=JUDGED_SHARE, random_state=seed, stratify=target
    )
    return np.sort(learned), np.sort(judged)


def _tables(learn: Examples, judged: Examples) -> dict[str, Any]:
    artefact = fit(
        learn,
        Provenance(
            name="measured", target="y", trained_at=_NEVER, window=(_NEVER, _NEVER), vocabulary={}
        ),
    )
    raw = Forest(artefact.model, len(artefact.columns)).raw(judged.rows)
    found = probabilities(artefact.calibration, raw)
    return {
        **_sizes(learn.target, judged.target),
        "ours": judge(judged, found),
        "logistic": judge(judged, logistic(learn, judged)),
        "lightgbm": judge(judged, stock(learn, judged)),
        "calibration_bound": calibration_bound(found[:, 1]),
    }


def _texts(learn: Texts, texts: Any, target: Labels) -> dict[str, Any]:
    model = fit_texts(learn, "measured", "y", _NEVER)
    found = model.probabilities(texts)
    sizes = _sizes(learn.target, target)
    plain = {name: _judged(target, each) for name, each in _plain(learn, texts).items()}
    bound = {"calibration_bound": calibration_bound(found[:, 1])} if found.shape[1] == 2 else {}
    return {**sizes, "ours": _judged(target, found), **plain, **bound}


def _plain(learn: Texts, texts: Any) -> Mapping[str, Matrix]:
    """Both baselines on words weighed by their rarity, with nothing set by us."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    weigh: Any = TfidfVectorizer()
    known, asked = weigh.fit_transform(learn.texts), weigh.transform(texts)
    linear: Any = LogisticRegression(max_iter=2000).fit(known, learn.target)
    by_class = np.zeros((len(texts), len(learn.classes)))
    by_class[:, linear.classes_] = linear.predict_proba(asked)
    count = len(learn.classes)
    objective = {"objective": "multiclass", "num_class": count}
    parameters = {"objective": "binary"} if count == 2 else objective
    data = lgb.Dataset(known, learn.target)
    trees = lgb.train({**parameters, "verbosity": -1, "num_threads": 1}, data, 100)
    chance: Any = np.asarray(trees.predict(asked, num_threads=1))
    forest = np.column_stack([1 - chance, chance]) if count == 2 else chance
    return {"logistic": by_class, "lightgbm": forest}


def _judged(target: Labels, found: Matrix) -> Metrics:
    measures = several(target, found)
    return (
        {**measures, **binary(target.astype(float), found[:, 1])}
        if found.shape[1] == 2
        else measures
    )


def _sizes(learned: Labels, judged: Labels) -> dict[str, int]:
    return {"learned_rows": len(learned), "judged_rows": len(judged)}


def calibration_bound(chances: Vector, seed: int = 0) -> float:
    """The calibration error that a perfectly calibrated model exceeds once in twenty.

    What would be seen if these chances were the truth: outcomes drawn by them, many times.
    """
    random = np.random.default_rng(seed)
    errors = [
        calibration_error((random.random(len(chances)) < chances).astype(np.float64), chances)
        for _ in range(SIMULATED)
    ]
    return float(np.quantile(errors, PERCENTILE))
