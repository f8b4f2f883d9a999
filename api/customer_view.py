"""All that is known of a customer, as GET /v1/customers/{id} shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from api.decision_reply import HoldShown
from engine.ledger.clock import from_milliseconds
from engine.types import Contact, Hold, JourneyState, Scalar, Snapshot
from feature_store.schema import VIEWS
from feature_store.status import Status, statuses


class FeaturesShown(BaseModel):
    """One view of features: when it was true, how old that is, its values, and the status of each.

    A status is `present`, `null` or `stale`: too old for this bundle to use.
    """

    at: datetime
    age_seconds: float
    values: dict[str, Scalar]
    status: dict[str, Status]


class HoldOwned(HoldShown):
    """A hold, with its owner."""

    owner: str


class ConsentShown(BaseModel):
    """What was recorded for one purpose and channel."""

    purpose: str
    channel: str
    granted: bool


class ContactShown(BaseModel):
    """One entry of the contact ledger; `outcome` is what the customer answered, if it did."""

    id: str
    kind: str
    at: datetime
    channel: str
    action: str
    group: str
    purpose: str
    outcome: str


class CustomerView(BaseModel):
    """All that is known. Without `reconciled`, holds, consents and contacts are being restored.

    `absent` names the views of features that never came.
    """

    customer: str
    at: datetime
    reconciled: bool
    because: list[str]
    features: dict[str, FeaturesShown]
    absent: list[str]
    holds: list[HoldOwned]
    consents: list[ConsentShown]
    contacts: list[ContactShown]
    journeys: list[JourneyState]
    decisions: list[str]


def is_unknown(snapshot: Snapshot, decisions: Sequence[str]) -> bool:
    """Whether nothing at all is known; before the live state is reconciled nobody can say so."""
    known = (
        snapshot.feature_times,
        snapshot.holds,
        snapshot.consents,
        snapshot.contacts,
        snapshot.journeys,
    )
    return snapshot.reconciled and not any(known) and not decisions


def view_of(
    customer: str,
    snapshot: Snapshot,
    decisions: Sequence[str],
    now: datetime,
    max_ages: Mapping[str, timedelta],
) -> dict[str, Any]:
    """What is shown of a snapshot; `customer` is the name that the caller used.

    `max_ages` says how old the bundle lets features be.
    """
    return {
        "customer": customer,
        "at": now,
        "reconciled": snapshot.reconciled,
        "because": snapshot.because,
        "features": _features(snapshot, now, max_ages),
        "absent": [view.name for view in VIEWS if view.name not in snapshot.feature_times],
        "holds": [hold_shown(hold) for hold in snapshot.holds],
        "consents": [
            _consent(name, granted) for name, granted in sorted(snapshot.consents.items())
        ],
        "contacts": [_contact(contact) for contact in snapshot.contacts],
        "journeys": snapshot.journeys,
        "decisions": tuple(decisions),
    }


def _features(
    snapshot: Snapshot, now: datetime, max_ages: Mapping[str, timedelta]
) -> dict[str, Any]:
    views: dict[str, Any] = {
        view: {
            "at": at,
            "age_seconds": round((now - at).total_seconds(), 3),
            "values": {},
            "status": {},
        }
        for view, at in sorted(snapshot.feature_times.items())
    }
    found = statuses(snapshot.features, snapshot.feature_times, max_ages, now)
    for name, status in found.items():
        view, _, feature = name.partition(".")
        if view in views:
            views[view]["status"][feature] = status
    for name, value in snapshot.features.items():
        view, _, feature = name.partition(".")
        if view in views:
            views[view]["values"][feature] = value
    return views


def hold_shown(hold: Hold) -> dict[str, Any]:
    """A hold as the outside sees it."""
    shown = asdict(hold)
    del shown["seq"]
    return shown


def _consent(name: str, granted: bool) -> dict[str, Any]:
    purpose, _, channel = name.partition(":")
    return {"purpose": purpose, "channel": channel, "granted": granted}


def _contact(contact: Contact) -> dict[str, Any]:
    return {**asdict(contact), "at": from_milliseconds(contact.at)}
