"""One model, ready to score once a back end has reproduced its golden rows."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.errors import InvalidModel
from models import compiled, forest, leaves
from models.artefact import Artefact
from models.compiled import Compiled, load_compiled
from models.encoding import UNKNOWN, Matrix, Vector, encode_row
from models.forest import Forest
from models.leaves import Leaves, compile_leaves

DECIMALS = 9
GOLDEN_TOLERANCE = 1e-9

_SCALE = np.array(10.0**DECIMALS)
_log = logging.getLogger(__name__)


class Model:
    """An artefact ready to score, by the first back end that reproduces its golden rows.

    Leaf masks come first; where they can't express it, what was compiled in its folder `place`;
    then LightGBM's own library. Raises InvalidModel when none reproduces them.
    """

    def __init__(
        self, artefact: Artefact, artefact_hash: str = "", place: Path | None = None
    ) -> None:
        if not artefact.golden.rows:
            raise InvalidModel(f"model {artefact.name} has no golden rows to check it by")
        self.artefact = artefact
        self.hash = artefact_hash or artefact.hash()
        self.columns = artefact.columns
        self._place = place
        self._compiled: Compiled | None = None
        self.leaves = self._golden_leaves()
        if self.leaves is None:
            self.do_without_leaves()

    def do_without_leaves(self) -> None:
        """Leaves leaf masks to one of the other back ends. Raises InvalidModel if none is right."""
        self._compiled = self._golden_compiled(self._place)
        if self._compiled is None and not is_golden(self.artefact, self._forest.raw):
            reason = f"model {self.artefact.name} does not reproduce its golden scores"
            raise InvalidModel(reason)
        self.leaves = None

    @property
    def backend(self) -> str:
        """Who scores."""
        if self.leaves:
            return leaves.BACKEND
        return compiled.BACKEND if self._compiled else forest.BACKEND

    @cached_property
    def _forest(self) -> Forest:
        return Forest(self.artefact.model, len(self.columns))

    def one(self, values: Mapping[str, object]) -> float | None:
        """The probability for one row of values by column name, without leaf masks."""
        row = encode_row(self.columns, values)
        if self._compiled:
            return self.chance(float(self._compiled.raw(np.array([row]))[0, 0]))
        return self.chance(self._forest.raw_one(row)[0])

    def many(self, rows: Matrix) -> list[float | None]:
        """The probabilities for encoded rows, without leaf masks."""
        by = self._compiled or self._forest
        return self.chances(by.raw(rows)[:, 0])

    def chance(self, raw: float) -> float | None:
        """The probability for a raw score, rounded."""
        found = self.artefact.calibration.one(raw)
        return round(found, DECIMALS) if math.isfinite(found) else None

    def chances(self, raw: Vector) -> list[float | None]:
        """The probabilities for raw scores, rounded."""
        found = (np.rint(self.artefact.calibration(raw) * _SCALE) / _SCALE).tolist()
        if math.isfinite(sum(found)):
            return found
        return [each if math.isfinite(each) else None for each in found]

    def _golden_leaves(self) -> Leaves | None:
        artefact = self.artefact
        masked = compile_leaves(artefact.model, artefact.columns)
        if masked is None:
            return None
        every = range(len(artefact.columns))

        def raw(rows: Matrix) -> Matrix:
            masks = [masked.mask(every, row) for row in rows.tolist()]
            return masked.raw(np.array(masks))[:, None]

        return masked if self._holds(leaves.BACKEND, raw) else None

    def _golden_compiled(self, place: Path | None) -> Compiled | None:
        found = load_compiled(place)
        return found if found and self._holds(compiled.BACKEND, found.raw) else None

    def _holds(self, backend: str, raw: Callable[[Matrix], Matrix]) -> bool:
        """Whether a back end reproduces the golden rows; said in the log where it does not."""
        if is_golden(self.artefact, raw):
            return True
        told = "%s does not reproduce the golden scores of model %s: another back end scores"
        _log.warning(told, backend, self.artefact.name)
        return False


def is_golden(artefact: Artefact, raw: Callable[[Matrix], Matrix]) -> bool:
    """Whether raw scores of the golden rows are those that `Booster.predict` gave."""
    golden = artefact.golden
    rows = [[UNKNOWN if value is None else value for value in row] for row in golden.rows]
    if any(len(row) != len(artefact.columns) for row in rows):
        return False
    found, wanted = raw(np.array(rows, dtype=np.float64)), np.array(golden.scores)
    return found.shape == wanted.shape and np.allclose(found, wanted, 0.0, GOLDEN_TOLERANCE)
