"""What is known of a customer, as names that expressions can use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.catalog import Bundle
from engine.logic import Lookup
from engine.types import JourneyState, Request, Scalar, Snapshot

LOADED_VIEWS = ("profile", "contract", "services", "billing")
"""Who lacks one of these was never loaded completely; the other views come with the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The features that are fresh enough to use, and in words what is too old or absent."""

    features: dict[str, Scalar]
    stale: tuple[str, ...]
    missing: tuple[str, ...]


def known_features(snapshot: Snapshot, bundle: Bundle, now: datetime) -> Known:
    """Leaves out every view that is older than the bundle allows: too old is unknown."""
    old = dict(_too_old(snapshot, bundle, now))
    features = dict(snapshot.features)
    if old:
        features = {
            name: value for name, value in features.items() if name.split(".", 1)[0] not in old
        }
    if not snapshot.known:
        missing = ("no features are known of this customer",)
    else:
        absent = [view for view in LOADED_VIEWS if view not in snapshot.feature_times]
        missing = tuple(f"no {view} features are known of this customer" for view in absent)
    stale = tuple(
        f"{view} features are {_days(age)} old; {_days(bundle.max_ages[view])} are allowed"
        for view, age in old.items()
    )
    return Known(features=features, stale=stale, missing=missing)


def _too_old(snapshot: Snapshot, bundle: Bundle, now: datetime) -> Iterator[tuple[str, timedelta]]:
    for view, limit in bundle.max_ages.items():
        at = snapshot.feature_times.get(view)
        if at is not None and now - at > limit:
            yield view, now - at


def _days(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def names(
    request: Request,
    snapshot: Snapshot,
    bundle: Bundle,
    features: Mapping[str, Scalar],
    scores: Mapping[str, float],
) -> Lookup:
    """Looks up every name that a rule can use; None is unknown.

    The names are `view.feature`, `context.key`, `model.name` and `journey.kind[.stage]`.
    Whether a journey runs is unknown as long as the live state is not reconciled.
    """
    values: dict[str, Scalar] = dict(features)
    for key, value in request.context.items():
        if isinstance(value, str | int | float | bool):
            values[f"context.{key}"] = value
    for model, score in scores.items():
        values[f"model.{model}"] = score
    for journey in snapshot.journeys:
        _add_journey(values, journey)
    no_journey = False if snapshot.reconciled else None

    def lookup(name: str) -> Scalar:
        found = values.get(name)
        if found is None and name.startswith("journey.") and name.count(".") == 1:
            return no_journey
        return found

    return lookup


def _add_journey(values: dict[str, Scalar], journey: JourneyState) -> None:
    values[f"journey.{journey.kind}"] = True
    values[f"journey.{journey.kind}.stage"] = journey.stage
