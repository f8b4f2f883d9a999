"""Scores for decisions: the current models, checked at load, picked up again when they change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import InvalidModel
from engine.ledger.evidence import EvidenceCounts
from engine.ledger.site import Site
from engine.types import Scalar, Scores
from models import forest, leaves
from models.artefact import Artefact
from models.encoding import UNKNOWN, Matrix, Vector, encode_row
from models.forest import Forest
from models.inputs import ACCEPTANCE, CHURN, CHURN_SCORE, PAIR, pair_values
from models.leaves import Leaves, Masks, compile_leaves
from models.registry import CURRENT, current_hash, folder, load

if TYPE_CHECKING:
    from engine.catalog import Action

DECIMALS = 9
GOLDEN_TOLERANCE = 1e-9
NO_ACCEPTANCE = "no acceptance model: prior propensities are used"
NO_CHURN = "no churn model: its score is unknown"
_MOST_PAIRS_KEPT = 10_000

_PairKey = tuple[str, str, str, str]


class Model:
    """An artefact ready to score, once it has reproduced its golden rows (else InvalidModel).

    One row is scored by LightGBM's library, many by `leaves` where it can, to the same bits.
    """

    def __init__(self, artefact: Artefact, artefact_hash: str = "") -> None:
        self.artefact = artefact
        self.hash = artefact_hash or artefact.hash()
        self.columns = artefact.columns
        self._forest = Forest(artefact.model, len(artefact.columns))
        if not _is_golden(artefact, self._forest.raw):
            raise InvalidModel(f"model {artefact.name} does not reproduce its golden scores")
        self.leaves = _golden_leaves(artefact)

    def one(self, values: Mapping[str, object]) -> float | None:
        """The probability for one row of values by column name."""
        raw = self._forest.raw_one(encode_row(self.columns, values))
        return _rounded(float(self.artefact.calibration(np.array(raw))[0]))

    def many(self, rows: Matrix) -> Vector:
        """Probabilities for encoded rows, not rounded."""
        return self.artefact.calibration(self._forest.raw(rows)[:, 0])


class _Acceptance:
    """An acceptance model with what it needs prepared: the part of each pair, kept once seen."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.backend = leaves.BACKEND if model.leaves else forest.BACKEND
        columns = model.columns
        self._customer = [i for i, column in enumerate(columns) if column.name not in PAIR]
        self._offered = [i for i, column in enumerate(columns) if column.name in PAIR]
        self._customer_columns = [columns[i] for i in self._customer]
        self._rows: dict[_PairKey, list[float]] = {}
        self._masks: dict[_PairKey, Masks] = {}
        self.uses_churn = any(column.name == CHURN_SCORE for column in columns)

    def scores(self, features: Mapping[str, object], pairs: Sequence[tuple[Action, str]]) -> Vector:
        """Probabilities in the order of the pairs."""
        if not pairs:
            return np.empty(0)
        customer = encode_row(self._customer_columns, features)
        if self.model.leaves is None:
            rows = np.array([self._row(*pair) for pair in pairs])
            rows[:, self._customer] = customer
            return self.model.many(rows)
        masks = np.array([self._mask(self.model.leaves, *pair) for pair in pairs])
        masks &= self.model.leaves.mask(self._customer, customer)
        return self.model.artefact.calibration(self.model.leaves.raw(masks))

    def _row(self, action: Action, channel: str) -> list[float]:
        key = (action.name, action.purpose, action.group, channel)
        row = self._rows.get(key)
        if row is None:
            row = encode_row(self.model.columns, pair_values(action, channel))
            _keep(self._rows, key, row)
        return row

    def _mask(self, compiled: Leaves, action: Action, channel: str) -> Masks:
        key = (action.name, action.purpose, action.group, channel)
        mask = self._masks.get(key)
        if mask is None:
            row = encode_row(self.model.columns, pair_values(action, channel))
            mask = compiled.mask(self._offered, [row[place] for place in self._offered])
            _keep(self._masks, key, mask)
        return mask


class ModelScorer:
    """The scorer of a stack. `refresh` is cheap: call it every second to pick up new models.

    `evidence` is how many answers there are so far, given along where the bundle goes by it.
    """

    def __init__(self, site: Site, evidence: EvidenceCounts | None = None) -> None:
        self._site = site
        self._evidence = evidence
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
            backend=forest.BACKEND,
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
            unknown = (None,) * len(pairs)
            return Scores(acceptance=unknown, evidence=self._answers(pairs), because=because)
        values = self._with_churn(features) if self._acceptance.uses_churn else features
        found = self._acceptance.scores(values, pairs)
        return Scores(
            acceptance=tuple(_rounded(score) for score in found.tolist()),
            evidence=self._answers(pairs),
            models={ACCEPTANCE: self._acceptance.model.hash},
            backend=self._acceptance.backend,
            because=self._because(ACCEPTANCE),
        )

    def _answers(self, pairs: Sequence[tuple[Action, str]]) -> tuple[tuple[int, int], ...]:
        counts = self._evidence
        if counts is None or not counts.wanted:
            return ()
        return tuple(counts.of(action.name, channel) for action, channel in pairs)

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


def _golden_leaves(artefact: Artefact) -> Leaves | None:
    compiled = compile_leaves(artefact.model, artefact.columns)
    if compiled is None:
        return None
    every = range(len(artefact.columns))

    def raw(rows: Matrix) -> Matrix:
        return compiled.raw(np.array([compiled.mask(every, row) for row in rows.tolist()]))[:, None]

    return compiled if _is_golden(artefact, raw) else None


def _is_golden(artefact: Artefact, raw: Callable[[Matrix], Matrix]) -> bool:
    golden = artefact.golden
    if not golden.rows:
        raise InvalidModel(f"model {artefact.name} has no golden rows to check it by")
    rows = [[UNKNOWN if value is None else value for value in row] for row in golden.rows]
    found, wanted = raw(np.array(rows, dtype=np.float64)), np.array(golden.scores)
    return found.shape == wanted.shape and np.allclose(found, wanted, 0.0, GOLDEN_TOLERANCE)


def _keep(kept: dict[_PairKey, Any], key: _PairKey, value: object) -> None:
    if len(kept) >= _MOST_PAIRS_KEPT:
        kept.clear()
    kept[key] = value


def _rounded(score: float) -> float | None:
    return round(score, DECIMALS) if math.isfinite(score) else None
