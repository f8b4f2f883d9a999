"""Any table as training material: which columns to use and how, and the classes of the target."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from engine.errors import InvalidInput
from models.encoding import MISSING, Column, ColumnKind, Matrix, Vector, encode_row
from models.metrics import Labels

MOST_CLASSES = 200
MOST_CATEGORIES = 500
_MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "#n/a"})
_POSITIVE_WORDS = frozenset({"yes", "true", "y", "t", "1", "positive", "churned"})
_ID_NAME = re.compile(r"(^|[_ .])(id|uuid|guid|key|index|rowid|unnamed: 0)$", re.IGNORECASE)
_MOSTLY = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Rows to learn from or judge by. `target` holds places in `classes`; the last is positive.

    `at` are their times, in seconds, where the order of time is to be kept.
    """

    columns: tuple[Column, ...]
    rows: Matrix
    target: Labels
    classes: tuple[str, ...]
    at: Vector | None = None

    def take(self, chosen: Any) -> Examples:
        """Some of the rows."""
        return Examples(
            columns=self.columns,
            rows=self.rows[chosen],
            target=self.target[chosen],
            classes=self.classes,
            at=None if self.at is None else self.at[chosen],
        )


def read_frame(path: Path, separator: str = ",") -> pd.DataFrame:
    """A CSV file, plain or compressed, as text; a missing cell is "". Raises InvalidInput."""
    try:
        frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (OSError, ValueError, EOFError, pd.errors.ParserError) as error:
        raise InvalidInput(f"{path}: can't be read as a table: {error}") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.empty:
        raise InvalidInput(f"{path}: has no rows")
    return cast(pd.DataFrame, frame.apply(_clean))


def _clean(column: Any) -> Any:
    text = column.astype(str).str.strip()
    return text.mask(text.str.lower().isin(_MISSING_WORDS), "")


def infer_columns(frame: pd.DataFrame) -> tuple[Column, ...]:
    """The columns worth learning from: constant ones and ids are left out."""
    found = [_column(str(name), frame[name]) for name in frame.columns]
    kept = tuple(column for column in found if column is not None)
    if kept:
        return kept
    return (Column(name=str(frame.columns[0]), kind=ColumnKind.NUMBER),)  # learns the base rate


def _column(name: str, cells: Any) -> Column | None:
    values = cells.astype(str)
    filled = values[values != ""]
    counts = filled.value_counts()
    if len(counts) < 2 and len(filled) in (0, len(values)):
        return None
    numbers = _numbers(filled)
    if numbers.notna().mean() >= _MOSTLY:
        return None if _is_id(name, numbers) else Column(name=name, kind=ColumnKind.NUMBER)
    return _category(name, len(values), len(filled), counts)


def _category(name: str, rows: int, filled: int, counts: Any) -> Column | None:
    enough = 1 if rows < 200 else 2 if rows < 2000 else 5
    known = counts[counts >= enough].index[:MOST_CATEGORIES]
    if len(counts) > 0.5 * rows and rows > 20:  # unique texts: ids, names, free text
        return None
    categories = [*sorted(str(each) for each in known)]
    if filled < rows:
        categories.append(MISSING)
    if len(categories) < 2:
        return None
    return Column(name=name, kind=ColumnKind.CATEGORY, categories=tuple(categories))


def _is_id(name: str, numbers: Any) -> bool:
    whole = numbers.dropna()
    if len(whole) < 20 or not whole.is_unique or not (whole % 1 == 0).all():
        return False
    counting = bool((whole.diff().dropna() == 1).all())
    return counting or _ID_NAME.search(name) is not None


def encode_frame(columns: Sequence[Column], frame: pd.DataFrame) -> Matrix:
    """The rows of a frame as a model takes them; a column that is not there is unknown."""
    out = np.empty((len(frame), len(columns)))
    for place, column in enumerate(columns):
        if column.name in frame.columns:
            cells = frame[column.name]
            codes = {cell: column.encode(cell) for cell in cells.unique()}
            out[:, place] = [codes[cell] for cell in cells]
        else:
            out[:, place] = encode_row([column], {})[0]
    return out


def classes_of(target: Any) -> tuple[str, ...]:
    """The classes of a target in order; of two, the last is the positive one.

    Positive is the larger number, or what reads as yes, or the rarer one.
    """
    counts = canonical(target).value_counts()
    values = [str(value) for value in counts.index if value != ""]
    if not 2 <= len(values) <= MOST_CLASSES:
        raise InvalidInput(f"the target has {len(values)} values: 2 to {MOST_CLASSES} are needed")
    numbers = _numbers(pd.Series(values))
    if numbers.notna().all():
        return tuple(sorted(values, key=float))
    if len(values) == 2:
        return tuple(sorted(values, key=lambda v: (v.lower() in _POSITIVE_WORDS, -int(counts[v]))))
    return tuple(sorted(values))


def canonical(target: Any) -> Any:
    """Targets as text, so that 1, 1.0 and "1" are one class."""
    text = target.astype(str).str.strip()
    numbers = _numbers(text)
    if numbers[text != ""].notna().all():
        return numbers.map("{:g}".format, na_action="ignore").fillna("")
    return text


def _numbers(cells: Any) -> Any:
    return cast(Any, pd).to_numeric(cells, errors="coerce")


def labels_of(target: Any, classes: Sequence[str]) -> Labels:
    """Positions in `classes`; -1 where the value is missing or no class."""
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places.get(value, -1) for value in canonical(target)], dtype=np.int64)
