"""Trains the models of the business: churn on the loaded labels, acceptance on offers answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from engine.catalog import Bundle
from engine.errors import InvalidInput, TactfulError
from engine.ledger.site import Site
from engine.types import Scalar
from models.archived import archived_rows
from models.dataset import AcceptanceRow, acceptance_columns, churn_rows, feature_columns
from models.encoding import Column
from models.fit import Provenance
from models.history import Entry, Happened, note
from models.inputs import ACCEPTANCE, ACTION, CHANNEL, CHURN, CHURN_SCORE
from models.learning import Material, Report, learn
from models.metrics import Labels
from models.registry import current_hash, load
from models.score import Model
from models.watch import look
from models.windows import learned_since, still_true

FEWEST_ROWS = 200
FEWEST_OF_A_CLASS = 10


def train(site: Site, model: str) -> Report:
    """Trains one model of the business by its name, from what the stack holds.

    A training that could not be is on record too. Raises InvalidInput when there is too little.
    """
    from engine.bundle import load_bundle

    try:
        if model == CHURN:
            return train_churn(site)
        look(site)
        return train_acceptance(site, load_bundle(site.bundle))
    except TactfulError as error:
        failed = Entry(at=site.clock.now(), what=Happened.FAILED, artefact="", because=str(error))
        note(site, model, failed)
        raise


def train_churn(site: Site) -> Report:
    """Trains `churn` on all customers whose churn is known. Raises InvalidInput without labels."""
    data = churn_rows(site)
    _check(data.churned, "customers with a known churn")
    material = Material(
        columns=feature_columns(data.rows),
        values=data.rows,
        target=data.churned,
        at=np.array([at.timestamp() for at in data.times]),
        customers=data.customers,
        control=None,
        provenance=_provenance(site, CHURN, data.window, {}),
    )
    return learn(site, material)


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
    offers = still_true(offers, learned_since(site))
    accepted = np.array([row.accepted for row in offers], dtype=np.int64)
    _check(accepted, "answered offers")
    columns = acceptance_columns(offers)
    times = [row.at for row in offers]
    vocabulary = {"actions": _known(columns, ACTION), "channels": _known(columns, CHANNEL)}
    material = Material(
        columns=columns,
        values=_with_churn(site, [row.values() for row in offers]),
        target=accepted,
        at=np.array([at.timestamp() for at in times]),
        customers=[row.customer or str(place) for place, row in enumerate(offers)],
        control=np.array([row.control for row in offers]),
        provenance=_provenance(site, ACCEPTANCE, (min(times), max(times)), vocabulary),
    )
    return learn(site, material)


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


def _with_churn(site: Site, rows: Sequence[Mapping[str, Scalar]]) -> list[Mapping[str, Scalar]]:
    found = current_hash(site, CHURN)
    if found is None or all(CHURN_SCORE in row for row in rows):
        return list(rows)
    model = Model(load(site, CHURN, found), found)
    return [row if CHURN_SCORE in row else {**row, CHURN_SCORE: model.one(row)} for row in rows]


def _known(columns: Sequence[Column], name: str) -> tuple[str, ...]:
    return next(column.categories for column in columns if column.name == name)
