"""Features of customers, and tables of real ones, for tests of the feature store and the models."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from engine.types import Scalar

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
_TABLES = Path(__file__).parents[3] / "shared" / "data"
TELCO_CSV = _TABLES / "telco_churn" / "Telco-Customer-Churn.csv.gz"
BANK_CSV = _TABLES / "bank_marketing" / "bank-additional-full.csv.gz"


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
