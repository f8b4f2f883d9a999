"""Builders of feature rows and sites for tests of the feature store and the models."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from engine.ledger.clock import Clock
from engine.ledger.site import Site
from engine.types import Scalar

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
KEY = b"k" * 32
TELCO_CSV = (
    Path(__file__).parents[3] / "shared" / "data" / "telco_churn" / "Telco-Customer-Churn.csv.gz"
)
BANK_CSV = (
    Path(__file__).parents[3] / "shared" / "data" / "bank_marketing" / "bank-additional-full.csv.gz"
)


def a_site(data_dir: Path, redis_url: str = "redis://127.0.0.1:1/0") -> Site:
    """A stack's places, with the wall clock and a fixed key."""
    return Site(data_dir=data_dir, key=KEY, clock=Clock(), redis_url=redis_url)


def a_customer(**changed: Scalar) -> dict[str, Scalar]:
    """The features of an ordinary customer; `contract__type="One year"` changes one."""
    features: dict[str, Scalar] = {
        "profile.gender": "Female",
        "profile.senior": False,
        "profile.partner": True,
        "profile.dependents": False,
        "contract.type": "Month-to-month",
        "contract.tenure_months": 4,
        "contract.paperless": True,
        "contract.payment_method": "Electronic check",
        "services.phone": True,
        "services.internet": "DSL",
        "services.count": 1,
        "billing.monthly_charges": 53.85,
        "billing.total_charges": 215.4,
    }
    return {**features, **{name.replace("__", "."): value for name, value in changed.items()}}
