"""Whether the two files of an artefact belong together and give chances, whoever wrote them."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import InvalidModel
from models.calibrate import Calibration, Method
from models.encoding import Column, ColumnKind
from models.forest_text import check_whole, header_of

if TYPE_CHECKING:
    from models.artefact import Artefact

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")
_NOT_FINITE = re.compile(r"^(leaf_value|threshold|shrinkage)=.*(nan|inf)", re.MULTILINE)
_DIGEST = 8


def name_in_model(column: Column) -> str:
    """What LightGBM's text calls a column: its name, and a digest of its kind and categories.

    By it, columns that were swapped and categories in another order are noticed at load.
    """
    told = json.dumps([column.name, column.kind, column.categories])
    digest = hashlib.sha256(told.encode()).hexdigest()[:_DIGEST]
    return f"{_NOT_PLAIN.sub('_', column.name)}.{digest}"


def check_sound(artefact: Artefact) -> None:
    """Raises InvalidModel with the reason when the parts of an artefact contradict each other."""
    check_whole(artefact.model)
    header = header_of(artefact.model)
    _check_columns(artefact, header.get("feature_names", "").split())
    _check_ranges(artefact, header.get("feature_infos", "").split())
    if found := _NOT_FINITE.search(artefact.model):
        raise InvalidModel(f"{_about(artefact)}: a {found[1]} in model.txt is {found[2]}")
    _check_calibration(artefact)
    _check_golden(artefact)


def _about(artefact: Artefact) -> str:
    return f"model {artefact.name}"


def _check_columns(artefact: Artefact, names: Sequence[str]) -> None:
    wanted = [name_in_model(column) for column in artefact.columns]
    if len(names) != len(wanted):
        raise InvalidModel(
            f"{_about(artefact)}: model.txt takes {len(names)} columns, artefact.json has "
            f"{len(wanted)}"
        )
    for place, (name, want, column) in enumerate(zip(names, wanted, artefact.columns, strict=True)):
        if name == want:
            continue
        if name[:-_DIGEST] == want[:-_DIGEST]:
            raise InvalidModel(
                f"{_about(artefact)}: {column.name} has other categories in artefact.json than "
                "those it was trained with"
            )
        swapped = "features are swapped: " if sorted(names) == sorted(wanted) else ""
        raise InvalidModel(
            f"{_about(artefact)}: {swapped}column {place + 1} is {name[: -_DIGEST - 1]} in "
            f"model.txt and {column.name} in artefact.json"
        )


def _check_ranges(artefact: Artefact, ranges: Sequence[str]) -> None:
    """Training wrote down which codes of each category it saw."""
    for column, seen in zip(artefact.columns, ranges, strict=False):
        if column.kind is not ColumnKind.CATEGORY or seen == "none":
            continue
        codes = [int(code) for code in seen.split(":") if code.lstrip("-").isdigit()]
        if max(codes, default=-1) >= len(column.categories):
            raise InvalidModel(
                f"{_about(artefact)}: {column.name} has an unknown category, number {max(codes)}: "
                f"artefact.json lists {len(column.categories)}"
            )


def _check_calibration(artefact: Artefact) -> None:
    found = artefact.calibration
    numbers = (found.slope, found.offset, *found.knots, *found.levels)
    if not all(map(math.isfinite, numbers)) or found.slope <= 0:
        raise InvalidModel(f"{_about(artefact)}: its calibration has numbers that are none")
    if found.method in (Method.ISOTONIC, Method.CURVE) and not _is_curve(found):
        raise InvalidModel(f"{_about(artefact)}: its calibration is no rising curve of chances")


def _is_curve(found: Calibration) -> bool:
    knots, levels = found.knots, found.levels
    rises = list(knots) == sorted(knots) and list(levels) == sorted(levels)
    chances = found.method is Method.CURVE or all(0 <= level <= 1 for level in levels)
    return len(knots) == len(levels) > 0 and rises and chances


def _check_golden(artefact: Artefact) -> None:
    golden, width = artefact.golden, len(artefact.columns)
    known = all(
        len(row) == width and all(value is None or _is_number(value) for value in row)
        for row in golden.rows
    )
    finite = all(_is_number(score) for scores in golden.scores for score in scores)
    if not known or not finite or len(golden.rows) != len(golden.scores):
        raise InvalidModel(f"{_about(artefact)}: its golden rows or scores are no finite numbers")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
