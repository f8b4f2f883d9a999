"""What a customer leaves open in all models at once: one look-up of a few rows of masks.

The columns that several models share are looked up once, for all their trees. Columns of a few
values (flags, categories, small counts) go together: one row for each combination of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from models.encoding import Column, ColumnKind
from models.leaves import Leaves, Masks, Table

_MOST_COMBINATIONS = 256
_FEW_VALUES = 8
_MOST_REMEMBERED = 4096
_INFINITY = math.inf

Read = tuple[Sequence[Column], Leaves]
"""A model: its columns, and its masks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joined:
    """A column with the masks of all models side by side; a row for each state of its values."""

    column: Column
    thresholds: list[float]
    rows: Masks

    def state(self, value: object) -> int:
        """The row of a value: its code or its interval, the last one where it is unknown."""
        number = self.column.encode(value)
        if number != number:
            return len(self.rows) - 1
        if self.column.kind is ColumnKind.CATEGORY:
            return int(number)
        return bisect_left(self.thresholds, number)


class _Group:
    """Columns of a few values each: every combination has a row of its own."""

    def __init__(self, members: Sequence[_Joined], start: int) -> None:
        self.key = itemgetter(*(member.column.name for member in members))
        self.known: dict[Any, int] = {}
        """The rows of the combinations seen so far: texts, numbers and flags as they came."""
        self._members = members
        self._start = start

    def find(self, values: Mapping[str, object]) -> int:
        """The row of a combination that is new, or lacks a value; remembered if it is plain."""
        whole = {member.column.name: values.get(member.column.name) for member in self._members}
        key = self.key(whole)
        found = self.known.get(key)
        if found is None:
            found = self.work_out(whole)
            plain = all(_is_plain(m.column, whole[m.column.name]) for m in self._members)
            if plain and len(self.known) < _MOST_REMEMBERED:
                self.known[key] = found
        return found

    def work_out(self, values: Mapping[str, object]) -> int:
        """The row of a combination of any values whatever."""
        found = 0
        for member in self._members:
            found = found * len(member.rows) + member.state(values.get(member.column.name))
        return found + self._start


class CustomerPart:
    """The masks that a customer leaves of several models, without the columns named in `but`."""

    def __init__(self, models: Sequence[Read], but: Collection[str]) -> None:
        joined = [each for each in _joined(models) if each.column.name not in but]
        few = [each for each in joined if len(each.rows) <= _FEW_VALUES]
        self._groups: list[_Group] = []
        self._numbers: list[tuple[str, list[float], int, int, _Joined]] = []
        rows = [np.concatenate([leaves.open for _, leaves in models])[None]]
        start = 1
        for members in _packed(few):
            self._groups.append(_Group(members, start))
            rows.append(_combined(members))
            start += len(rows[-1])
        for each in joined:
            if len(each.rows) > _FEW_VALUES:
                last = start + len(each.rows) - 1
                entry = (each.column.name, each.thresholds, start, last, each)
                self._numbers.append(entry)
                rows.append(each.rows)
                start += len(each.rows)
        self._rows: Masks = np.concatenate(rows)
        ends = np.cumsum([0, *(leaves.trees for _, leaves in models)]).tolist()
        self._spans = [slice(*span) for span in pairwise(ends)]
        self._kinds = [leaves.open.dtype for _, leaves in models]
        self._alike = all(kind == self._rows.dtype for kind in self._kinds)

    def masks(self, values: Mapping[str, object]) -> list[Masks]:
        """The masks for each of the models."""
        rows = self._rows.take(self._found(values), axis=0)
        return self._by_model(np.bitwise_and.reduce(rows, axis=0))

    def masks_of(self, several: Sequence[Mapping[str, object]]) -> list[Masks]:
        """The masks of several customers for each of the models, one row of masks a customer."""
        rows = self._rows.take([self._found(values) for values in several], axis=0)
        return self._by_model(np.bitwise_and.reduce(rows, axis=1))

    def _by_model(self, left: Masks) -> list[Masks]:
        parts = [left[..., span] for span in self._spans]
        if self._alike:
            return parts
        return [part.astype(kind) for part, kind in zip(parts, self._kinds, strict=True)]

    def _found(self, values: Mapping[str, object]) -> list[int]:
        try:
            return self._places(values)
        except (TypeError, OverflowError):  # values that no column takes
            return self._odd_places(values)

    def _places(self, values: Mapping[str, object]) -> list[int]:
        found = [0]
        for group in self._groups:
            try:
                found.append(group.known[group.key(values)])
            except KeyError:
                found.append(group.find(values))
        get = values.get
        for name, thresholds, start, unknown, column in self._numbers:
            value = get(name)
            kind = value.__class__
            if kind is int:
                value = float(value)  # pyright: ignore[reportArgumentType]
            elif kind is not float:
                found.append(start + column.state(value))
                continue
            if -_INFINITY < value < _INFINITY:  # pyright: ignore[reportOperatorIssue]
                found.append(start + bisect_left(thresholds, value))  # pyright: ignore
            else:
                found.append(unknown)
        return found

    def _odd_places(self, values: Mapping[str, object]) -> list[int]:
        groups = [group.work_out(values) for group in self._groups]
        numbers = [
            start + column.state(values.get(name)) for name, _, start, _, column in self._numbers
        ]
        return [0, *groups, *numbers]


def _joined(models: Sequence[Read]) -> list[_Joined]:
    every = dict.fromkeys(
        column
        for columns, leaves in models
        for place, column in enumerate(columns)
        if leaves.tables[place] is not None
    )
    return [_join(column, models) for column in every]


def _join(column: Column, models: Sequence[Read]) -> _Joined:
    tables = [_table(column, columns, leaves) for columns, leaves in models]
    given = [table for table, _ in tables if table is not None]
    thresholds = sorted({each for table in given for each in table.thresholds or ()})
    states = [float(code) for code in range(len(column.categories))]
    if column.kind is ColumnKind.NUMBER:
        states = [*thresholds, math.inf]
    rows = [
        np.concatenate(
            [leaves.open if table is None else table.row(state) for table, leaves in tables]
        )
        for state in (*states, math.nan)
    ]
    return _Joined(column=column, thresholds=thresholds, rows=np.array(rows))


def _table(
    column: Column, columns: Sequence[Column], leaves: Leaves
) -> tuple[Table | None, Leaves]:
    return (leaves.tables[columns.index(column)] if column in columns else None), leaves


def _packed(columns: Sequence[_Joined]) -> list[list[_Joined]]:
    """The columns in their order, as many together as have few enough combinations."""
    packs: list[list[_Joined]] = []
    combinations = _MOST_COMBINATIONS
    for each in columns:
        combinations *= len(each.rows)
        if combinations > _MOST_COMBINATIONS:
            packs.append([])
            combinations = len(each.rows)
        packs[-1].append(each)
    return packs


def _combined(members: Sequence[_Joined]) -> Masks:
    rows = members[0].rows
    for member in members[1:]:
        rows = (rows[:, None] & member.rows[None]).reshape(-1, rows.shape[1])
    return rows


def _is_plain(column: Column, value: object) -> bool:
    """Whether equal values mean the same: 1 and True do as numbers, but not as texts."""
    if column.kind is ColumnKind.CATEGORY:
        return value is None or type(value) is str
    return value is None or type(value) in (bool, int) or (type(value) is float and value == value)
