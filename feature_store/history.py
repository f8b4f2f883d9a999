"""Features as they were known at a time, through Feast's point-in-time join: for training only."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pandas as pd
from feast import FeatureStore

from engine.ledger.site import Site
from engine.types import Scalar
from feature_store.definitions import apply
from feature_store.offline import LABELS, folder, has_rows
from feature_store.schema import ENTITY, FEATURES, VIEWS, Kind, View

_PLACE = "place"


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


def features_at(site: Site, moments: Sequence[tuple[str, datetime]]) -> list[Mapping[str, Scalar]]:
    """What the offline store knew of customers at times, in their order; None where nothing."""
    if not moments:
        return []
    frame = pd.DataFrame(
        {
            ENTITY: [customer for customer, _ in moments],
            "event_timestamp": pd.to_datetime([at for _, at in moments], utc=True),
        }
    )
    return _features(_join(site, frame))


def times_at(site: Site, moments: Sequence[tuple[str, datetime]]) -> list[Mapping[str, datetime]]:
    """The time of each view's row that a point-in-time join takes, for the views that have one."""
    asked = pd.DataFrame(
        {
            ENTITY: [customer for customer, _ in moments],
            "asked_at": pd.to_datetime([at for _, at in moments], utc=True),
            _PLACE: range(len(moments)),
        }
    )
    found: list[dict[str, datetime]] = [{} for _ in moments]
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("asked", asked)
        for view in (view for view in VIEWS if has_rows(site, view.name)):
            files = str(folder(site, view.name) / "part-*.parquet").replace("'", "''")
            rows = connection.execute(
                f"select {_PLACE}, max(event_timestamp) from asked join read_parquet('{files}', "
                f"union_by_name=true) as rows using ({ENTITY}) where event_timestamp <= asked_at "
                "group by all"
            ).fetchall()
            for place, at in rows:
                found[place][view.name] = at.astimezone(UTC)
    return [*found]


def _joined(site: Site, labels: pd.DataFrame) -> list[Labelled]:
    frame = _join(site, labels)
    return [
        Labelled(customer=str(name), at=at.to_pydatetime(), label=bool(label), features=features)
        for name, at, label, features in zip(
            frame[ENTITY], frame["event_timestamp"], frame["label"], _features(frame), strict=True
        )
    ]


def _join(site: Site, asked: pd.DataFrame) -> Any:
    """What was asked, in its order, with all features that are known.

    Feast is asked for a view only of moments that have a row of it: it drops a moment that comes
    before the first row of any view, and can't sort a view that none of them has.
    """
    frame = asked.assign(**{_PLACE: range(len(asked))})
    times = times_at(site, [*zip(frame[ENTITY], frame["event_timestamp"], strict=True)])
    together: dict[tuple[int, ...], list[View]] = {}
    for view in VIEWS:
        there = tuple(place for place, known in enumerate(times) if view.name in known)
        if there:
            together.setdefault(there, []).append(view)
    store = apply(site)
    for places, views in together.items():
        some = frame.loc[frame[_PLACE].isin(places), [ENTITY, "event_timestamp", _PLACE]]
        found = _asked(store, some, views).drop(columns=[ENTITY, "event_timestamp"])
        frame = frame.merge(found, on=_PLACE, how="left")
    return frame.sort_values(_PLACE)


def _asked(store: FeatureStore, asked: pd.DataFrame, views: Sequence[View]) -> Any:
    names = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    job = store.get_historical_features(asked, names, full_feature_names=True)
    with warnings.catch_warnings():  # Dask fills in what it knows of partitions the old way
        warnings.filterwarnings("ignore", "Downcasting object dtype", FutureWarning)
        return job.to_df()


def _features(frame: Any) -> list[Mapping[str, Scalar]]:
    nothing: list[Scalar] = [None] * len(frame)
    columns: dict[str, list[Scalar]] = {}
    for key in FEATURES:
        name = key.replace(".", "__", 1)
        columns[key] = _values(frame[name], key) if name in frame else nothing
    return [{key: column[at] for key, column in columns.items()} for at in range(len(frame))]


def _values(column: Any, key: str) -> list[Scalar]:
    """Feast's pandas column as plain values of the feature's own type."""
    make = {Kind.STRING: str, Kind.INTEGER: int, Kind.NUMBER: float, Kind.FLAG: bool}[FEATURES[key]]
    return [None if missing else make(v) for v, missing in zip(column, column.isna(), strict=True)]
