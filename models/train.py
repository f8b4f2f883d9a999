"""Trains the models of the business: churn on the loaded labels, acceptance on offers answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import numpy as np

from engine.catalog import Bundle
from engine.errors import InvalidInput
from engine.ledger.site import Site
from engine.types import Scalar
from models.archived import archived_rows
from models.artefact import Artefact
from models.dataset import (
    AcceptanceRow,
    acceptance_columns,
    churn_rows,
    encoded,
    feature_columns,
    held_out,
)
from models.encoding import Column
from models.fit import Provenance, fit, judge, probabilities
from models.forest import Forest
from models.frames import Examples
from models.inputs import ACCEPTANCE, ACTION, CHANNEL, CHURN, CHURN_SCORE
from models.metrics import Labels, Metrics
from models.registry import current_hash, load, promote
from models.score import Model

CLASSES = ("no", "yes")
FEWEST_ROWS = 200
FEWEST_OF_A_CLASS = 10
MOST_ROUNDS = 200
"""A live model scores every candidate of every decision: more trees are not worth the time."""


class Report(TypedDict):
    """What a training did, as it is printed. Metrics are on customers that were held out."""

    name: str
    artefact: str
    promoted: bool
    because: str
    rows: int
    held_out_rows: int
    metrics: Metrics


def train_churn(site: Site) -> Report:
    """Trains `churn` on all customers whose churn is known. Raises InvalidInput without labels."""
    data = churn_rows(site)
    apart = held_out(data.customers)
    columns = feature_columns(data.rows)
    _check(data.churned, "customers with a known churn")
    provenance = _provenance(site, CHURN, data.window, {})
    return _train(site, columns, data.rows, data.churned, apart, provenance)


def train_acceptance(
    site: Site, bundle: Bundle | None = None, rows: Iterable[AcceptanceRow] | None = None
) -> Report:
    """Trains `acceptance` on answered offers: those given, or else those of archive and journal.

    Rows without a churn score get that of the current churn model. With a bundle, offers of
    actions that it no longer has are left out. Raises InvalidInput when too few are answered.
    """
    offers = [*(archived_rows(site) if rows is None else rows)]
    if bundle is not None:
        offers = [row for row in offers if row.action in bundle.actions]
    accepted = np.array([row.accepted for row in offers], dtype=np.int64)
    _check(accepted, "answered offers")
    values = _with_churn(site, [row.values() for row in offers])
    columns = acceptance_columns(offers)
    times = [row.at for row in offers]
    names = [row.customer or str(place) for place, row in enumerate(offers)]
    vocabulary = {"actions": _known(columns, ACTION), "channels": _known(columns, CHANNEL)}
    provenance = _provenance(site, ACCEPTANCE, (min(times), max(times)), vocabulary)
    return _train(site, columns, values, accepted, held_out(names), provenance)


def _check(target: Labels, what: str) -> None:
    rows, positives = len(target), int(target.sum())
    if rows < FEWEST_ROWS or min(positives, rows - positives) < FEWEST_OF_A_CLASS:
        raise InvalidInput(
            f"{rows} {what}, {positives} of them yes: at least {FEWEST_ROWS} are needed, "
            f"and {FEWEST_OF_A_CLASS} of either answer"
        )


def _provenance(
    site: Site,
    name: str,
    window: tuple[datetime, datetime],
    vocabulary: Mapping[str, tuple[str, ...]],
) -> Provenance:
    return Provenance(
        name=name,
        target=name,
        trained_at=site.clock.now(),
        window=window,
        vocabulary=vocabulary,
    )


def _train(
    site: Site,
    columns: Sequence[Column],
    values: Sequence[Mapping[str, Scalar]],
    target: Labels,
    apart: Any,
    provenance: Provenance,
) -> Report:
    rows = encoded(columns, values)
    whole = Examples(columns=tuple(columns), rows=rows, target=target, classes=CLASSES)
    artefact = fit(whole.take(~apart), provenance, most_rounds=MOST_ROUNDS)
    judged = [row for row, out in zip(values, apart, strict=True) if out]
    measure = _measure(judged, target[apart])
    metrics = measure(artefact)
    promoted, because = promote(site, artefact, lambda each: measure(each)["log_loss"] or 0.0)
    return Report(
        name=provenance.name,
        artefact=artefact.hash(),
        promoted=promoted,
        because=because,
        rows=artefact.rows,
        held_out_rows=len(judged),
        metrics=metrics,
    )


def _measure(
    values: Sequence[Mapping[str, Scalar]], target: Labels
) -> Callable[[Artefact], Metrics]:
    """Judges any artefact on the same rows, each through its own columns."""

    def measure(artefact: Artefact) -> Metrics:
        rows = encoded(artefact.columns, values)
        raw = Forest(artefact.model, len(artefact.columns)).raw(rows)
        examples = Examples(
            columns=artefact.columns, rows=rows, target=target, classes=artefact.classes
        )
        return judge(examples, probabilities(artefact.calibration, raw))

    return measure


def _with_churn(site: Site, rows: Sequence[Mapping[str, Scalar]]) -> list[Mapping[str, Scalar]]:
    found = current_hash(site, CHURN)
    if found is None or all(CHURN_SCORE in row for row in rows):
        return list(rows)
    model = Model(load(site, CHURN, found), found)
    return [row if CHURN_SCORE in row else {**row, CHURN_SCORE: model.one(row)} for row in rows]


def _known(columns: Sequence[Column], name: str) -> tuple[str, ...]:
    return next(column.categories for column in columns if column.name == name)
