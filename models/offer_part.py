"""What offers leave open in a model, prepared: the offers of a channel have most leaves in common.

In each tree the offers fall into a few classes, by the mask that they leave. For a customer the
leaf of each class is found once; an offer is then a sum of one value a tree, in their order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models.encoding import Vector
from models.leaves import Leaves, Masks, Places, places

_GROUPS = 4
"""So many groups of customers are prepared for at the same time."""


@dataclass(frozen=True, kw_only=True)
class _Classes:
    """The classes of all trees in one row, and for each offer a row: its class in each tree."""

    trees: Places
    masks: Masks
    starts: Places
    of_offers: Places

    @cached_property
    def of_all(self) -> Places:
        """The classes of all offers, a row for each tree."""
        return np.ascontiguousarray(self.of_offers.T)


class _Several:
    """What several customers leave open, and the values of the classes for all of them at once."""

    def __init__(self, lefts: Sequence[Masks]) -> None:
        self.numbers = {id(left): number for number, left in enumerate(lefts)}
        self._lefts = lefts
        self._classes: _Classes | None = None
        self._values: Any = None

    def values(self, left: Masks, classes: _Classes, leaves: Leaves) -> Vector:
        """The value of each class for one of the customers."""
        if self._classes is not classes:
            masks = np.array(self._lefts).take(classes.trees, axis=1) & classes.masks
            self._values = leaves.values.take(places(masks, classes.starts))
            self._classes = classes
        return self._values[self.numbers[id(left)]]


class OfferPart:
    """Offers of one model by number: offers that the model can't tell apart have the same one."""

    def __init__(self, leaves: Leaves) -> None:
        self._leaves = leaves
        self._known: list[dict[int, int]] = [{} for _ in range(leaves.trees)]
        self._trees: list[int] = []
        self._masks: list[int] = []
        self._offers: dict[bytes, int] = {}
        self._of_offers: list[list[int]] = []
        self._classes: _Classes | None = None
        self._lock = threading.Lock()
        self._last: tuple[Any, Any, Any] = (None, None, None)
        self._expected: deque[_Several] = deque(maxlen=_GROUPS)

    def __len__(self) -> int:
        return len(self._of_offers)

    def numbers(self, masks: Sequence[Masks]) -> list[int]:
        """The numbers of offers by the masks that they leave; new ones get one."""
        with self._lock:
            found = [self._number(mask) for mask in masks]
            self._classes = self._prepared()
        return found

    def _number(self, mask: Masks) -> int:
        key = mask.tobytes()
        found = self._offers.get(key)
        if found is None:
            classes = [self._class(tree, left) for tree, left in enumerate(mask.tolist())]
            found = self._offers[key] = len(self._of_offers)
            self._of_offers.append(classes)
        return found

    def _class(self, tree: int, left: int) -> int:
        known = self._known[tree]
        if left not in known:
            known[left] = len(self._masks)
            self._trees.append(tree)
            self._masks.append(left)
        return known[left]

    def _prepared(self) -> _Classes:
        trees: Places = np.array(self._trees, dtype=np.intp)
        return _Classes(
            trees=trees,
            masks=np.array(self._masks, dtype=self._leaves.open.dtype),
            starts=trees * self._leaves.bits,
            of_offers=np.array(self._of_offers, dtype=np.intp),
        )

    def expect(self, lefts: Sequence[Masks]) -> None:
        """Says what the next customers leave open: offers to all of them are prepared together."""
        self._expected.append(_Several(lefts))

    def raw(self, left: Masks, offers: list[int]) -> Vector:
        """The raw scores of offers by number, for the masks that a customer leaves."""
        classes = self._classes
        if classes is None:
            return np.empty(0)
        values = self._values(left, classes)
        # One value a tree, added tree by tree: the order of the sum is LightGBM's. Two columns at
        # least: numpy adds up a single one in another order.
        if 2 * len(offers) > len(classes.of_offers) > 1:
            return np.einsum("to->o", values.take(classes.of_all)).take(offers)
        chosen = classes.of_offers.take(offers if len(offers) > 1 else offers * 2, axis=0)
        return np.einsum("to->o", values.take(chosen.T))[: len(offers)]

    def _values(self, left: Masks, classes: _Classes) -> Vector:
        """The value of each class; kept while more offers to the same customer are asked for."""
        last_left, last_classes, values = self._last
        if last_left is not left or last_classes is not classes:
            values = self._expected_values(left, classes)
            if values is None:
                masks = left.take(classes.trees) & classes.masks
                values = self._leaves.values.take(places(masks, classes.starts))
            self._last = (left, classes, values)
        return values

    def _expected_values(self, left: Masks, classes: _Classes) -> Vector | None:
        for several in self._expected:
            if id(left) in several.numbers:
                return several.values(left, classes, self._leaves)
        return None
