"""Trains a model of texts from any table, judges it on texts set apart, and lets it take over."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from engine.errors import InvalidInput, InvalidModel
from engine.ledger.site import Site
from models.dataset import held_out
from models.encoding import Matrix
from models.frames import canonical, classes_of, labels_of, read_frame
from models.inputs import ACCEPTANCE, CHURN
from models.metrics import Metrics, several
from models.registry import current_hash, files, promote
from models.text import TextModel, read_text_model
from models.text_fit import Texts, fit_texts

NOT_WORSE = 0.01
"""How much less the macro F1 of a new model may be than that of the current one."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_OURS = (CHURN, ACCEPTANCE)


class TextReport(TypedDict):
    """What a training did, as it is printed. Metrics are on texts that were held out."""

    name: str
    artefact: str
    promoted: bool
    because: str
    classes: list[str]
    rows: int
    held_out_rows: int
    metrics: Metrics


def train_texts(
    site: Site, name: str, table: Path, text: str, target: str, separator: str = ","
) -> TextReport:
    """Trains the model `name` to tell the target of a text. Raises InvalidInput."""
    if not _NAME.fullmatch(name) or name in _OURS:
        raise InvalidInput(f"{name!r} can't name a model of texts: small letters, digits, hyphens")
    frame = read_frame(table, separator)
    for column in (text, target):
        if column not in frame.columns:
            there = ", ".join(map(str, frame.columns))
            raise InvalidInput(f"{table} has no column {column!r}; it has {there}")
    frame = frame[(frame[text] != "") & (canonical(frame[target]) != "")]
    classes = classes_of(frame[target])
    texts = frame[text].tolist()
    labels = labels_of(frame[target], classes)
    apart = held_out(texts)
    learn = Texts(
        texts=[each for each, out in zip(texts, apart, strict=True) if not out],
        target=labels[~apart],
        classes=classes,
    )
    judged = Texts(
        texts=[each for each, out in zip(texts, apart, strict=True) if out],
        target=labels[apart],
        classes=classes,
    )
    return _taken_over(site, fit_texts(learn, name, target, site.clock.now()), judged)


def _taken_over(site: Site, model: TextModel, judged: Texts) -> TextReport:
    if not judged.texts:
        raise InvalidInput("too few texts: none is left to judge the model by")
    measure = _measure(judged)
    promoted, because = promote(
        site,
        model,
        lambda each: 1 - (measure(each)["macro_f1"] or 0.0),
        read=read_text_model,
        measured="1 - macro F1",
        tolerance=NOT_WORSE,
    )
    return TextReport(
        name=model.name,
        artefact=model.hash(),
        promoted=promoted,
        because=because,
        classes=list(model.classes),
        rows=model.rows,
        held_out_rows=len(judged.texts),
        metrics=measure(model),
    )


def _measure(judged: Texts) -> Callable[[TextModel], Metrics]:
    """Judges any model on the same texts, by the names of its classes."""

    def measure(model: TextModel) -> Metrics:
        found = model.probabilities(judged.texts)
        return several(judged.target, _in_order(found, model.classes, judged.classes))

    return measure


def _in_order(found: Matrix, classes: Sequence[str], wanted: Sequence[str]) -> Any:
    """Columns in the order wanted; what only the model knows of is a column at the end."""
    places = {name: place for place, name in enumerate(classes)}
    there = [found[:, places[name]] if name in places else np.zeros(len(found)) for name in wanted]
    more = [found[:, place] for name, place in places.items() if name not in wanted]
    return np.column_stack([*there, *more])


def text_model(site: Site, name: str) -> TextModel:
    """The current model of texts of this name. Raises InvalidModel when there is none."""
    found = None if name in _OURS else current_hash(site, name)
    if found is None:
        raise InvalidModel(f"there is no model of texts {name!r}: train it first")
    return read_text_model(*files(site, name, found))
