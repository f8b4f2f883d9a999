"""How far back answers still tell what customers answer today: learning starts there.

Windows of the newest answers, each twice as long as the one before, learn to foretell the newest of
all, in turn without one fold of these (after R. Klinkenberg and T. Joachims 2000). The window of
the model in use stays unless a shorter one foretells significantly better.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import lightgbm as lgb
import numpy as np

from engine.errors import InvalidModel
from engine.ledger.site import Site
from models.dataset import AcceptanceRow, acceptance_columns, encoded
from models.encoding import ColumnKind, Matrix, Vector
from models.inputs import ACCEPTANCE
from models.registry import current_hash, load

NEWEST = 300
"""So many of the newest answers are foretold, or a twentieth of all, if that is more."""
FOLDS = 3
SIGNIFICANT = 3.0
"""How many standard errors make a loss worse for sure."""
_MOST_ROWS = 20_000
_ROUNDS = 40
_PARAMETERS: Mapping[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.08,
    "num_leaves": 7,
    "min_data_in_leaf": 15,
    "min_data_per_group": 15,
    "lambda_l2": 10.0,
    "feature_fraction": 0.6,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def still_true(
    offers: Sequence[AcceptanceRow], since: datetime | None = None
) -> Sequence[AcceptanceRow]:
    """The newest answered offers, as many as tell what is answered today; by time.

    `since`: where the answers begin that the model in use learned from. They are all taken, unless
    fewer foretell significantly better; what came before is not taken again.
    """
    found = sorted((row for row in offers if since is None or row.at >= since), key=_time)
    newest = max(NEWEST, len(found) // 20)
    if len(found) < 2 * newest or found[0].at == found[-newest].at:
        return found
    lengths = _lengths(len(found), newest)
    losses = list(_losses(found, lengths, newest))
    best = min(range(len(lengths)), key=lambda at: float(losses[at].mean()))
    return found[-lengths[best] :] if _worse(losses[-1], losses[best]) else found


def learned_since(site: Site) -> datetime | None:
    """Where the answers begin that the acceptance model in use learned from; None without one."""
    try:
        found = current_hash(site, ACCEPTANCE)
        return load(site, ACCEPTANCE, found).window[0] if found else None
    except InvalidModel:
        return None


def _lengths(count: int, newest: int) -> list[int]:
    """Windows from the newest answers to all of them.

    >>> _lengths(1000, 300)
    [300, 600, 1000]
    """
    lengths = [newest]
    while lengths[-1] * 2 < count:
        lengths.append(lengths[-1] * 2)
    return [*lengths, count]


def _worse(loss: Vector, best: Vector) -> bool:
    more = loss - best
    return float(more.mean()) > SIGNIFICANT * float(more.std()) / len(more) ** 0.5


def _losses(
    offers: Sequence[AcceptanceRow], lengths: Sequence[int], newest: int
) -> Iterator[Vector]:
    """The log loss of each of the newest, foretold from the others of each window."""
    columns = acceptance_columns(offers)
    rows = encoded(columns, [row.values() for row in offers])
    accepted = np.array([row.accepted for row in offers], dtype=np.float64)
    texts = [at for at, each in enumerate(columns) if each.kind is ColumnKind.CATEGORY]
    fold = np.array([_fold(row.customer) for row in offers])
    place = np.arange(len(offers))
    judged = place >= len(offers) - newest
    for length in lengths:
        step = max(1, (length - newest) // _MOST_ROWS)
        window = judged | ((place >= len(offers) - length) & (place % step == 0))
        found = np.zeros(len(offers))
        for each in range(FOLDS):
            out = judged & (fold == each)
            learning = window & ~out
            foretold = _foretold(rows[learning], accepted[learning], texts, rows[out])
            found[out] = _log_loss(accepted[out], foretold)
        yield found[judged]


def _foretold(rows: Matrix, accepted: Vector, texts: Sequence[int], asked: Matrix) -> Vector:
    data = lgb.Dataset(rows, accepted, categorical_feature=list(texts), params=dict(_PARAMETERS))
    booster = lgb.train(dict(_PARAMETERS), data, _ROUNDS)
    return np.asarray(booster.predict(asked, num_threads=1))


def _log_loss(accepted: Vector, foretold: Vector) -> Vector:
    p = np.clip(foretold, 1e-6, 1 - 1e-6)
    return -(accepted * np.log(p) + (1 - accepted) * np.log1p(-p))


def _time(row: AcceptanceRow) -> datetime:
    return row.at


def _fold(customer: str) -> int:
    return int.from_bytes(hashlib.sha256(customer.encode()).digest()[:4]) % FOLDS
