"""Models as machine code by lleaves, an optional extra: compiled by a command, loaded by the API.

For models that leaf masks can't express. An object file holds code for one kind of processor, so
its name says which; it lies beside the artefact with its hash and is trusted no more than that: a
file that is damaged, or does not reproduce the golden scores, is not used. Scores may differ from
LightGBM's in the last bits.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import platform
import secrets
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import InvalidModel
from engine.ledger.site import Site
from models import registry
from models.encoding import Matrix

BACKEND = "lleaves"

_log = logging.getLogger(__name__)


class Compiled:
    """A compiled model: rows of float64 in, raw scores out."""

    def __init__(self, library: Any, place: Path) -> None:
        self._model = _load(library, place, object_file(place))

    def raw(self, rows: Matrix) -> Matrix:
        """Raw scores, one row for each row given, one column for each class."""
        found = np.asarray(self._model.predict(rows, n_jobs=1), dtype=np.float64)
        return found.reshape(len(rows), -1)


def object_file(place: Path) -> Path:
    """Where the machine code of the artefact in a folder is, for this kind of processor."""
    return place / f"compiled-{_processor()}.o"


def load_compiled(place: Path | None) -> Compiled | None:
    """The compiled model in an artefact's folder; None if there is none, or it can't be used."""
    if place is None or not object_file(place).exists():
        return None
    try:
        library = importlib.import_module("lleaves")
        code = object_file(place)
        if _digest_file(code).read_text() != _digest(code):
            raise ValueError(f"{code} is damaged")
        return Compiled(library, place)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        _log.warning("the compiled model in %s is not used: %s", place, error)
        return None


def compile_model(place: Path) -> Path:
    """Compiles the artefact in a folder for this kind of processor, in some ten seconds.

    Raises InvalidModel without lleaves, or where it can't compile the model.
    """
    try:
        library = importlib.import_module("lleaves")
    except ImportError as error:
        reason = f"lleaves can't be used: {error}; it comes with pip install 'tactful[compiled]'"
        raise InvalidModel(reason) from error
    code = object_file(place)
    temporary = place / f".{secrets.token_hex(6)}"
    try:
        _load(library, place, temporary)
    except (ValueError, RuntimeError, AssertionError) as error:
        raise InvalidModel(f"lleaves can't compile the model in {place}: {error}") from error
    _digest_file(code).write_text(_digest(temporary))
    os.replace(temporary, code)
    return code


def compile_current(site: Site, name: str) -> Path:
    """Compiles a model's current artefact, and has running processes look at it again."""
    found = registry.current_hash(site, name)
    if found is None:
        raise InvalidModel(f"there is no current model {name}: train it first")
    code = compile_model(registry.place(site, name, found))
    os.utime(registry.folder(site, name) / registry.CURRENT)
    return code


def _load(library: Any, place: Path, code: Path) -> Any:
    """The library compiles where there is no such file yet, and loads it where there is."""
    model = library.Model(model_file=str(place / "model.txt"))
    model.compile(cache=str(code), raw_score=True)
    return model


def _digest(code: Path) -> str:
    return hashlib.sha256(code.read_bytes()).hexdigest()


def _digest_file(code: Path) -> Path:
    return code.with_suffix(".sha256")


@cache
def _processor() -> str:
    """A short name for all that this processor can do: code for another may not run on it."""
    told = [platform.machine()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told += [line for line in lines if line.startswith(("flags", "Features", "model name"))][:2]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]
