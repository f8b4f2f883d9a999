"""What is known of a customer: the views and features, once, without importing Feast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

PROJECT = "tactful"
ENTITY = "customer"


class Kind(StrEnum):
    """The type of a feature's values, by the name that Feast's Value message gives it."""

    STRING = "string"
    INTEGER = "int64"
    NUMBER = "double"
    FLAG = "bool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One thing known of a customer. `key` is its name everywhere: `view.feature`."""

    view: str
    name: str
    kind: Kind

    @property
    def key(self) -> str:
        """`view.feature`."""
        return f"{self.view}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Features that arrive together and share one event time, `pushed` by events or loaded."""

    name: str
    features: tuple[Feature, ...]
    pushed: bool = False


def _view(name: str, *, pushed: bool = False, **kinds: Kind) -> View:
    features = tuple(Feature(view=name, name=feature, kind=kind) for feature, kind in kinds.items())
    return View(name=name, features=features, pushed=pushed)


VIEWS: tuple[View, ...] = (
    _view(
        "profile",
        gender=Kind.STRING,
        senior=Kind.FLAG,
        partner=Kind.FLAG,
        dependents=Kind.FLAG,
    ),
    _view(
        "contract",
        type=Kind.STRING,
        tenure_months=Kind.INTEGER,
        paperless=Kind.FLAG,
        payment_method=Kind.STRING,
    ),
    _view(
        "services",
        phone=Kind.FLAG,
        multiple_lines=Kind.FLAG,
        internet=Kind.STRING,
        online_security=Kind.FLAG,
        online_backup=Kind.FLAG,
        device_protection=Kind.FLAG,
        tech_support=Kind.FLAG,
        streaming_tv=Kind.FLAG,
        streaming_movies=Kind.FLAG,
        count=Kind.INTEGER,
    ),
    _view("billing", monthly_charges=Kind.NUMBER, total_charges=Kind.NUMBER),
    _view(
        "behaviour",
        pushed=True,
        page_views_7d=Kind.INTEGER,
        last_page=Kind.STRING,
        last_page_at=Kind.NUMBER,
        purchases_90d=Kind.INTEGER,
        spent_90d=Kind.NUMBER,
        payments_failed_90d=Kind.INTEGER,
    ),
    _view(
        "service",
        pushed=True,
        complaints_open=Kind.INTEGER,
        complaints_365d=Kind.INTEGER,
        messages_7d=Kind.INTEGER,
        last_message_channel=Kind.STRING,
        feedback_score=Kind.NUMBER,
        orders_delayed_90d=Kind.INTEGER,
    ),
)

VIEW: Mapping[str, View] = MappingProxyType({view.name: view for view in VIEWS})

FEATURES: Mapping[str, Kind] = MappingProxyType(
    {feature.key: feature.kind for view in VIEWS for feature in view.features}
)
"""Every feature by its name `view.feature`, with the type of its values."""

PUSHED: tuple[View, ...] = tuple(view for view in VIEWS if view.pushed)
