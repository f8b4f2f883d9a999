"""What Prometheus reads at /metrics: decisions, their latency, events, and requests in flight."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

LATENCY_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(slots=True)
class InFlight:
    """How many requests are being answered now."""

    count: int = 0


@dataclass(slots=True)
class Metrics:
    """The counters of one API process, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    in_flight: InFlight = field(default_factory=InFlight)
    decisions: Counter = field(init=False)
    latency: Histogram = field(init=False)
    events: Counter = field(init=False)
    outcomes: Counter = field(init=False)
    _decided: dict[tuple[str, str], Counter] = field(default_factory=dict[tuple[str, str], Counter])

    def __post_init__(self) -> None:
        known = self.registry
        self.decisions = Counter(
            "tactful_decisions", "Decisions answered", ("level", "channel"), registry=known
        )
        self.latency = Histogram(
            "tactful_decision_seconds", "Time to decide", buckets=LATENCY_SECONDS, registry=known
        )
        self.events = Counter(
            "tactful_events", "Events by what became of them", ("type", "result"), registry=known
        )
        self.outcomes = Counter(
            "tactful_outcomes", "Outcomes by what became of them", ("result",), registry=known
        )
        requests = Gauge("tactful_requests_in_flight", "Requests being answered", registry=known)
        requests.set_function(lambda: self.in_flight.count)

    def decided(self, level: str, channel: str, took_ms: float) -> None:
        """Count one decision. Both labels come from the bundle and the engine, never a caller."""
        key = (level, channel)
        counter = self._decided.get(key)
        if counter is None:
            counter = self._decided[key] = self.decisions.labels(level, channel)
        counter.inc()
        self.latency.observe(took_ms / 1000)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class CountInFlight:
    """Counts the requests that are being answered."""

    def __init__(self, app: ASGIApp, in_flight: InFlight) -> None:
        self.app = app
        self.in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.in_flight.count += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight.count -= 1
