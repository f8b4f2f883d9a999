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

BACKEND = "leaf-masks"
MOST_LEAVES = 64
MOST_BYTES = 64_000_000

_ALL = (1 << 64) - 1
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_IS_NAN = 1, 2, 2

Masks = npt.NDArray[np.uint64]


class _Unsupported(Exception):
    """A model that masks can't express: LightGBM's own library scores it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """One inner node: where it sends values, and the mask of what is left when that is right."""

    tree: int
    column: int
    threshold: float
    categories: frozenset[int] | None
    missing_goes_right: bool
    mask: int

    def sends_right(self, code: int) -> bool:
        """Whether a category goes right, by its code: a tree may compare codes as numbers too."""
        if self.categories is None:
            return code > self.threshold
        return code not in self.categories


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The masks of one column: one row for each interval between thresholds or each category.

    The last row is that of unknown values. A category goes by its code, a number by its interval.
    """

    thresholds: list[float] | None
    rows: Masks

    def row(self, value: float) -> Masks:
        if value != value:
            return self.rows[-1]
        if self.thresholds is None:
            return self.rows[int(value)]
        return self.rows[bisect_left(self.thresholds, value)]


class Leaves:
    """A binary model as masks: `mask` says what a row leaves open, `raw` adds up the leaves."""

    def __init__(self, tables: Sequence[_Table | None], values: Sequence[Sequence[float]]) -> None:
        self.trees = len(values)
        self._tables = tables
        self._values = np.zeros(self.trees * MOST_LEAVES)
        for tree, leaves in enumerate(values):
            self._values[tree * MOST_LEAVES :][: len(leaves)] = leaves
        self._starts = np.arange(self.trees, dtype=np.int64) * MOST_LEAVES

    def mask(self, columns: Iterable[int], row: Sequence[float]) -> Masks:
        """The leaves that values in these columns leave open, one mask for each tree."""
        found: list[Any] = []
        for column, value in zip(columns, row, strict=True):
            table = self._tables[column]
            if table is not None:
                found.append(table.row(value))
        if not found:
            return np.full(self.trees, _ALL, dtype=np.uint64)
        return np.bitwise_and.reduce(np.array(found), axis=0)

    def raw(self, masks: Masks) -> Vector:
        """Raw scores of rows from their whole masks, one row of masks each."""
        lowest = masks & np.negative(masks)
        places = np.bitwise_count(lowest - np.uint64(1)).astype(np.int64)
        places += self._starts
        return np.cumsum(self._values.take(places), axis=1)[:, -1]


def compile_leaves(model: str, columns: Sequence[Column]) -> Leaves | None:
    """The masks of a LightGBM text model; None if they can't express it, or would be large."""
    try:
        head, *trees = model.split("\nTree=")
        if "num_tree_per_iteration=1" not in head or "average_output" in head:
            return None
        parsed = [_parse(number, text) for number, text in enumerate(trees)]
        tables = _tables([each for found, _ in parsed for each in found], columns, len(parsed))
    except (_Unsupported, KeyError, ValueError, IndexError):
        return None
    return Leaves(tables, [values for _, values in parsed])


def _tables(
    conditions: Sequence[_Condition], columns: Sequence[Column], trees: int
) -> list[_Table | None]:
    by_column: dict[int, list[_Condition]] = {}
    for condition in conditions:
        by_column.setdefault(condition.column, []).append(condition)
    rows = sum(max(len(found), len(columns[at].categories)) for at, found in by_column.items())
    if not trees or rows * trees * 8 > MOST_BYTES:
        raise _Unsupported
    return [
        _table(column, by_column[place], trees) if place in by_column else None
        for place, column in enumerate(columns)
    ]


def _table(column: Column, conditions: list[_Condition], trees: int) -> _Table:
    unknown = _masks(trees, (c for c in conditions if c.missing_goes_right))
    if column.kind is ColumnKind.CATEGORY:
        known = range(len(column.categories))
        rows = [_masks(trees, (c for c in conditions if c.sends_right(code))) for code in known]
        return _Table(thresholds=None, rows=np.array([*rows, unknown]))
    if any(condition.categories is not None for condition in conditions):
        raise _Unsupported
    thresholds = sorted({condition.threshold for condition in conditions})
    ordered = sorted(conditions, key=lambda condition: condition.threshold)
    rows = [np.full(trees, _ALL, dtype=np.uint64)]
    start = 0
    for threshold in thresholds:  # a value above a threshold is above all those before it
        end = start
        while end < len(ordered) and ordered[end].threshold == threshold:
            end += 1
        rows.append(rows[-1] & _masks(trees, ordered[start:end]))
        start = end
    return _Table(thresholds=thresholds, rows=np.array([*rows, unknown]))


def _masks(trees: int, conditions: Iterable[_Condition]) -> Masks:
    found = [_ALL] * trees
    for condition in conditions:
        found[condition.tree] &= condition.mask
    return np.array(found, dtype=np.uint64)


def _parse(tree: int, text: str) -> tuple[list[_Condition], list[float]]:
    fields = dict(line.split("=", 1) for line in text.split("\n\n")[0].splitlines() if "=" in line)
    if fields.get("is_linear", "0") != "0" or int(fields["num_leaves"]) > MOST_LEAVES:
        raise _Unsupported
    leaf_values = [float(value) for value in fields["leaf_value"].split()]
    if int(fields["num_leaves"]) == 1:
        return [], leaf_values
    order, left_masks = _leaf_order(
        _integers(fields, "left_child"), _integers(fields, "right_child")
    )
    conditions = [_condition(tree, node, fields, mask) for node, mask in enumerate(left_masks)]
    return conditions, [leaf_values[leaf] for leaf in order]


def _leaf_order(left: list[int], right: list[int]) -> tuple[list[int], list[int]]:
    """The leaves from left to right, and for each node the mask that clears its left subtree."""
    order: list[int] = []
    spans: dict[int, tuple[int, int]] = {}
    todo: list[tuple[int, bool]] = [(0, False)]
    starts: dict[int, int] = {}
    while todo:
        node, left_done = todo.pop()
        if node < 0:
            order.append(~node)
        elif left_done:
            spans[node] = (starts[node], len(order))
            todo.append((right[node], False))
        else:
            starts[node] = len(order)
            todo += [(node, True), (left[node], False)]
    masks = [_ALL ^ ((1 << spans[node][1]) - (1 << spans[node][0])) for node in range(len(left))]
    return order, masks


def _condition(tree: int, node: int, fields: dict[str, str], mask: int) -> _Condition:
    kind = _integers(fields, "decision_type")[node]
    threshold = float(fields["threshold"].split()[node])
    categorical = bool(kind & _CATEGORICAL)
    missing = kind >> 2 & 3
    if not categorical and missing not in (0, _MISSING_IS_NAN):
        raise _Unsupported
    by_default_right = not kind & _DEFAULT_LEFT
    return _Condition(
        tree=tree,
        column=_integers(fields, "split_feature")[node],
        threshold=threshold,
        categories=_categories(fields, int(threshold)) if categorical else None,
        missing_goes_right=categorical or (by_default_right if missing else threshold < 0.0),
        mask=mask,
    )


def _categories(fields: dict[str, str], place: int) -> frozenset[int]:
    bounds, words = _integers(fields, "cat_boundaries"), _integers(fields, "cat_threshold")
    chosen = words[bounds[place] : bounds[place + 1]]
    return frozenset(
        32 * number + bit
        for number, word in enumerate(chosen)
        for bit in range(32)
        if word >> bit & 1
    )


def _integers(fields: dict[str, str], name: str) -> list[int]:
    return [int(value) for value in fields[name].split()]
