"""What Prometheus reads at /metrics: decisions, their stages, events, and requests in flight.

What is counted for every decision is counted in plain numbers, and becomes metrics when it is read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from api.admission import MOST_BATCHES, InFlight
from engine.timings import Timings

BOUNDS_SECONDS = (
    *(0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)


class Durations:
    """How often something took how long: a histogram over BOUNDS_SECONDS."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one that took so long."""
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.seconds += seconds

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """The buckets as Prometheus has them, each with all that are below it; the sum."""
        names = [*(repr(bound) for bound in BOUNDS_SECONDS), "+Inf"]
        return list(zip(names, accumulate(self.counts), strict=True)), self.seconds


@dataclass(slots=True, eq=False)
class DecisionsCounted(Collector):
    """What is counted of decisions."""

    answers: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    whole: Durations = field(default_factory=Durations)
    read: Durations = field(default_factory=Durations)
    score: Durations = field(default_factory=Durations)
    decide: Durations = field(default_factory=Durations)
    commit: Durations = field(default_factory=Durations)

    def add(self, level: str, channel: str, seconds: float, stages: Timings) -> None:
        """Count one. Both labels come from the bundle and the engine, never from a caller."""
        key = (level, channel)
        self.answers[key] = self.answers.get(key, 0) + 1
        self.whole.add(seconds)
        self.read.add(stages.read)
        self.score.add(stages.score)
        self.decide.add(stages.decide)
        self.commit.add(stages.commit)

    def collect(self) -> Iterator[Metric]:
        """Everything, as metrics."""
        answers = CounterMetricFamily(
            "tactful_decisions", "Decisions answered", labels=("level", "channel")
        )
        for labels, count in self.answers.items():
            answers.add_metric(labels, count)
        yield answers
        buckets, seconds = self.whole.told()
        yield HistogramMetricFamily(
            "tactful_decision_seconds", "From a request to its answer", buckets, seconds
        )
        stages = HistogramMetricFamily(
            "tactful_decision_stage_seconds", "Stages of a decision", labels=("stage",)
        )
        for name, durations in self._stages().items():
            stages.add_metric((name,), *durations.told())
        yield stages

    def _stages(self) -> Mapping[str, Durations]:
        return {
            "read": self.read,
            "score": self.score,
            "decide": self.decide,
            "commit": self.commit,
        }


@dataclass(frozen=True, slots=True, eq=False)
class RequestsCounted(Collector):
    """What is counted of requests, by what they ask for."""

    kinds: Mapping[str, InFlight]

    def collect(self) -> Iterator[Metric]:
        """Everything, as metrics."""
        now = GaugeMetricFamily(
            "tactful_requests_in_flight", "Requests being answered", labels=("kind",)
        )
        refused = CounterMetricFamily(
            "tactful_requests_refused", "Requests refused for want of room", labels=("kind",)
        )
        for kind, in_flight in self.kinds.items():
            now.add_metric((kind,), in_flight.count)
            refused.add_metric((kind,), in_flight.refused)
        yield now
        yield refused


@dataclass(slots=True)
class Metrics:
    """The counters of one API process, in a registry of their own; who is being answered now."""

    deciding: InFlight = field(default_factory=InFlight)
    batches: InFlight = field(default_factory=lambda: InFlight(most=MOST_BATCHES))
    others: InFlight = field(default_factory=InFlight)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    decisions: DecisionsCounted = field(default_factory=DecisionsCounted)
    events: Counter = field(init=False)
    outcomes: Counter = field(init=False)

    def __post_init__(self) -> None:
        known = self.registry
        known.register(self.decisions)
        kinds = {"decision": self.deciding, "batch": self.batches, "other": self.others}
        known.register(RequestsCounted(kinds))
        self.events = Counter(
            "tactful_events", "Events by what became of them", ("type", "result"), registry=known
        )
        self.outcomes = Counter(
            "tactful_outcomes", "Outcomes by what became of them", ("result",), registry=known
        )

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


def limited(most: int) -> Metrics:
    """The counters of a process that takes so many decisions at the same time, and others."""
    return Metrics(deciding=InFlight(most=most), others=InFlight(most=most))
