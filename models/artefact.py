"""A trained model as it is kept: LightGBM's text and everything needed to use and judge it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from engine.errors import InvalidModel
from models.calibrate import Calibration, Method
from models.encoding import Column, ColumnKind
from models.soundness import check_sound

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Rows with the raw scores that Booster.predict gave: what a loaded model must reproduce.

    None in a row is an unknown value. For several classes a row has one score each.
    """

    rows: tuple[tuple[float | None, ...], ...]
    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One model. `window` is the span of event times it learned from, `rows` how many.

    `vocabulary` lists what the model knows by name (actions, channels), `learned` from how many
    answers it knows each `action|channel`, for one kind of customers. `model` is LightGBM text.
    """

    name: str
    target: str
    columns: tuple[Column, ...]
    calibration: Calibration
    model: str
    golden: Golden
    trained_at: datetime
    window: tuple[datetime, datetime]
    rows: int
    classes: tuple[str, ...] = ("False", "True")
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    learned: Mapping[str, int] | None = None

    def facts(self) -> bytes:
        """Everything but the model's text, as canonical JSON: the file `artefact.json`."""
        facts = {
            "format": FORMAT,
            "name": self.name,
            "target": self.target,
            "classes": self.classes,
            "columns": [_column(column) for column in self.columns],
            "calibration": asdict(self.calibration),
            "golden": asdict(self.golden),
            "trained_at": self.trained_at.isoformat(),
            "window": [at.isoformat() for at in self.window],
            "rows": self.rows,
            "metrics": self.metrics,
            "vocabulary": self.vocabulary,
            "learned": self.learned,
        }
        return json.dumps(facts, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"

    def hash(self) -> str:
        """The name of its content: `sha256:…` over both files."""
        return content_hash(self.facts(), self.model.encode())


def content_hash(facts: bytes, model: bytes) -> str:
    """`sha256:…` over the two files of an artefact, each with its length in front."""
    digest = hashlib.sha256()
    for part in (facts, model):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return f"sha256:{digest.hexdigest()}"


def read_artefact(facts: bytes, model: bytes) -> Artefact:
    """An artefact from its two files.

    Raises InvalidModel when they are not what `facts` writes, or contradict each other.
    """
    try:
        raw: dict[str, Any] = json.loads(facts)
        if raw["format"] != FORMAT:
            raise InvalidModel(
                f"artefact format {raw['format']!r}: {FORMAT} is needed, train again"
            )
        found = _artefact(raw, model.decode())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidModel(f"artefact.json is not an artefact: {error!r}") from error
    check_sound(found)
    return found


def _artefact(raw: dict[str, Any], model: str) -> Artefact:
    calibration = raw["calibration"]
    start, end = (datetime.fromisoformat(at) for at in raw["window"])
    return Artefact(
        name=raw["name"],
        target=raw["target"],
        classes=tuple(raw["classes"]),
        columns=tuple(_read_column(each) for each in raw["columns"]),
        calibration=Calibration(
            method=Method(calibration["method"]),
            slope=float(calibration["slope"]),
            offset=float(calibration["offset"]),
            knots=tuple(map(float, calibration["knots"])),
            levels=tuple(map(float, calibration["levels"])),
        ),
        model=model,
        golden=Golden(
            rows=tuple(tuple(row) for row in raw["golden"]["rows"]),
            scores=tuple(tuple(row) for row in raw["golden"]["scores"]),
        ),
        trained_at=datetime.fromisoformat(raw["trained_at"]),
        window=(start, end),
        rows=int(raw["rows"]),
        metrics={name: float(value) for name, value in raw["metrics"].items()},
        vocabulary={name: tuple(known) for name, known in raw["vocabulary"].items()},
        learned=raw.get("learned"),
    )


def _column(column: Column) -> dict[str, Any]:
    return {"name": column.name, "kind": column.kind, "categories": column.categories}


def _read_column(raw: dict[str, Any]) -> Column:
    kind = ColumnKind(raw["kind"])
    return Column(name=raw["name"], kind=kind, categories=tuple(raw["categories"]))


def golden_row(values: list[float]) -> tuple[float | None, ...]:
    """A row of numbers with None for unknown, as JSON can hold it."""
    return tuple(None if math.isnan(value) else value for value in values)
