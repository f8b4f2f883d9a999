"""Made-up customers in the columns of the IBM Telco table, the same ones for the same seed."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator
from pathlib import Path

from feature_store.tables import Line, Table

EXTRAS = (
    "OnlineSecurity",
    "OnlineBackup",
    "DeviceProtection",
    "TechSupport",
    "StreamingTV",
    "StreamingMovies",
)
COLUMNS: tuple[str, ...] = (
    "customerID",
    "gender",
    "SeniorCitizen",
    "Partner",
    "Dependents",
    "tenure",
    "PhoneService",
    "MultipleLines",
    "InternetService",
    *EXTRAS,
    "Contract",
    "PaperlessBilling",
    "PaymentMethod",
    "MonthlyCharges",
    "TotalCharges",
    "Churn",
)
_PAYMENTS = (
    "Electronic check",
    "Mailed check",
    "Bank transfer (automatic)",
    "Credit card (automatic)",
)
_CONTRACTS = ("Month-to-month", "One year", "Two year")
_PRICE = {"No": 0.0, "DSL": 25.0, "Fiber optic": 50.0}


def customers(count: int, seed: int = 7) -> Iterator[dict[str, str]]:
    """So many customers as rows of the Telco table, with churn that depends on what they have."""
    random_ = random.Random(seed)
    seen: set[str] = set()
    while len(seen) < count:
        name = _name(random_)
        if name not in seen:
            seen.add(name)
            yield {"customerID": name, **_customer(random_)}


def customers_table(count: int, seed: int = 7) -> Table:
    """The same as a table to load."""
    lines = (
        Line(number=number, cells=cells)
        for number, cells in enumerate(customers(count, seed), start=2)
    )
    return Table(name=f"{count} made-up customers", columns=COLUMNS, lines=lines)


def write_csv(path: Path, count: int, seed: int = 7) -> None:
    """The same as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(customers(count, seed))


def _name(random_: random.Random) -> str:
    letters = "".join(random_.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=5))
    return f"{random_.randrange(10_000):04}-{letters}"


def _customer(random_: random.Random) -> dict[str, str]:
    senior, partner = random_.random() < 0.16, random_.random() < 0.48
    dependents = random_.random() < (0.5 if partner else 0.12)
    contract = random_.choices(_CONTRACTS, (55, 21, 24))[0]
    tenure = _tenure(random_, contract)
    products = _products(random_)
    monthly = _monthly(random_, products)
    row = {
        "gender": random_.choice(("Female", "Male")),
        "SeniorCitizen": str(int(senior)),
        "Partner": _yes(partner),
        "Dependents": _yes(dependents),
        "tenure": str(tenure),
        **products,
        "Contract": contract,
        "PaperlessBilling": _yes(random_.random() < 0.59),
        "PaymentMethod": random_.choices(_PAYMENTS, (34, 23, 22, 21))[0],
        "MonthlyCharges": f"{monthly:.2f}",
        "TotalCharges": f"{monthly * tenure * random_.uniform(0.95, 1.05):.2f}" if tenure else "",
    }
    return {**row, "Churn": _yes(random_.random() < churn_probability(row))}


def churn_probability(row: dict[str, str]) -> float:
    """How likely a made-up customer leaves: short, monthly, fiber, electronic check, alone."""
    odds = -1.6 - 0.035 * int(row["tenure"])
    odds += {"Month-to-month": 1.3, "One year": 0.2, "Two year": -0.9}[row["Contract"]]
    odds += {"Fiber optic": 0.9, "DSL": 0.1, "No": -0.7}[row["InternetService"]]
    odds += 0.4 * (row["PaymentMethod"] == "Electronic check") + 0.3 * (row["SeniorCitizen"] == "1")
    odds -= 0.4 * (row["TechSupport"] == "Yes") + 0.4 * (row["OnlineSecurity"] == "Yes")
    odds += 0.3 * (row["PaperlessBilling"] == "Yes") - 0.2 * (row["Dependents"] == "Yes")
    return 1 / (1 + math.exp(-odds))


def _tenure(random_: random.Random, contract: str) -> int:
    middle = {"Month-to-month": 12, "One year": 42, "Two year": 58}[contract]
    drawn = random_.expovariate(1 / middle) if middle < 20 else random_.gauss(middle, 17)
    return min(72, max(0, round(drawn)))


def _products(random_: random.Random) -> dict[str, str]:
    internet = random_.choices(("DSL", "Fiber optic", "No"), (34, 44, 22))[0]
    phone = internet != "DSL" or random_.random() < 0.72
    lines = _yes(random_.random() < 0.47) if phone else "No phone service"
    extras = {
        name: "No internet service" if internet == "No" else _yes(random_.random() < 0.42)
        for name in EXTRAS
    }
    products = {"PhoneService": _yes(phone), "MultipleLines": lines, "InternetService": internet}
    return {**products, **extras}


def _monthly(random_: random.Random, products: dict[str, str]) -> float:
    price = 20.0 * (products["PhoneService"] == "Yes") + _PRICE[products["InternetService"]]
    price += 5.0 * (products["MultipleLines"] == "Yes")
    price += sum(
        5.0 + 4.0 * name.startswith("Streaming") for name in EXTRAS if products[name] == "Yes"
    )
    return max(18.25, price + random_.uniform(-1.5, 1.5))


def _yes(value: bool) -> str:
    return "Yes" if value else "No"
