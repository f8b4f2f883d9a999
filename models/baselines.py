"""What any model has to be as good as: plain logistic regression, and LightGBM as it comes."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np

from models.encoding import ColumnKind, Matrix
from models.frames import Examples


def logistic(learning: Examples, judging: Examples) -> Matrix:
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


def stock(learning: Examples, judging: Examples) -> Matrix:
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
