"""Which features are fresh enough to be used: too old is unknown, for rules and models alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.catalog import Bundle
from engine.types import Scalar, Snapshot

LOADED_VIEWS = ("profile", "contract", "services", "billing")
"""Who lacks one of these was never loaded completely; the other views come with the first event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The features that are fresh enough to use, and in words what is too old or absent."""

    features: Mapping[str, Scalar]
    stale: tuple[str, ...]
    missing: tuple[str, ...]


def known_features(snapshot: Snapshot, bundle: Bundle, now: datetime) -> Known:
    """Leaves out every feature that is older than the bundle allows, or of unknown age.

    The age that a bundle gives to a single feature counts instead of that of its view. Exactly as
    old as allowed is fresh, and so is what a clock ahead of ours wrote.
    """
    old = dict(_too_old(snapshot, bundle.max_ages, now)) if bundle.max_ages else {}
    features = snapshot.features
    if old:
        limits = bundle.max_ages
        features = {n: value for n, value in features.items() if _limited_by(n, limits) not in old}
    return Known(
        features=features,
        stale=tuple(_words(name, age, bundle.max_ages[name]) for name, age in old.items()),
        missing=tuple(_missing(snapshot)),
    )


def _too_old(
    snapshot: Snapshot, limits: Mapping[str, timedelta], now: datetime
) -> Iterator[tuple[str, timedelta | None]]:
    """The views and single features that are too old, and their age where that is known."""
    features = snapshot.features
    for name, limit in limits.items():
        view, _, single = name.partition(".")
        at = snapshot.feature_times.get(view)
        if at is not None:
            if now - at > limit and (not single or features.get(name) is not None):
                yield name, now - at
        elif name in features or any(other.startswith(f"{name}.") for other in features):
            yield name, None


def _limited_by(name: str, limits: Mapping[str, timedelta]) -> str:
    return name if name in limits else name.partition(".")[0]


def _missing(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.known:
        yield "no features are known of this customer"
        return
    for view in LOADED_VIEWS:
        if view not in snapshot.feature_times:
            yield f"no {view} features are known of this customer"


def _words(name: str, age: timedelta | None, limit: timedelta) -> str:
    """What is too old, as an answer tells it."""
    what, are = (name, "is") if "." in name else (f"{name} features", "are")
    if age is None:
        return f"how old {what} {are} is not known; {_length(limit)} are allowed"
    return f"{what} {are} {_length(age)} old; {_length(limit)} are allowed"


def _length(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
