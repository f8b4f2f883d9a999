"""Fits a model of texts: terms by how rare they are, a linear model, its sureness set by folds."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import numpy as np

from engine.errors import InvalidInput
from models.calibrate import fit_slope, softmax
from models.encoding import Matrix, Vector
from models.metrics import Labels, several
from models.text import RARITY_DIGITS, WEIGHT_DIGITS, TextModel, read_text_model, terms

MOST_TERMS = 30_000
FEWEST_TEXTS_OF_A_TERM = 2
"""A term of one text alone says nothing of others, and may be somebody's name."""
COST = 0.3
"""How much an error weighs against small weights."""
FOLDS = 3
GOLDEN_TEXTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Texts to learn from or judge by; `target` holds places in `classes`."""

    texts: Sequence[str]
    target: Labels
    classes: tuple[str, ...]


def fit_texts(
    examples: Texts, name: str, target: str, trained_at: datetime, seed: int = 7
) -> TextModel:
    """A model whose metrics are those of texts held out in turn. Raises InvalidInput.

    Classes count alike, however rare: a triage that never sees the rare ones is of no use.
    """
    if len(np.unique(examples.target)) < 2:
        raise InvalidInput("the texts are all of one class: there is nothing to learn")
    known, rarity, rows = _weighed(examples.texts)
    outputs = len(examples.classes)
    held_out = _held_out(rows, examples.target, outputs, seed)
    slope = fit_slope(held_out, examples.target).slope
    weights, offsets = _linear(rows, examples.target, outputs)
    made = TextModel(
        name=name,
        target=target,
        classes=examples.classes,
        terms=known,
        rarity=_as_written(rarity, RARITY_DIGITS),
        weights=_as_written(weights, WEIGHT_DIGITS),
        offsets=tuple(offsets.tolist()),
        slope=slope,
        golden=(),
        trained_at=trained_at,
        rows=len(examples.texts),
        metrics=_judged(held_out, examples.target, slope),
    )
    return _checked(made, seed)


def _weighed(texts: Sequence[str]) -> tuple[tuple[str, ...], Vector, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh: Any = TfidfVectorizer(
        analyzer=cast(Any, terms),
        sublinear_tf=True,
        min_df=min(FEWEST_TEXTS_OF_A_TERM, len(texts)),
        max_features=MOST_TERMS,
    )
    try:
        rows = weigh.fit_transform(texts)
    except ValueError as error:
        raise InvalidInput("the texts have no words in common: nothing to learn") from error
    return tuple(map(str, weigh.get_feature_names_out())), np.asarray(weigh.idf_), rows


def _linear(rows: Any, target: Labels, outputs: int) -> tuple[Matrix, Vector]:
    """Weights and offsets: a column for each class, empty for one that is not in the target."""
    from sklearn.svm import LinearSVC

    model: Any = LinearSVC(C=COST, tol=0.01, class_weight="balanced", random_state=0).fit(
        rows, target
    )
    found, there = np.asarray(model.coef_), np.asarray(model.classes_)
    offset = np.asarray(model.intercept_)
    if len(there) == 2:
        found, offset = np.vstack([-found, found]) / 2, np.array([-offset[0], offset[0]]) / 2
    weights = np.zeros((rows.shape[1], outputs))
    offsets = np.full(outputs, float(offset.min()) - 1.0)
    weights[:, there], offsets[there] = found.T, offset
    return weights, offsets


def _held_out(rows: Any, target: Labels, outputs: int, seed: int) -> Matrix:
    """The raw scores of each text by a model that did not see it."""
    from sklearn.model_selection import KFold

    found = np.zeros((len(target), outputs))
    for learn, rest in KFold(FOLDS, shuffle=True, random_state=seed).split(target):
        weights, offsets = _linear(rows[learn], target[learn], outputs)
        found[rest] = rows[rest] @ weights + offsets
    return found


def _judged(raw: Matrix, target: Labels, slope: float) -> dict[str, float]:
    found = several(target, softmax(raw, slope))
    return {name: value for name, value in found.items() if value is not None}


def _checked(model: TextModel, seed: int) -> TextModel:
    """The model with golden texts, words drawn at random, as it will be read."""
    random = np.random.default_rng(seed)
    words = [term[1:] for term in model.terms if term.startswith("=")] or list(model.terms)
    drawn = [" ".join(random.choice(words, 8)) for _ in range(GOLDEN_TEXTS)]
    chances = model.probabilities(drawn).tolist()
    golden = tuple((text, tuple(row)) for text, row in zip(drawn, chances, strict=True))
    made = replace(model, golden=golden)
    return read_text_model(made.facts(), made.model.encode())


def _as_written(numbers: Any, digits: int) -> Any:
    """The numbers as `model.txt` holds them."""
    texts = [f"{each:.{digits}g}" for each in numbers.ravel().tolist()]
    return np.array(texts, dtype=np.float64).reshape(numbers.shape)
