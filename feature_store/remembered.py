"""What serialized values mean, kept: most are words, flags and small numbers that come again."""

from __future__ import annotations

from datetime import datetime

from engine.types import Scalar
from feature_store.every_value import scalar_of
from feature_store.values import DOUBLE_TAG, DamagedValue, decode_time, decode_value

_MOST_KEPT = 16_384
_MOST_BYTES_KEPT = 64


class RememberedValues(dict[bytes, Scalar]):
    """Values by their bytes; a damaged one is unknown. Doubles seldom come again: not kept."""

    def __missing__(self, raw: bytes) -> Scalar:
        try:
            found = decode_value(raw)
        except DamagedValue:
            found = scalar_of(raw)
        if raw[:1] != DOUBLE_TAG and len(raw) <= _MOST_BYTES_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[raw] = found
        return found


class RememberedTimes(dict[bytes, datetime | None]):
    """Event times by their bytes: a load gives thousands of rows the same; None for damaged."""

    def __missing__(self, raw: bytes) -> datetime | None:
        try:
            found = decode_time(raw)
        except DamagedValue:
            found = None
        if len(self) >= _MOST_KEPT:
            self.clear()
        self[raw] = found
        return found
