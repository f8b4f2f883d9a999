"""The response simulator of the demo: customers who accept or not by a stated, hidden rule.

It stands in for real outcomes where there are none yet. The models never see the rule, only its
answers. The log-odds of accepting are those of the action's prior, plus:

    by channel     call +0.5, app and web 0, whatsapp -0.1, email -0.4;
                   seniors: call +0.4 more, web and app -0.4
    sales          -0.03 for each dollar of the monthly bill above 65; +0.3 with a partner
    retention      +0.9 month-to-month, +0.015 for each dollar above 65 (less below),
                   -0.02 for each month of tenure
    nurture        +0.6 in the first six months
    survey         +0.4 after two years
    complaint open -2.0 on sales and retention, +0.5 on service
    internet       +0.8 with DSL, -0.3 otherwise
    security       +0.5 on fiber, -0.4 for seniors
    entertainment  +0.5 with dependents or fiber
    contract       +0.7 month-to-month after a year
    phone          +0.4 with dependents
    billing        +0.6 after a failed payment
    taste          a steady -0.4 to +0.4 for each action and internet product, from a hash
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.types import Scalar
from models.dataset import AcceptanceRow

if TYPE_CHECKING:
    from engine.catalog import Action

Features = Mapping[str, Scalar]
_CHANNEL = {"call": 0.5, "whatsapp": -0.1, "email": -0.4}
_SENIORS_CHANNEL = {"call": 0.4, "web": -0.4, "app": -0.4}
_USUAL_BILL = 65.0


def simulate_outcome(rng: random.Random, features: Features, action: Action, channel: str) -> bool:
    """Whether this customer accepts this action on this channel, drawn from the stated rule."""
    return rng.random() < acceptance_probability(features, action, channel)


def acceptance_probability(features: Features, action: Action, channel: str) -> float:
    """The hidden truth: the probability that the rule of this module gives."""
    prior = min(max(action.prior, 0.001), 0.999)
    odds = math.log(prior / (1 - prior))
    odds += _by_channel(features, channel) + _by_purpose(features, action.purpose)
    odds += _by_group(features, action.group) + _taste(features, action.name)
    return 1 / (1 + math.exp(-odds))


def simulated_history(
    rng: random.Random,
    customers: Sequence[tuple[str, Features]],
    actions: Sequence[Action],
    channels: Sequence[str],
    count: int,
    at: datetime,
) -> Iterator[AcceptanceRow]:
    """Random offers to random customers and their answers: rows for a first acceptance model."""
    offers = [
        (action, channel)
        for action in actions
        for channel in channels
        if any(treatment.channel == channel for treatment in action.treatments)
    ]
    for _ in range(count):
        customer, features = rng.choice(customers)
        action, channel = rng.choice(offers)
        yield AcceptanceRow(
            features=features,
            action=action.name,
            purpose=action.purpose,
            group=action.group,
            channel=channel,
            accepted=simulate_outcome(rng, features, action, channel),
            customer=customer,
            at=at,
        )


def _by_channel(features: Features, channel: str) -> float:
    odds = _CHANNEL.get(channel, 0.0)
    return odds + (_SENIORS_CHANNEL.get(channel, 0.0) if features.get("profile.senior") else 0.0)


def _by_purpose(features: Features, purpose: str) -> float:
    complaint = _number(features, "service.complaints_open") > 0
    bill = _number(features, "billing.monthly_charges", _USUAL_BILL) - _USUAL_BILL
    tenure = _number(features, "contract.tenure_months", 24)
    monthly = features.get("contract.type") == "Month-to-month"
    match purpose:
        case "sales":
            partner = 0.3 if features.get("profile.partner") else 0.0
            return partner - 0.03 * max(bill, 0.0) - 2.0 * complaint
        case "retention":
            return 0.9 * monthly + 0.015 * bill - 0.02 * tenure - 2.0 * complaint
        case "service":
            return 0.5 * complaint
        case "nurture":
            return 0.6 * (tenure <= 6)
        case "survey":
            return 0.4 * (tenure >= 24)
        case _:
            return 0.0


def _by_group(features: Features, group: str) -> float:
    internet = features.get("services.internet")
    tenure = _number(features, "contract.tenure_months", 24)
    monthly = features.get("contract.type") == "Month-to-month"
    family = bool(features.get("profile.dependents"))
    effects: Mapping[str, Any] = {
        "internet": 0.8 if internet == "DSL" else -0.3,
        "security": 0.5 * (internet == "Fiber optic") - 0.4 * bool(features.get("profile.senior")),
        "entertainment": 0.5 * (family or internet == "Fiber optic"),
        "contract": 0.7 * (monthly and tenure >= 12),
        "phone": 0.4 * family,
        "billing": 0.6 * (_number(features, "behaviour.payments_failed_90d") > 0),
    }
    return float(effects.get(group, 0.0))


def _taste(features: Features, action: str) -> float:
    digest = hashlib.sha256(f"{action}\x00{features.get('services.internet')}".encode()).digest()
    return 0.8 * int.from_bytes(digest[:4]) / 2**32 - 0.4


def _number(features: Features, name: str, missing: float = 0.0) -> float:
    value = features.get(name)
    return float(value) if isinstance(value, int | float) else missing
