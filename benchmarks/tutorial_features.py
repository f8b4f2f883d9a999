"""The Feast repository of the tutorials' stack: 36 numeric features in three views, on Redis."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = "tutorial"
ENTITY = "customer_id"
SERVICE = "decision"
VIEWS = 3
FEATURES = 36
ACTIONS = 24
ACTION_FEATURES = 4
FOLDER_VARIABLE = "BENCH_FEAST_FOLDER"
MODEL_VARIABLE = "BENCH_MODEL"


def build(folder: Path, redis: str, customers: Sequence[str], values: Any) -> None:
    """Makes the repository and writes these values (customers x 36) online, by the SDK.

    `redis` is `host:port`.
    """
    import pandas as pd
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Float64
    from feast.value_type import ValueType

    folder.mkdir(parents=True)
    (folder / "feature_store.yaml").write_text(_settings(redis))
    store = FeatureStore(str(folder))
    customer = Entity(name="customer", join_keys=[ENTITY], value_type=ValueType.STRING)
    views: list[Any] = []
    for number in range(VIEWS):
        frame = pd.DataFrame({ENTITY: list(customers), "event_timestamp": datetime.now(UTC)})
        for name, column in _columns(number):
            frame[name] = values[:, column]
        path = folder / f"view_{number}.parquet"
        frame.to_parquet(path)
        view = FeatureView(
            name=f"view_{number}",
            entities=[customer],
            ttl=timedelta(0),
            schema=[Field(name=name, dtype=Float64) for name, _ in _columns(number)],
            source=FileSource(path=str(path), timestamp_field="event_timestamp"),
        )
        views.append((view, frame))
    found = [view for view, _ in views]
    store.apply([customer, *found, FeatureService(name=SERVICE, features=found)])
    for view, frame in views:
        store.write_to_online_store(view.name, frame)


def numbers(encoded: Any) -> Any:
    """The same customers' features as 36 numbers without gaps; what is missing is drawn."""
    drawn = np.random.default_rng(2).normal(size=(len(encoded), FEATURES))
    known = np.nan_to_num(np.asarray(encoded, dtype=float))[:, :FEATURES]
    drawn[:, : known.shape[1]] = known
    return drawn


def _columns(number: int) -> list[tuple[str, int]]:
    width = FEATURES // VIEWS
    return [(f"feature_{column}", column) for column in range(number * width, (number + 1) * width)]


def _settings(redis: str) -> str:
    return (
        f"project: {PROJECT}\n"
        "provider: local\n"
        "registry: registry.db\n"
        "online_store:\n"
        "  type: redis\n"
        f'  connection_string: "{redis}"\n'
        "offline_store:\n"
        "  type: file\n"
        "entity_key_serialization_version: 3\n"
    )
