"""Training-serving skew: what decisions were told of customers, against Feast's offline store.

A record says what the online store knew, and the time of each view. A point-in-time join says what
training would see at that moment. Where both took the same row, its values have to be the same: any
difference is skew. Where they took different rows, it is said which way lags behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson

from engine.ledger.log import opened
from engine.ledger.site import Site
from engine.types import Scalar
from feature_store.history import features_at, times_at
from feature_store.schema import VIEWS, View

MOST_DIFFERENCES = 10


class Row(StrEnum):
    """How one view of one decision stands both ways.

    `same`: the same row. `late`: the offline store has a newer one, which the decision did not see
    yet, or any at all where it saw none. `lost`: the row of the decision is not in the offline
    store, only an older one or none. `unknown`: neither knows the view.
    """

    SAME = "same"
    LATE = "late"
    LOST = "lost"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one decision was told of its customer."""

    decision_id: str
    customer: str
    at: datetime
    features: Mapping[str, Scalar]
    times: Mapping[str, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A value that is not the same both ways, though the row is."""

    decision_id: str
    feature: str
    served: Scalar
    trained: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """How many decisions and values were compared, the rows by view, and what differs by feature.

    `differences` are the first MOST_DIFFERENCES.
    """

    decisions: int
    values: int
    rows: Mapping[str, Mapping[Row, int]]
    differing: Mapping[str, int] = field(default_factory=dict[str, int])
    differences: Sequence[Difference] = ()


def skew(site: Site, decisions: int) -> Skew:
    """Compares the newest decisions of the log both ways."""
    told = served(site, decisions)
    moments = [(one.customer, one.at) for one in told]
    return compared(told, features_at(site, moments), times_at(site, moments))


def served(site: Site, most: int) -> list[Served]:
    """What the newest decisions of the log were told, as far as the features could be read."""
    with opened(site.archive) as log:
        query = (
            "select record from records where decision_id in (select decision_id from decisions "
            "where level is not null order by decision_id desc limit ?) order by decision_id"
        )
        records = log.execute(query, [most]).fetchall()
    kept = [orjson.loads(record) for (record,) in records]
    return [
        Served(
            decision_id=one["request"]["decision_id"],
            customer=one["request"]["customer"],
            at=datetime.fromisoformat(one["request"]["now"]),
            features=one["snapshot"]["features"],
            times={
                view: datetime.fromisoformat(at)
                for view, at in one["snapshot"]["feature_times"].items()
            },
        )
        for one in kept
        if "remembered" not in one["snapshot"]
    ]


def compared(
    told: Iterable[Served],
    trained: Iterable[Mapping[str, Scalar]],
    times: Iterable[Mapping[str, datetime]],
) -> Skew:
    """What was served against what would be trained on, decision by decision."""
    rows = {view.name: Counter[Row]() for view in VIEWS}
    differences: list[Difference] = []
    decisions = values = 0
    for one, other, at in zip(told, trained, times, strict=True):
        decisions += 1
        for view in VIEWS:
            stands = _stands(one.times.get(view.name), at.get(view.name))
            rows[view.name][stands] += 1
            if stands is Row.SAME:
                values += len(view.features)
                differences += _differences(one, other, view)
    return Skew(
        decisions=decisions,
        values=values,
        rows={view: dict(counts) for view, counts in rows.items()},
        differing=dict(Counter(one.feature for one in differences).most_common()),
        differences=tuple(differences[:MOST_DIFFERENCES]),
    )


def _differences(one: Served, trained: Mapping[str, Scalar], view: View) -> Iterator[Difference]:
    for feature in view.features:
        served, found = one.features.get(feature.key), trained.get(feature.key)
        if served != found:
            yield Difference(
                decision_id=one.decision_id, feature=feature.key, served=served, trained=found
            )


def _stands(served: datetime | None, trained: datetime | None) -> Row:
    if served == trained:
        return Row.UNKNOWN if served is None else Row.SAME
    if served is None or (trained is not None and trained > served):
        return Row.LATE
    return Row.LOST
