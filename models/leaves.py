"""A forest as bit masks: scores many offers to one customer at a fraction of a tree walk.

After QuickScorer (Lucchese et al., SIGIR 2015): the leaves of a tree are bits, left to right, and
a condition that sends a row to the right clears the bits of its left subtree. The lowest bit left
over is the row's leaf. The masks of all conditions on one column are combined beforehand, so a row
costs one look-up a column, and what offers share (the customer) is computed once. The values of
the trees are added in order, as LightGBM does: the sums are the same to the last bit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.encoding import Column, ColumnKind, Vector
from models.trees import ALL, Condition, Trees, Unsupported, read_trees

BACKEND = "leaf-masks"
MOST_BYTES = 64_000_000

Masks = npt.NDArray[Any]
"""One mask a tree, of 32 or 64 bits: as many as the largest tree needs."""
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The masks of one column: one row for each interval between thresholds or each category.

    The last row is that of unknown values. A category goes by its code, a number by its interval.
    """

    thresholds: list[float] | None
    rows: Masks

    def row(self, value: float) -> Masks:
        """The masks that a value leaves, one for each tree."""
        if value != value:
            return self.rows[-1]
        if self.thresholds is None:
            return self.rows[int(value)]
        return self.rows[bisect_left(self.thresholds, value)]


class Leaves:
    """A binary model as masks: `mask` says what a row leaves open, `raw` adds up the leaves."""

    def __init__(self, tables: Sequence[Table | None], values: Sequence[Sequence[float]]) -> None:
        self.trees = len(values)
        self.tables = tables
        self.bits = 32 if max(map(len, values)) <= 32 else 64
        self.open = np.full(self.trees, ALL >> (64 - self.bits), dtype=f"u{self.bits // 8}")
        """The masks of a row of which nothing is known."""
        self.starts: Places = np.arange(self.trees, dtype=np.intp) * self.bits
        self.values = np.zeros(self.trees * self.bits)
        """The value of each leaf, the last leaf of a tree first: see `places`."""
        for start, leaves in zip(self.starts.tolist(), values, strict=True):
            self.values[start : start + self.bits][::-1][: len(leaves)] = leaves

    def mask(self, columns: Iterable[int], row: Sequence[float]) -> Masks:
        """The leaves that values in these columns leave open, one mask for each tree."""
        found = self.open
        for column, value in zip(columns, row, strict=True):
            table = self.tables[column]
            if table is not None:
                found = found & table.row(value)
        return found

    def raw(self, masks: Masks) -> Vector:
        """Raw scores of rows from their whole masks, one row of masks each."""
        return self.values.take(places(masks, self.starts)).cumsum(axis=1)[:, -1]

    def raw_one(self, masks: Masks) -> float:
        """The raw score of one row."""
        return np.add.accumulate(self.values.take(places(masks, self.starts))).item(-1)


def places(masks: Masks, starts: Places) -> Places:
    """Where the leaves' values are: counted by the bits above the lowest one of each mask."""
    return starts + np.bitwise_count(masks ^ np.negative(masks))


def compile_leaves(model: str, columns: Sequence[Column]) -> Leaves | None:
    """The masks of a LightGBM text model; None if they can't express it, or would be large."""
    try:
        trees = read_trees(model)
        tables = _tables(trees, columns)
    except (Unsupported, IndexError):
        return None
    return Leaves(tables, trees.values)


def _tables(trees: Trees, columns: Sequence[Column]) -> list[Table | None]:
    by_column: dict[int, list[Condition]] = {}
    for condition in trees.conditions:
        by_column.setdefault(condition.column, []).append(condition)
    rows = sum(max(len(found), len(columns[at].categories)) for at, found in by_column.items())
    wide = max(map(len, trees.values)) > 32
    if rows * len(trees.values) * (8 if wide else 4) > MOST_BYTES:
        raise Unsupported
    kind = np.dtype(np.uint64 if wide else np.uint32)
    return [
        _table(column, by_column[place], len(trees.values), kind) if place in by_column else None
        for place, column in enumerate(columns)
    ]


def _table(column: Column, conditions: list[Condition], trees: int, kind: np.dtype[Any]) -> Table:
    def masks(chosen: Iterable[Condition]) -> Masks:
        found = [ALL] * trees
        for condition in chosen:
            found[condition.tree] &= condition.mask
        return np.array(found, dtype=np.uint64).astype(kind)

    unknown = masks(c for c in conditions if c.missing_goes_right)
    if column.kind is ColumnKind.CATEGORY:
        known = range(len(column.categories))
        rows = [masks(c for c in conditions if c.sends_right(code)) for code in known]
        return Table(thresholds=None, rows=np.array([*rows, unknown]))
    if any(condition.categories is not None for condition in conditions):
        raise Unsupported
    by_threshold: dict[float, list[Condition]] = {}
    for condition in conditions:
        by_threshold.setdefault(condition.threshold, []).append(condition)
    thresholds = sorted(by_threshold)
    rows = [masks(())]
    for threshold in thresholds:  # a value above a threshold is above all those before it
        rows.append(rows[-1] & masks(by_threshold[threshold]))
    return Table(thresholds=thresholds, rows=np.array([*rows, unknown]))
