"""Which rows are set apart to judge a model by: the newest, or else those of some customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from models.dataset import held_out
from models.encoding import Vector
from models.folds import FEWEST_JUDGED, FEWEST_OF_A_CLASS, Mask
from models.metrics import Labels

NEWEST = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """`judged` is a mask of rows; `by_time` if all of them are newer than the others."""

    judged: Mask
    by_time: bool
    words: str


def set_apart(
    at: Vector, customers: Sequence[str], target: Labels, after: datetime | None
) -> Apart:
    """The newest fifth, where times tell rows apart and both sides have both answers.

    Of these only the rows `after` the last one that the model in use learned from: it would know
    the answers of the others.
    """
    begins = float(np.quantile(at, 1 - NEWEST))
    newest = at >= begins
    told = tells(target, newest) and tells(target, ~newest)
    if at.min() == begins or newest.mean() > 0.5 or not told:
        words = "those of every fifth customer, since times don't tell old from new"
        return Apart(judged=held_out(customers), by_time=False, words=words)
    if after is not None:
        newest &= at > after.timestamp()
    since = float(at[newest].min()) if newest.any() else float(at.max())
    return Apart(judged=newest, by_time=True, words=f"the newest, from {_day(since)} on")


def tells(target: Labels, chosen: Mask) -> bool:
    """Whether so many rows can tell one model from another."""
    positives = int(target[chosen].sum())
    rarer = min(positives, int(chosen.sum()) - positives)
    return int(chosen.sum()) >= FEWEST_JUDGED and rarer >= FEWEST_OF_A_CLASS


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
