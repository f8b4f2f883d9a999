"""What is kept beside a model: golden rows to check it by, and what it learned of each offer."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightgbm as lgb
import numpy as np

from models.artefact import Golden, golden_row
from models.encoding import Matrix
from models.frames import Examples
from models.inputs import ACTION, CHANNEL, answers_key

GOLDEN_ROWS = 12


def learned_from(examples: Examples, leaves: int) -> Mapping[str, int] | None:
    """From how many answers the model knows an action on a channel; None where none is of any.

    A tree of so many `leaves` tells kinds of customers apart. Of one kind it knows that share only.
    """
    place = {column.name: at for at, column in enumerate(examples.columns)}
    if not {ACTION, CHANNEL} <= place.keys():
        return None
    told = examples.rows[:, [place[ACTION], place[CHANNEL]]]
    codes, counts = np.unique(told[~np.isnan(told).any(axis=1)], axis=0, return_counts=True)
    actions, channels = (examples.columns[place[name]].categories for name in (ACTION, CHANNEL))
    kinds = max(1.0, leaves / max(1, len(codes)))
    return {
        answers_key(actions[int(action)], channels[int(channel)]): round(count / kinds)
        for (action, channel), count in zip(codes.tolist(), counts.tolist(), strict=True)
    }


def golden_of(text: str, rows: Matrix, seed: int) -> Golden:
    """Rows that no customer has: each column is shuffled by itself, and one row is all unknown."""
    random = np.random.default_rng(seed)
    picked = [random.choice(rows[:, place], GOLDEN_ROWS) for place in range(rows.shape[1])]
    made = np.vstack([np.column_stack(picked), np.full(rows.shape[1], np.nan)])
    found: Any = lgb.Booster(model_str=text).predict(made, raw_score=True, num_threads=1)
    scores = np.asarray(found).reshape(len(made), -1)
    return Golden(
        rows=tuple(golden_row(row) for row in made.tolist()),
        scores=tuple(tuple(row) for row in scores.tolist()),
    )
