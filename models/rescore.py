"""Scores a recorded decision again with the models it names, by LightGBM's own prediction."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from engine.catalog import Bundle
from engine.errors import InvalidModel
from engine.ledger.site import Site
from engine.names import known_features
from engine.record import Record
from engine.types import Scalar
from models import registry
from models.artefact import Artefact
from models.encoding import Matrix, Vector, encode_row
from models.inputs import ACCEPTANCE, CHURN, CHURN_SCORE, pair_values
from models.model import DECIMALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """How many scores were compared, the largest difference, and why some could not be."""

    compared: int
    largest_difference: float | None
    because: tuple[str, ...] = ()


def rescored(site: Site, kept: Record, bundle: Bundle) -> Rescored:
    """The recorded scores against those of `Booster.predict`; `bundle` is the decision's own."""
    features = known_features(kept.snapshot, bundle, kept.request.now).features
    differences: list[float] = []
    because: list[str] = []
    for name, artefact_hash in kept.decision.scores.models.items():
        try:
            artefact = registry.load(site, name, artefact_hash)
        except InvalidModel as error:
            because.append(str(error))
            continue
        differences += _differences(artefact, kept, bundle, features)
    if not kept.decision.scores.models:
        because.append("no model scored this decision")
    return Rescored(
        compared=len(differences),
        largest_difference=max(differences, default=None),
        because=tuple(because),
    )


def _differences(
    artefact: Artefact, kept: Record, bundle: Bundle, features: Mapping[str, Scalar]
) -> Iterator[float]:
    scores = kept.decision.scores
    if artefact.name == CHURN and CHURN in scores.customer:
        recorded, rows = [scores.customer[CHURN]], [encode_row(artefact.columns, features)]
    elif artefact.name == ACCEPTANCE:
        known = {**features, CHURN_SCORE: scores.customer.get(CHURN)}
        pairs = [
            (bundle.actions[name], score)
            for name, score in zip(scores.scored, scores.acceptance, strict=False)
            if score is not None and name in bundle.actions
        ]
        recorded = [score for _, score in pairs]
        rows = [
            encode_row(artefact.columns, {**known, **pair_values(action, kept.request.channel)})
            for action, _ in pairs
        ]
    else:
        return
    if rows:
        again = np.round(_predicted(artefact, np.array(rows, dtype=np.float64)), DECIMALS)
        yield from (abs(a - b) for a, b in zip(again.tolist(), recorded, strict=True))


def _predicted(artefact: Artefact, rows: Matrix) -> Vector:
    import lightgbm as lgb

    raw = lgb.Booster(model_str=artefact.model).predict(rows, raw_score=True, num_threads=1)
    return artefact.calibration(np.asarray(raw, dtype=np.float64))
