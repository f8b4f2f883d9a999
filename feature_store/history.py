"""Features as they were known at a time, through Feast's point-in-time join: for training only."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd

from engine.ledger.site import Site
from engine.types import Scalar
from feature_store.definitions import apply
from feature_store.offline import LABELS, folder, has_rows
from feature_store.schema import ENTITY, FEATURES, VIEWS, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What happened to a customer, when that became known, and what was known before."""

    customer: str
    at: datetime
    label: bool
    features: Mapping[str, Scalar]


def labelled_features(site: Site, label: str) -> list[Labelled]:
    """Each customer's latest label with the features as of then; empty when there are none."""
    files = folder(site, LABELS) / "part-*.parquet"
    if not any(files.parent.glob(files.name)):
        return []
    place = str(files).replace("'", "''")
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set timezone = 'UTC'")
        found = connection.sql(
            f'select {ENTITY}, event_timestamp, "{label}" as label '
            f"from read_parquet('{place}', union_by_name=true) where label is not null "
            f"qualify row_number() over (partition by {ENTITY} "
            f"order by event_timestamp desc, created desc) = 1 order by {ENTITY}"
        ).df()
    return _joined(site, found)


def _joined(site: Site, labels: pd.DataFrame) -> list[Labelled]:
    """Views without rows stay out of the join, which Feast could not sort by their times."""
    known = [view for view in VIEWS if has_rows(site, view.name)]
    names = [f"{view.name}:{feature.name}" for view in known for feature in view.features]
    found = {feature.key for view in known for feature in view.features}
    job = apply(site).get_historical_features(labels, names, full_feature_names=True)
    with warnings.catch_warnings():  # Dask fills in what it knows of partitions the old way
        warnings.filterwarnings("ignore", "Downcasting object dtype", FutureWarning)
        frame: Any = job.to_df().sort_values(ENTITY)
    nothing: list[Scalar] = [None] * len(frame)
    columns = {
        key: _values(frame[key.replace(".", "__", 1)], key) if key in found else nothing
        for key in FEATURES
    }
    return [
        Labelled(
            customer=str(name),
            at=at.to_pydatetime(),
            label=bool(label),
            features={key: column[place] for key, column in columns.items()},
        )
        for place, (name, at, label) in enumerate(
            zip(frame[ENTITY], frame["event_timestamp"], frame["label"], strict=True)
        )
    ]


def _values(column: Any, key: str) -> list[Scalar]:
    """Feast's pandas column as plain values of the feature's own type."""
    make = {Kind.STRING: str, Kind.INTEGER: int, Kind.NUMBER: float, Kind.FLAG: bool}[FEATURES[key]]
    return [None if missing else make(v) for v, missing in zip(column, column.isna(), strict=True)]
