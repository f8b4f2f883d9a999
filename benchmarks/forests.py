"""Models of the size that the comparison asks for: 200 trees of 31 leaves each, no fewer."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np

from engine.catalog import Bundle
from engine.ledger.site import Site
from engine.types import Scalar
from models.artefact import Artefact, Golden, golden_row
from models.calibrate import Calibration
from models.dataset import acceptance_columns, encoded, feature_columns
from models.encoding import Column
from models.inputs import ACCEPTANCE, CHURN
from models.registry import promote
from models.simulate import simulated_history

TREES = 200
LEAVES = 31
GOLDEN_ROWS = 12
ANSWERS = 20_000
SEED = 11

Customers = Sequence[tuple[str, Mapping[str, Scalar]]]


def grow(rows: Any, target: Any) -> str:
    """A forest as text. Raises ValueError when any tree came out smaller than asked for."""
    data = lightgbm.Dataset(rows, target, params={"verbosity": -1, "num_threads": 1})
    parameters: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "min_data_in_leaf": 5,
        "learning_rate": 0.03,
        "verbosity": -1,
        "num_threads": 1,
        "seed": SEED,
    }
    text = lightgbm.train(parameters, data, TREES).model_to_string()
    leaves = re.findall(r"^num_leaves=(\d+)$", text, re.MULTILINE)
    if leaves != [str(LEAVES)] * TREES:
        raise ValueError(f"{TREES} trees of {LEAVES} leaves were asked for, not {leaves}")
    return text


def register_models(site: Site, bundle: Bundle, customers: Customers) -> None:
    """Trains `churn` and `acceptance` on made-up answers of these customers; makes them current."""
    draw = random.Random(SEED)
    features = [values for _, values in customers]
    columns = feature_columns(features)
    left = np.array([draw.random() < 0.26 for _ in features], dtype=float)
    _register(site, CHURN, columns, encoded(columns, features), left)
    channels = tuple(bundle.channels)
    actions = tuple(bundle.actions.values())
    at = site.clock.now()
    offers = [*simulated_history(draw, customers, actions, channels, ANSWERS, at)]
    columns = acceptance_columns(offers)
    accepted = np.array([offer.accepted for offer in offers], dtype=float)
    rows = encoded(columns, [offer.values() for offer in offers])
    _register(site, ACCEPTANCE, columns, rows, accepted)


def _register(site: Site, name: str, columns: Sequence[Column], rows: Any, target: Any) -> None:
    text = grow(rows, target)
    scores: Any = lightgbm.Booster(model_str=text).predict(
        rows[:GOLDEN_ROWS], raw_score=True, num_threads=1
    )
    now = site.clock.now()
    promote(
        site,
        Artefact(
            name=name,
            target=name,
            columns=tuple(columns),
            calibration=Calibration(),
            model=text,
            golden=Golden(
                rows=tuple(golden_row(row) for row in rows[:GOLDEN_ROWS].tolist()),
                scores=tuple((float(score),) for score in scores),
            ),
            trained_at=now,
            window=(now, now),
            rows=len(rows),
        ),
    )
