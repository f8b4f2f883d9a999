"""The same training on any table, judged on another one beside two plain baselines."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pandas as pd

from engine.errors import InvalidInput
from models.baselines import logistic, stock
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
            "logistic": judge(judging, logistic(learning, judging)),
            "lightgbm": judge(judging, stock(learning, judging)),
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
