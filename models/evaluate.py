"""The same training on any table, judged on another one beside two plain baselines."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import lightgbm as lgb
import numpy as np
import pandas as pd

from engine.errors import InvalidInput
from models.encoding import ColumnKind, Matrix
from models.fit import Provenance, fit, judge, probabilities
from models.forest import Forest
from models.frames import (
    Examples,
    classes_of,
    encode_frame,
    infer_columns,
    labels_of,
    read_frame,
)

_NEVER = datetime.fromtimestamp(0, UTC)


def evaluate(train_csv: Path, test_csv: Path, target: str, separator: str = ",") -> dict[str, Any]:
    """Trains on one table and judges on the other, beside two baselines.

    Rows without a target value, or with one that training never saw, are left out and counted.
    Raises InvalidInput for a table or a target that can't be used.
    """
    learning, judging, left_out = _examples(
        read_frame(train_csv, separator), read_frame(test_csv, separator), target
    )
    provenance = Provenance(
        name="evaluated", target=target, trained_at=_NEVER, window=(_NEVER, _NEVER), vocabulary={}
    )
    artefact = fit(learning, provenance)
    raw = Forest(artefact.model, len(artefact.columns)).raw(judging.rows)
    ours = judge(judging, probabilities(artefact.calibration, raw))
    return {
        "target": target,
        "classes": list(learning.classes),
        "train_rows": len(learning.rows),
        "test_rows": len(judging.rows),
        "left_out_rows": left_out,
        "columns": [column.name for column in learning.columns],
        "calibration": artefact.calibration.method.value,
        **ours,
        "baselines": {
            "logistic": judge(judging, _logistic(learning, judging)),
            "lightgbm": judge(judging, _stock(learning, judging)),
        },
    }


def _examples(
    learn: pd.DataFrame, judged: pd.DataFrame, target: str
) -> tuple[Examples, Examples, int]:
    for frame, name in ((learn, "training"), (judged, "test")):
        if target not in frame.columns:
            columns = ", ".join(map(str, frame.columns))
            raise InvalidInput(f"the {name} table has no column {target!r}; it has {columns}")
    classes = classes_of(learn[target])
    learn_inputs = learn.drop(columns=[target])
    if learn_inputs.shape[1] == 0:
        raise InvalidInput(f"the training table has no column but {target!r}")
    learn_target, judge_target = (
        labels_of(learn[target], classes),
        labels_of(judged[target], classes),
    )
    columns = infer_columns(cast(pd.DataFrame, learn_inputs[learn_target >= 0]))
    learning = Examples(
        columns=columns,
        rows=encode_frame(columns, learn_inputs),
        target=learn_target,
        classes=classes,
    ).take(learn_target >= 0)
    judging = Examples(
        columns=columns, rows=encode_frame(columns, judged), target=judge_target, classes=classes
    ).take(judge_target >= 0)
    if not len(judging.rows):
        raise InvalidInput(f"no row of the test table has a {target!r} that training saw")
    left_out = int((learn_target < 0).sum() + (judge_target < 0).sum())
    return learning, judging, left_out


def _logistic(learning: Examples, judging: Examples) -> Matrix:
    """Plain logistic regression: one-hot categories, scaled numbers, medians where missing."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [i for i, c in enumerate(learning.columns) if c.kind is ColumnKind.NUMBER]
    texts = [i for i, c in enumerate(learning.columns) if c.kind is ColumnKind.CATEGORY]
    scaled = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    one_hot: Any = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore"),
    )
    prepare = ColumnTransformer([("numbers", scaled, numbers), ("texts", one_hot, texts)])
    model: Any = make_pipeline(prepare, LogisticRegression(max_iter=2000))
    model.fit(learning.rows, learning.target)
    return _whole(model.predict_proba(judging.rows), model.classes_, len(learning.classes))


def _stock(learning: Examples, judging: Examples) -> Matrix:
    """LightGBM as it comes: default parameters, 100 rounds."""
    texts = [i for i, c in enumerate(learning.columns) if c.kind is ColumnKind.CATEGORY]
    count = len(learning.classes)
    objective = {"objective": "binary"} if count == 2 else {"objective": "multiclass"}
    parameters = {**objective, "num_class": 1 if count == 2 else count, "verbosity": -1}
    data = lgb.Dataset(learning.rows, learning.target, categorical_feature=texts)
    booster = lgb.train({**parameters, "num_threads": 1}, data, 100)
    found = np.asarray(booster.predict(judging.rows, num_threads=1))
    return np.column_stack([1 - found, found]) if count == 2 else found


def _whole(found: Matrix, known: Any, count: int) -> Matrix:
    out = np.zeros((len(found), count))
    out[:, known] = found
    return out
