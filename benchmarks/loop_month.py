"""A month of visits: the engine decides, customers answer, each night the models are trained.

The engine, its record, the counts of answers, the training with its gate and the scorer that picks
up what was promoted are the product's own. The records stay in memory; the clock is virtual.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import redis.asyncio as redis

from benchmarks.loop_world import CHANNEL, Features, a_bundle, liking, people
from engine.ask import Ask, request_of
from engine.decide import decide
from engine.errors import InvalidInput
from engine.ledger.clock import Clock
from engine.ledger.evidence import EvidenceCounts
from engine.ledger.site import Site
from engine.record import record
from engine.types import Request, Snapshot
from models.dataset import acceptance_rows
from models.score import ModelScorer
from models.train import train_acceptance

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
CUSTOMERS = 2_000
REFUSES = 0.97
"""The share of those who don't accept that say so; the others count as a no a week later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, how many visits a day, and on which day customers change their minds."""

    days: int
    visits: int
    reversed_on: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What was accepted, what the hidden truth expected of the offers made, the night after."""

    accepted: float
    expected: float
    night: str


class Month:
    """One month from one seed, in a folder of its own."""

    def __init__(self, folder: Path, plan: Plan, seed: int) -> None:
        self._plan, self._dice = plan, random.Random(seed)
        self._bundle = a_bundle(folder / "bundle")
        self._site = Site(data_dir=folder, key=b"k" * 32, clock=Clock(), bundle=folder / "bundle")
        self._counted: Counter[str] = Counter()
        self._evidence = EvidenceCounts(redis.Redis())  # told what is counted, and never asked
        self._evidence.wanted = True
        self._scorer = ModelScorer(self._site, self._evidence)
        self._records: list[Mapping[str, Any]] = []
        self._outcomes: list[Mapping[str, Any]] = []

    def lived(self) -> Iterator[Day]:
        """Every day with its night."""
        for number in range(self._plan.days):
            changed = number >= self._plan.reversed_on
            visits = [self._visit(number, each, changed) for each in range(self._plan.visits)]
            yield Day(
                accepted=sum(accepted for accepted, _ in visits) / len(visits),
                expected=sum(expected for _, expected in visits) / len(visits),
                night=self._train(BEGIN + (number + 1) * DAY),
            )

    def _visit(self, day: int, number: int, changed: bool) -> tuple[bool, float]:
        """A customer comes, sees an offer and answers; whether they accept, how likely that was."""
        customer, features = self._dice.choice(people(CUSTOMERS))
        now = BEGIN + DAY * (day + number / self._plan.visits)
        action, told = self._offered(customer, features, now)
        expected = liking(features, action, reversed_=changed)
        accepted = self._dice.random() < expected
        self._answer(told, f"{action}|{CHANNEL}", accepted)
        return accepted, expected

    def _offered(self, customer: str, features: Features, now: datetime) -> tuple[str, Any]:
        asked = request_of(Ask(customer=customer, channel=CHANNEL), now)
        request: Request = replace(asked, seed=self._dice.getrandbits(53))
        views = {name.partition(".")[0]: now for name in features}
        snapshot = Snapshot(
            customer=customer, reconciled=True, features=features, feature_times=views
        )
        decision = decide(request, snapshot, self._bundle, self._scorer)
        self._records.append(orjson.loads(record(request, snapshot, decision)))
        (offer,) = decision.offers
        about = {"decision_id": decision.decision_id, "treatment": offer.treatment, "at": now}
        return offer.action, about

    def _answer(self, about: Mapping[str, Any], counted: str, accepted: bool) -> None:
        told = ["impression"]
        if accepted or self._dice.random() < REFUSES:
            told.append("accept" if accepted else "reject")
        self._outcomes += [{**about, "outcome": each} for each in told]
        self._counted[f"{counted}|seen"] += 1
        self._counted[f"{counted}|yes"] += accepted
        self._evidence.take(self._counted)

    def _train(self, now: datetime) -> str:
        """The nightly training, on what is known by then; what became of it."""
        site = replace(self._site, clock=Clock(anchor=now.timestamp(), lapse=1e-15))
        try:
            report = train_acceptance(
                site, self._bundle, acceptance_rows(self._records, self._outcomes, now=now)
            )
        except InvalidInput as error:
            return str(error)
        self._scorer.refresh()
        return report["because"]
