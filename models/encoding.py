"""How values become the numbers that a model takes: a column a feature, kept with the artefact."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from engine.types import Scalar

UNKNOWN = math.nan
"""What is absent, unreadable or was never seen in training: LightGBM's missing value."""

MISSING = ""
"""The category of an absent value, where training saw absent values in a categorical column."""

_UNHEARD_OF = "\x00"

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]


class ColumnKind(StrEnum):
    """A number as it is, or the position of a text in a list of categories."""

    NUMBER = "number"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One input of a model. A category that is not in the list is unknown."""

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] = ()
    codes: Mapping[str, float] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        codes = {category: float(code) for code, category in enumerate(self.categories)}
        object.__setattr__(self, "codes", codes)

    def encode(self, value: object) -> float:
        """The number for a value; never an error, whatever the value.

        >>> column = Column(name="internet", kind=ColumnKind.CATEGORY, categories=("DSL", "No"))
        >>> column.encode("No"), column.encode("Cable")
        (1.0, nan)
        """
        if self.kind is ColumnKind.CATEGORY:
            return self.codes.get(_text(value), UNKNOWN)
        return _number(value)

    def decode(self, number: float) -> Scalar:
        """A value with this number; for an unknown one, a value that no column knows.

        >>> Column(name="internet", kind=ColumnKind.CATEGORY, categories=("DSL", "No")).decode(1.0)
        'No'
        """
        if self.kind is ColumnKind.NUMBER:
            return number
        return self.categories[int(number)] if number == number else _UNHEARD_OF


def encode_row(columns: Sequence[Column], values: Mapping[str, object]) -> list[float]:
    """The numbers for a row of values by column name; what is not there is unknown."""
    get = values.get
    return [column.encode(get(column.name)) for column in columns]


def _text(value: object) -> str:
    if value is None:
        return MISSING
    return value if isinstance(value, str) else str(value)


def _number(value: object) -> float:
    if isinstance(value, float):
        return value if math.isfinite(value) else UNKNOWN
    if isinstance(value, bool | int | str):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return UNKNOWN
        return number if math.isfinite(number) else UNKNOWN
    return UNKNOWN
