"""A LightGBM text model read as conditions on columns, for those who score it by leaf masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_LEAVES = 64
ALL = (1 << MOST_LEAVES) - 1
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_IS_NAN = 1, 2, 2


class Unsupported(Exception):
    """A model that masks can't express: LightGBM's own library scores it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
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
class Trees:
    """All conditions of a binary model, and the values of the leaves of each tree, left to right"""

    conditions: Sequence[Condition]
    values: Sequence[Sequence[float]]


def read_trees(model: str) -> Trees:
    """The trees of a text model. Raises Unsupported where masks can't express it."""
    head, *texts = model.split("\nTree=")
    if "num_tree_per_iteration=1" not in head or "average_output" in head or not texts:
        raise Unsupported
    try:
        parsed = [_parse(number, text) for number, text in enumerate(texts)]
    except (KeyError, ValueError, IndexError) as error:
        raise Unsupported from error
    return Trees(
        conditions=[condition for found, _ in parsed for condition in found],
        values=[values for _, values in parsed],
    )


def _parse(tree: int, text: str) -> tuple[list[Condition], list[float]]:
    fields = dict(line.split("=", 1) for line in text.split("\n\n")[0].splitlines() if "=" in line)
    if fields.get("is_linear", "0") != "0" or int(fields["num_leaves"]) > MOST_LEAVES:
        raise Unsupported
    leaf_values = [float(value) for value in fields["leaf_value"].split()]
    if int(fields["num_leaves"]) == 1:
        return [], leaf_values
    order, left_masks = _leaf_order(
        _integers(fields, "left_child"), _integers(fields, "right_child")
    )
    return _conditions(tree, fields, left_masks), [leaf_values[leaf] for leaf in order]


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
    masks = [ALL ^ ((1 << spans[node][1]) - (1 << spans[node][0])) for node in range(len(left))]
    return order, masks


def _conditions(tree: int, fields: dict[str, str], masks: list[int]) -> list[Condition]:
    kinds = _integers(fields, "decision_type")
    columns = _integers(fields, "split_feature")
    thresholds = [float(value) for value in fields["threshold"].split()]
    return [
        Condition(
            tree=tree,
            column=columns[node],
            threshold=thresholds[node],
            categories=(
                _categories(fields, int(thresholds[node])) if kinds[node] & _CATEGORICAL else None
            ),
            missing_goes_right=_missing_goes_right(kinds[node], thresholds[node]),
            mask=mask,
        )
        for node, mask in enumerate(masks)
    ]


def _missing_goes_right(kind: int, threshold: float) -> bool:
    missing = kind >> 2 & 3
    if kind & _CATEGORICAL:
        return True
    if missing == _MISSING_IS_NAN:
        return not kind & _DEFAULT_LEFT
    if missing:
        raise Unsupported
    return threshold < 0.0  # a missing value counts as zero then


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
