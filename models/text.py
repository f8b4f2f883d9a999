"""A model of texts: words and parts of words, weighed by one linear model kept as plain text."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from engine.errors import InvalidModel
from models.artefact import content_hash
from models.calibrate import softmax
from models.encoding import Matrix, Vector

FORMAT = "text 1"
PARTS = (3, 4)
"""Letters in a part of a word, fewest and most; the space at either end counts."""
GOLDEN_TOLERANCE = 1e-9

RARITY_DIGITS, WEIGHT_DIGITS = 6, 4

_WORD = re.compile(r"\w\w+")


def terms(text: str) -> Iterator[str]:
    """What a text is weighed by: words, pairs of words, parts of words.

    Words and pairs begin with `=`, so that none is taken for a part.

    >>> list(terms("Card lost"))[:3]
    ['=card', '=lost', '=card lost']
    """
    low = text.lower()
    words = _WORD.findall(low)
    yield from (f"={word}" for word in words)
    yield from (f"={one} {two}" for one, two in pairwise(words))
    for word in low.split():
        yield from _parts(word)


@lru_cache(maxsize=50_000)
def _parts(word: str) -> tuple[str, ...]:
    spaced = f" {word} "
    fewest, most = PARTS
    return tuple(
        spaced[start : start + size]
        for size in range(fewest, min(most, len(spaced)) + 1)
        for start in range(len(spaced) - size + 1)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModel:
    """One model: a row of weights for each term, a column for each class.

    A text becomes `1 + log(count)` of each term times its rarity, at length 1; the raw score of a
    class is its offset and the sum of the weights; `slope` makes probabilities of them by softmax.
    `golden` are texts that nobody wrote with the probabilities that a loaded model must reproduce.
    """

    name: str
    target: str
    classes: tuple[str, ...]
    terms: tuple[str, ...]
    rarity: Vector
    weights: Matrix
    offsets: tuple[float, ...]
    slope: float
    golden: tuple[tuple[str, tuple[float, ...]], ...]
    trained_at: datetime
    rows: int
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    places: Mapping[str, int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        places = {term: place for place, term in enumerate(self.terms)}
        object.__setattr__(self, "places", places)

    def raw(self, text: str) -> Vector:
        """The raw score of each class."""
        counts = Counter(terms(text))
        known = [(self.places[term], n) for term, n in counts.items() if term in self.places]
        if not known:
            return np.array(self.offsets)
        place = np.array([each for each, _ in known])
        value = np.array([1 + math.log(n) for _, n in known]) * self.rarity[place]
        return value / math.sqrt(float(value @ value)) @ self.weights[place] + self.offsets

    def probabilities(self, texts: Iterable[str]) -> Matrix:
        """A row for each text, a column for each class."""
        return softmax(np.array([self.raw(text) for text in texts]), self.slope)

    def most_likely(self, text: str) -> tuple[str, float]:
        """The class of a text, and how likely it is."""
        found = self.probabilities([text])[0]
        return self.classes[int(found.argmax())], float(found.max())

    def facts(self) -> bytes:
        """Everything but terms and weights, as canonical JSON: the file `artefact.json`."""
        facts = {
            "format": FORMAT,
            "name": self.name,
            "target": self.target,
            "classes": self.classes,
            "offsets": self.offsets,
            "slope": self.slope,
            "golden": self.golden,
            "trained_at": self.trained_at.isoformat(),
            "rows": self.rows,
            "metrics": self.metrics,
        }
        return json.dumps(facts, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"

    @property
    def model(self) -> str:
        """Terms with rarity and weights, a line for each: the file `model.txt`."""
        rows = zip(self.terms, self.rarity.tolist(), self.weights.tolist(), strict=True)
        lines = [f"{len(self.terms)} terms, {len(self.classes)} classes"]
        lines += [
            f"{term}\t{rarity:.{RARITY_DIGITS}g}\t{_numbers(row)}" for term, rarity, row in rows
        ]
        return "\n".join(lines) + "\n"

    def hash(self) -> str:
        """The name of its content: `sha256:…` over both files."""
        return content_hash(self.facts(), self.model.encode())


def _numbers(row: Sequence[float]) -> str:
    return " ".join(f"{weight:.{WEIGHT_DIGITS}g}" for weight in row)


def read_text_model(facts: bytes, model: bytes) -> TextModel:
    """A model from its two files, checked by its golden texts. Raises InvalidModel."""
    try:
        raw: dict[str, Any] = json.loads(facts)
        if raw["format"] != FORMAT:
            raise InvalidModel(f"artefact format {raw['format']!r}: {FORMAT!r} is needed")
        found = _text_model(raw, model.decode())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidModel(f"this is no model of texts: {error!r}") from error
    if not is_golden(found):
        raise InvalidModel(f"model {found.name} does not reproduce its golden scores")
    return found


def is_golden(model: TextModel) -> bool:
    """Whether the golden texts are as likely to be of each class as they were in training."""
    if not model.golden:
        return False
    found = model.probabilities(text for text, _ in model.golden)
    wanted = np.array([chances for _, chances in model.golden])
    return found.shape == wanted.shape and np.allclose(found, wanted, 0.0, GOLDEN_TOLERANCE)


def _text_model(raw: dict[str, Any], model: str) -> TextModel:
    head, *lines = model.removesuffix("\n").split("\n")
    classes = tuple(map(str, raw["classes"]))
    if head != f"{len(lines)} terms, {len(classes)} classes":
        raise InvalidModel(f"model.txt is not whole: it says {head!r} and has {len(lines)} terms")
    cells = [line.split("\t") for line in lines]
    numbers = " ".join(f"{rarity} {weights}" for _, rarity, weights in cells)
    table = np.array(numbers.split(), dtype=np.float64).reshape(len(lines), len(classes) + 1)
    if not np.isfinite(table).all():
        raise InvalidModel("model.txt has weights that are no numbers (NaN)")
    return TextModel(
        name=raw["name"],
        target=raw["target"],
        classes=classes,
        terms=tuple(term for term, _, _ in cells),
        rarity=table[:, 0].copy(),
        weights=table[:, 1:].copy(),
        offsets=tuple(map(float, raw["offsets"])),
        slope=float(raw["slope"]),
        golden=tuple((str(text), tuple(map(float, row))) for text, row in raw["golden"]),
        trained_at=datetime.fromisoformat(raw["trained_at"]),
        rows=int(raw["rows"]),
        metrics={name: float(value) for name, value in raw["metrics"].items()},
    )
