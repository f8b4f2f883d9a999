"""The demo's past: real decisions on the running stack, answered by the response simulator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from engine.bundle import load_bundle
from engine.catalog import Bundle
from engine.errors import TactfulError
from engine.ledger.references import reference
from engine.ledger.site import Site
from engine.types import Scalar
from feature_store.offline import latest_rows
from models.simulate import simulate_outcome

CHANNELS = ("web", "web", "call", "email", "whatsapp")
OFFERS = 5
CALLERS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How many offers were answered, and how many of them accepted."""

    decisions: int
    offers: int
    accepted: int


async def answer(site: Site, api: str, customers: Sequence[str], seed: int) -> Answered:
    """Asks for decisions for these customers and answers each offer as the simulator says.

    Raises TactfulError when a call fails.
    """
    known = features_of(site)
    bundle = load_bundle(site.bundle)
    waiting = list(enumerate(customers))
    done: list[Answered] = []
    async with httpx.AsyncClient(base_url=api, timeout=30.0, trust_env=False) as http:

        async def caller() -> None:
            while waiting:
                number, customer = waiting.pop()
                rng = random.Random(f"{seed}:{customer}")
                features = known.get(reference(site.key, customer), {})
                done.append(await _answer_one(http, bundle, customer, features, rng, number))

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return Answered(
        decisions=len(done),
        offers=sum(one.offers for one in done),
        accepted=sum(one.accepted for one in done),
    )


def features_of(site: Site) -> dict[str, dict[str, Scalar]]:
    """The loaded features of every customer, by reference, as `view.feature`."""
    found: dict[str, dict[str, Scalar]] = {}
    for rows in latest_rows(site):
        for row in rows:
            values = found.setdefault(row.customer, {})
            values.update((f"{row.view}.{name}", value) for name, value in row.values.items())
    return found


async def _answer_one(
    http: httpx.AsyncClient,
    bundle: Bundle,
    customer: str,
    features: Mapping[str, Scalar],
    rng: random.Random,
    number: int,
) -> Answered:
    channel = CHANNELS[number % len(CHANNELS)]
    body = {
        "customer": customer,
        "channel": channel,
        "placements": [{"name": "main", "limit": OFFERS}],
        "deadline_ms": 2000,
    }
    decision = await _post(http, "/v1/decisions", body)
    offers = [offer for placed in decision["placements"].values() for offer in placed]
    accepted = 0
    for offer in offers:
        yes = simulate_outcome(rng, features, bundle.actions[offer["action"]], channel)
        accepted += yes
        outcome = {
            "treatment": offer["treatment"],
            "outcome": "accept" if yes else "reject",
            "id": "simulated",
        }
        await _post(http, f"/v1/decisions/{decision['decision_id']}/outcomes", outcome)
    return Answered(decisions=1, offers=len(offers), accepted=accepted)


async def _post(http: httpx.AsyncClient, path: str, body: Mapping[str, object]) -> Any:
    reply = await http.post(path, json=body)
    if reply.is_error:
        raise TactfulError(f"{path} answered {reply.status_code}: {reply.text}")
    return reply.json()
