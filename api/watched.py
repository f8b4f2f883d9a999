"""What Prometheus reads of models: drift, calibration, a challenger; as last watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.ledger.site import Site
from models.watched import kept


@dataclass(frozen=True, slots=True, eq=False)
class ModelWatched(Collector):
    """What the last report or training saw: a small file, read when it is asked for."""

    site: Site

    def collect(self) -> Iterator[Metric]:
        """Everything, as metrics; nothing before somebody has looked."""
        found = kept(self.site)
        if found is None:
            return
        at = datetime.fromisoformat(found["at"]).timestamp()
        yield _gauge("tactful_model_watched_timestamp_seconds", "When models were watched", at)
        drift = GaugeMetricFamily(
            "tactful_model_drift", "Population stability index since training", labels=("of",)
        )
        score = {"score": found["score"]} if found["score"] else {}
        for name, one in {**found["features"], **score}.items():
            drift.add_metric((name,), one["index"])
        yield drift
        if found["calibration"]:
            yield from _calibration(found["calibration"])
        if found["challenger"] and "gain" in found["challenger"]:
            yield from _challenger(found["challenger"])


def _calibration(found: Mapping[str, Any]) -> Iterator[Metric]:
    said = "Calibration error since training"
    yield _gauge("tactful_model_calibration_error", said, found["calibration_error"])


def _challenger(found: Mapping[str, Any]) -> Iterator[Metric]:
    losses = GaugeMetricFamily(
        "tactful_model_log_loss", "Log loss on answers new to both models", labels=("role",)
    )
    for role in ("in_use", "challenger"):
        losses.add_metric((role,), found[role]["log_loss"])
    yield losses
    said = "Log loss in use less that of the challenger, lower end of the 95 % interval"
    yield _gauge("tactful_model_challenger_gain_low", said, found["gain"]["low"])


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(name, said, value=value)
