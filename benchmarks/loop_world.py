"""A business whose customers have a hidden preference that only its own answers can teach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import orjson

from engine.bundle import load_bundle
from engine.catalog import Bundle
from engine.types import Scalar
from feature_store.generate import customers
from feature_store.mapping import read_mapping

CHANNEL = "web"
ACTIONS = ("fiber", "music", "protection", "roaming")
LIKINGS = (0.45, 0.2, 0.1, 0.05)
"""How likely customers accept what they like most, second, … and least."""
ORACLE, CHANCE = max(LIKINGS), sum(LIKINGS) / len(LIKINGS)
"""What is accepted of those who know the truth, and of those who offer anything."""
KNOWN = frozenset(
    (
        *("profile.senior", "profile.partner", "profile.dependents", "contract.payment_method"),
        *("contract.type", "contract.tenure_months", "services.internet", "services.count"),
        "billing.monthly_charges",
    )
)
"""What is known of a customer: only one of these tells what they like."""
_INTERNET = ("DSL", "Fiber optic", "No")

Features = Mapping[str, Scalar]


def liking(features: Features, action: str, *, reversed_: bool) -> float:
    """The hidden truth: how likely this customer accepts this action.

    What a customer likes depends on their internet product. Reversed, they like least what they
    liked most.
    """
    kind = _INTERNET.index(str(features["services.internet"]))
    place = (ACTIONS.index(action) + kind) % len(ACTIONS)
    return LIKINGS[-1 - place if reversed_ else place]


@cache
def people(count: int) -> Sequence[tuple[str, Features]]:
    """Made-up customers, with what is known of them."""
    sources = read_mapping().sources
    return tuple(
        (
            row["customerID"],
            {one.feature: one.read(row) for one in sources if one.feature in KNOWN},
        )
        for row in customers(count)
    )


def a_bundle(folder: Path) -> Bundle:
    """Four actions of one value and one prior: nothing but answers can tell them apart."""
    business: Mapping[str, object] = {
        "business": {"name": "loop", "currency": "EUR"},
        "channels": {CHANNEL: {"in_page": True, "content": ["headline"]}},
        "purposes": {"nurture": {"consent": {CHANNEL: "allowed"}, "levels": ["full", "partial"]}},
        "groups": {"offers": {}},
        "exploration": {"smoothing_evidence": 20, "thompson": True, "control_percent": 2},
        "actions": {name: _action(name) for name in ACTIONS},
    }
    folder.mkdir(parents=True)
    (folder / "business.yaml").write_bytes(orjson.dumps(business))
    return load_bundle(folder)


def _action(name: str) -> Mapping[str, object]:
    about = {"title": name, "purpose": "nurture", "group": "offers", "tags": ["offer"]}
    return {**about, "value": 10, "prior": 0.2, "treatments": {CHANNEL: {"headline": name}}}
