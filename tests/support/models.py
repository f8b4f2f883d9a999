"""Small models for tests: made-up customers, answers by the simulator, a second of training."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

import numpy as np

from engine.catalog import Action, Treatment
from engine.rules import compile_expression
from engine.types import Scalar
from feature_store.generate import customers
from feature_store.mapping import read_mapping
from models.artefact import Artefact
from models.dataset import AcceptanceRow, acceptance_columns, encoded, feature_columns
from models.fit import Provenance, fit
from models.frames import Examples
from models.inputs import ACCEPTANCE, CHURN, CHURN_SCORE
from models.metrics import Labels
from models.simulate import simulated_history

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANNELS = ("web", "email", "call")


def an_action(
    name: str = "upgrade-fiber", purpose: str = "sales", group: str = "internet", prior: float = 0.2
) -> Action:
    """An action with a treatment on each of the test channels."""
    return Action(
        name=name,
        title=name,
        purpose=purpose,
        group=group,
        tags=("commercial",),
        value=compile_expression("1"),
        prior=prior,
        treatments=tuple(
            Treatment(id=f"{name}.{channel}", channel=channel, content={}) for channel in CHANNELS
        ),
    )


ACTIONS = (
    an_action(),
    an_action("streaming-tv", group="entertainment"),
    an_action("loyalty-discount", "retention", "loyalty"),
    an_action("wifi-tips", "nurture", "learning"),
)


@cache
def made_up(count: int) -> tuple[tuple[str, Mapping[str, Scalar], bool], ...]:
    """Customers by name with their features and whether they churned."""
    sources = read_mapping().sources
    return tuple(
        (
            row["customerID"],
            {source.feature: source.read(row) for source in sources},
            row["Churn"] == "Yes",
        )
        for row in customers(count)
    )


def churn_examples(count: int = 600) -> Examples:
    """Made-up customers as examples of churn."""
    found = made_up(count)
    rows = [features for _, features, _ in found]
    columns = feature_columns(rows)
    return Examples(
        columns=columns,
        rows=encoded(columns, rows),
        target=encoded_labels([churned for _, _, churned in found]),
        classes=("no", "yes"),
    )


def encoded_labels(labels: list[bool]) -> Labels:
    """Labels as the places of their classes."""
    return np.array(labels, dtype=np.int64)


@cache
def offers(count: int = 1500) -> tuple[AcceptanceRow, ...]:
    """Simulated offers to made-up customers, with a churn score of 0.2 for everyone."""
    people = [(name, {**features, CHURN_SCORE: 0.2}) for name, features, _ in made_up(600)]
    history = simulated_history(random.Random(1), people, ACTIONS, CHANNELS, count, AT)
    return tuple(history)


@cache
def a_churn_model(most_rounds: int = 30) -> Artefact:
    """A small churn model."""
    return fit(churn_examples(), _provenance(CHURN), most_rounds=most_rounds)


@cache
def an_acceptance_model(most_rounds: int = 30) -> Artefact:
    """A small acceptance model of `ACTIONS` on `CHANNELS`."""
    rows = offers()
    columns = acceptance_columns(rows)
    examples = Examples(
        columns=columns,
        rows=encoded(columns, [row.values() for row in rows]),
        target=encoded_labels([row.accepted for row in rows]),
        classes=("no", "yes"),
    )
    return fit(examples, _provenance(ACCEPTANCE), most_rounds=most_rounds)


def _provenance(name: str) -> Provenance:
    return Provenance(name=name, target=name, trained_at=AT, window=(AT, AT), vocabulary={})
