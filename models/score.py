"""Scores for decisions: the current models, checked at load, picked up again when they change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import InvalidModel
from engine.ledger.site import Site
from engine.types import Scalar, Scores
from models.artefact import Artefact
from models.encoding import UNKNOWN, Matrix, Vector, encode_row
from models.forest import BACKEND, Forest
from models.inputs import ACCEPTANCE, CHURN, CHURN_SCORE, PAIR, pair_values
from models.registry import CURRENT, current_hash, folder, load

if TYPE_CHECKING:
    from engine.catalog import Action

DECIMALS = 9
GOLDEN_TOLERANCE = 1e-9
NO_ACCEPTANCE = "no acceptance model: prior propensities are used"
NO_CHURN = "no churn model: its score is unknown"
_MOST_PAIRS_KEPT = 10_000


class Model:
    """An artefact ready to score, once it has reproduced its golden rows (else InvalidModel)."""

    def __init__(self, artefact: Artefact, artefact_hash: str = "") -> None:
        self.artefact = artefact
        self.hash = artefact_hash or artefact.hash()
        self.columns = artefact.columns
        self._forest = Forest(artefact.model, len(artefact.columns))
        self._calibration = artefact.calibration
        _check_golden(self._forest, artefact)

    def one(self, values: Mapping[str, object]) -> float | None:
        """The probability for one row of values by column name."""
        raw = self._forest.raw_one(encode_row(self.columns, values))
        return _rounded(float(self._calibration(np.array(raw))[0]))

    def many(self, rows: Matrix) -> Vector:
        """Probabilities for encoded rows, not rounded."""
        return self._calibration(self._forest.raw(rows)[:, 0])


class _Acceptance:
    """An acceptance model with what it needs prepared: the rows of pairs, filled per customer."""

    def __init__(self, model: Model) -> None:
        self.model = model
        columns = model.columns
        self._customer = [i for i, column in enumerate(columns) if column.name not in PAIR]
        self._customer_columns = [columns[i] for i in self._customer]
        self._pairs: dict[tuple[str, str, str, str], list[float]] = {}
        self.uses_churn = any(column.name == CHURN_SCORE for column in columns)

    def scores(self, features: Mapping[str, object], pairs: Sequence[tuple[Action, str]]) -> Vector:
        """Probabilities in the order of the pairs."""
        if not pairs:
            return np.empty(0)
        rows = np.array([self._pair(action, channel) for action, channel in pairs])
        rows[:, self._customer] = encode_row(self._customer_columns, features)
        return self.model.many(rows)

    def _pair(self, action: Action, channel: str) -> list[float]:
        key = (action.name, action.purpose, action.group, channel)
        row = self._pairs.get(key)
        if row is None:
            if len(self._pairs) > _MOST_PAIRS_KEPT:
                self._pairs.clear()
            row = encode_row(self.model.columns, pair_values(action, channel))
            self._pairs[key] = row
        return row


class ModelScorer:
    """The scorer of a stack. `refresh` is cheap: call it every second to pick up new models."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stamps: dict[str, tuple[int, int] | None] = {}
        self._churn: Model | None = None
        self._acceptance: _Acceptance | None = None
        self._trouble: dict[str, str] = {}
        self.refresh()

    @property
    def models(self) -> dict[str, str]:
        """The hashes of the models in use."""
        found = {CHURN: self._churn, ACCEPTANCE: self._acceptance and self._acceptance.model}
        return {name: model.hash for name, model in found.items() if model}

    def refresh(self) -> bool:
        """Loads what has become current since the last call; True if anything changed.

        A model that can't be loaded leaves the one before in use, and every answer says so.
        """
        changed = [name for name in (CHURN, ACCEPTANCE) if self._is_new(name)]
        for name in changed:
            self._load(name)
        return bool(changed)

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """The scores of the customer alone: `churn`."""
        if self._churn is None:
            return Scores(because=self._because(CHURN, NO_CHURN))
        score = self._churn.one(features)
        return Scores(
            customer={} if score is None else {CHURN: score},
            models={CHURN: self._churn.hash},
            backend=BACKEND,
            because=self._because(CHURN),
        )

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """How likely this customer accepts each action on its channel, in the order of the pairs.

        The churn score is taken from `features["model.churn"]`, or computed where it is not there.
        """
        if self._acceptance is None:
            because = self._because(ACCEPTANCE, NO_ACCEPTANCE)
            return Scores(acceptance=(None,) * len(pairs), because=because)
        values = self._with_churn(features) if self._acceptance.uses_churn else features
        found = self._acceptance.scores(values, pairs)
        return Scores(
            acceptance=tuple(_rounded(score) for score in found.tolist()),
            models={ACCEPTANCE: self._acceptance.model.hash},
            backend=BACKEND,
            because=self._because(ACCEPTANCE),
        )

    def _with_churn(self, features: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        if CHURN_SCORE in features or self._churn is None:
            return features
        return {**features, CHURN_SCORE: self._churn.one(features)}

    def _because(self, name: str, missing: str = "") -> tuple[str, ...]:
        return tuple(line for line in (missing, self._trouble.get(name, "")) if line)

    def _is_new(self, name: str) -> bool:
        try:
            found = (folder(self._site, name) / CURRENT).stat()
        except OSError:
            stamp = None
        else:
            stamp = (found.st_mtime_ns, found.st_ino)
        if name in self._stamps and self._stamps[name] == stamp:
            return False
        self._stamps[name] = stamp
        return True

    def _load(self, name: str) -> None:
        self._trouble.pop(name, None)
        try:
            found = current_hash(self._site, name)
            model = None if found is None else Model(load(self._site, name, found), found)
        except InvalidModel as error:
            self._trouble[name] = f"{error}; what was in use before stays in use"
            return
        if name == CHURN:
            self._churn = model
        else:
            self._acceptance = None if model is None else _Acceptance(model)


def _check_golden(forest: Forest, artefact: Artefact) -> None:
    golden = artefact.golden
    if not golden.rows:
        raise InvalidModel(f"model {artefact.name} has no golden rows to check it by")
    rows = [[UNKNOWN if value is None else value for value in row] for row in golden.rows]
    found, wanted = forest.raw(np.array(rows, dtype=np.float64)), np.array(golden.scores)
    if found.shape != wanted.shape or not np.allclose(found, wanted, 0.0, GOLDEN_TOLERANCE):
        raise InvalidModel(f"model {artefact.name} does not reproduce its golden scores")


def _rounded(score: float) -> float | None:
    return round(score, DECIMALS) if math.isfinite(score) else None
