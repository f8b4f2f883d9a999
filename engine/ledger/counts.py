"""How much of each volume a process has counted, as a decision looks it up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEVER = (0, 0.0)
"""The count and its end of a volume that was never counted."""


class Counts(dict[str, int]):
    """How much is used of each volume, as a decision looks it up; what it saw is what it holds.

    `unsure` are the buckets that it asked for and whose count is old, or was never made.
    """

    def __init__(self, kept: Mapping[str, tuple[int, float]], now: float) -> None:
        self._kept = kept
        self._now = now
        self.unsure: set[str] = set()

    def get(self, bucket: str, default: Any = None, /) -> Any:
        """The units used of a bucket."""
        if bucket not in self:
            used, until = self._kept.get(bucket, NEVER)
            if until <= self._now:
                self.unsure.add(bucket)
            if not used:
                return default
            self[bucket] = used
        return self[bucket]

    def differs(self, counted: Mapping[str, int]) -> bool:
        """Whether what was unsure turned out to be another count than the decision saw."""
        seen = dict(self)
        return any(seen.get(one, 0) != counted.get(one, 0) for one in self.unsure)
