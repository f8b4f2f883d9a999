"""LightGBM's own library through ctypes: scores rows without importing the Python package."""

from __future__ import annotations

import ctypes
import importlib.util
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import InvalidModel
from models.encoding import Matrix
from models.forest_text import check_whole

BACKEND = "lightgbm-c"
_FLOAT64, _RAW_SCORE, _ROW_MAJOR = 1, 1, 1
_PARAMETERS = b"num_threads=1"


@cache
def library() -> ctypes.CDLL:
    """The shared library in the installed package. Raises InvalidModel when there is none."""
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise InvalidModel("lightgbm is not installed: models can't be used")
    for name in ("lib_lightgbm.so", "lib_lightgbm.dylib"):
        path = Path(spec.origin).parent / "lib" / name
        if path.exists():
            return _declare(ctypes.CDLL(str(path)))
    raise InvalidModel(f"no LightGBM library beside {spec.origin}")


def _declare(found: ctypes.CDLL) -> ctypes.CDLL:
    found.LGBM_GetLastError.restype = ctypes.c_char_p
    found.LGBM_BoosterPredictForMatSingleRowFast.argtypes = [ctypes.c_void_p] * 4
    return found


class Forest:
    """A loaded model: rows of float64 in, raw scores out. One thread at a time, by a lock."""

    def __init__(self, model: str, columns: int) -> None:
        self._library = library()
        self._handle = ctypes.c_void_p()
        self._fast = ctypes.c_void_p()
        iterations = ctypes.c_int(0)
        check_whole(model)
        self._call(
            "LGBM_BoosterLoadModelFromString",
            ctypes.c_char_p(model.encode()),
            ctypes.byref(iterations),
            ctypes.byref(self._handle),
        )
        self.classes = self._number("LGBM_BoosterGetNumClasses")
        self.columns = self._number("LGBM_BoosterGetNumFeature")
        if self.columns != columns:
            raise InvalidModel(
                f"the model takes {self.columns} columns, its artefact has {columns}"
            )
        self._lock = threading.Lock()
        self._length = ctypes.c_int64()
        self._one = np.zeros(self.columns)
        self._one_out = np.zeros(self.classes)
        self._prepare_single_row()

    def _prepare_single_row(self) -> None:
        self._call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            self._handle,
            _RAW_SCORE,
            0,
            -1,
            _FLOAT64,
            ctypes.c_int32(self.columns),
            ctypes.c_char_p(_PARAMETERS),
            ctypes.byref(self._fast),
        )
        self._single_row = self._library.LGBM_BoosterPredictForMatSingleRowFast
        self._single_arguments = (
            self._fast,
            self._one.ctypes.data,
            ctypes.addressof(self._length),
            self._one_out.ctypes.data,
        )

    def raw_one(self, row: list[float]) -> list[float]:
        """The raw scores of one row, one for each class (one for a binary target)."""
        with self._lock:
            self._one[:] = row
            if self._single_row(*self._single_arguments):
                raise InvalidModel(self._last_error())
            return self._one_out.tolist()

    def raw(self, rows: Matrix) -> Matrix:
        """Raw scores, one row for each row given, one column for each class."""
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        out = np.empty((len(rows), self.classes))
        with self._lock:
            self._call(
                "LGBM_BoosterPredictForMat",
                self._handle,
                ctypes.c_void_p(rows.ctypes.data),
                _FLOAT64,
                ctypes.c_int32(len(rows)),
                ctypes.c_int32(self.columns),
                _ROW_MAJOR,
                _RAW_SCORE,
                0,
                -1,
                ctypes.c_char_p(_PARAMETERS),
                ctypes.byref(self._length),
                ctypes.c_void_p(out.ctypes.data),
            )
        return out

    def _number(self, name: str) -> int:
        number = ctypes.c_int(0)
        self._call(name, self._handle, ctypes.byref(number))
        return number.value

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, name)(*arguments):
            raise InvalidModel(self._last_error())

    def _last_error(self) -> str:
        return f"LightGBM: {self._library.LGBM_GetLastError().decode(errors='replace')}"

    def __del__(self) -> None:
        if getattr(self, "_fast", None):
            self._library.LGBM_FastConfigFree(self._fast)
        if getattr(self, "_handle", None):
            self._library.LGBM_BoosterFree(self._handle)
