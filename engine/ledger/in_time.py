"""Scoring within a deadline: what comes first is scored first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.catalog import Action
from engine.propensity import Scorer
from engine.timings import Timings
from engine.types import Scalar, Scores

_AT_ONCE = 64
"""So many actions are scored between two looks at the clock, the most promising first."""


class InTime:
    """A scorer that stops at `end`, of time.perf_counter(): the first ones are always scored."""

    def __init__(self, scorer: Scorer, end: float, timings: Timings) -> None:
        self._scorer = scorer
        self._end = end
        self._timings = timings

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """The scores of the customer alone."""
        started = time.perf_counter()
        scores = self._scorer.customer_scores(features)
        self._timings.score += time.perf_counter() - started
        return scores

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        """As many of the pairs as there is time for, from the first; says how many."""
        started = time.perf_counter()
        scores = self._in_time(features, pairs)
        self._timings.score += time.perf_counter() - started
        return scores

    def _in_time(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        scores = self._scorer.acceptance(features, pairs[:_AT_ONCE])
        done = _AT_ONCE
        while done < len(pairs) and time.perf_counter() < self._end:
            more = self._scorer.acceptance(features, pairs[done : done + _AT_ONCE])
            scores = replace(
                more,
                acceptance=scores.acceptance + more.acceptance,
                evidence=scores.evidence + more.evidence,
            )
            done += _AT_ONCE
        if done >= len(pairs):
            return scores
        late = f"the time was over: {done} of {len(pairs)} actions were scored"
        return replace(scores, because=(*scores.because, late))
