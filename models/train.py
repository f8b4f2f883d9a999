"""Trains the models of the business: churn on the loaded labels, acceptance on offers answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypedDict

import numpy as np

from engine.catalog import Bundle
from engine.errors import InvalidInput, InvalidModel, TactfulError
from engine.ledger.site import Site
from engine.types import Scalar
from models.apart import Apart, set_apart, tells
from models.archived import archived_rows
from models.artefact import Artefact
from models.dataset import (
    AcceptanceRow,
    acceptance_columns,
    churn_rows,
    encoded,
    feature_columns,
)
from models.encoding import Column, Vector
from models.fit import Fitted, Provenance, search
from models.folds import FEWEST_JUDGED, Mask
from models.folds import FEWEST_OF_A_CLASS as FEWEST_OF_EITHER
from models.frames import Examples
from models.gate import Judged, Verdict, sound, verdict
from models.history import Entry, Happened, note
from models.inputs import ACCEPTANCE, ACTION, CHANNEL, CHURN, CHURN_SCORE
from models.lift import Lift, lift
from models.metrics import Labels, Metrics
from models.registry import current_hash, load, point
from models.score import Model
from models.windows import still_true

CLASSES = ("no", "yes")
FEWEST_ROWS = 200
FEWEST_OF_A_CLASS = 10
MOST_ROUNDS = 200
"""A live model scores every candidate of every decision: more trees are not worth the time."""


class Report(TypedDict):
    """What a training did, as it is printed and kept. Metrics are on rows that were set apart."""

    name: str
    artefact: str
    promoted: bool
    because: str
    rows: int
    held_out_rows: int
    held_out: str
    metrics: Metrics
    champion: Metrics | None
    calibration: str
    trials: list[str]
    lift: Lift | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a model is to learn from, row by row. `control`: offered by chance."""

    columns: tuple[Column, ...]
    values: Sequence[Mapping[str, Scalar]]
    target: Labels
    at: Vector
    customers: Sequence[str]
    control: Mask | None
    provenance: Provenance

    def examples(self, chosen: Any = slice(None), *, timed: bool) -> Examples:
        """Encoded rows, all or some, with their times where those are to be kept apart."""
        return Examples(
            columns=self.columns,
            rows=encoded(self.columns, self.values),
            target=self.target,
            classes=CLASSES,
            at=self.at if timed else None,
        ).take(chosen)


def train(site: Site, model: str) -> Report:
    """Trains one model of the business by its name, from what the stack holds.

    A training that could not be is on record too. Raises InvalidInput when there is too little.
    """
    from engine.bundle import load_bundle

    try:
        if model == CHURN:
            return train_churn(site)
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
    offers = still_true(offers, _since(site))
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


def learn(site: Site, material: Material) -> Report:
    """Trains on the older rows, judges on those set apart, and promotes what passes the gate.

    Where rows are apart by time, what passes is trained again with the newest rows, which count
    most; what is in use then learned from all of them, and the next one is judged by what comes.
    """
    name = material.provenance.name
    champion = _in_use(site, name)
    after = champion.window[1] if champion else None
    apart = set_apart(material.at, material.customers, material.target, after)
    if champion and apart.by_time and not tells(material.target, apart.judged):
        return _too_soon(site, material, champion, apart)
    examples = material.examples(timed=apart.by_time)
    fitted = search(examples.take(~apart.judged), material.provenance, most_rounds=MOST_ROUNDS)
    judged = _judged(material, apart)
    found = verdict(site, fitted.artefact, judged)
    if found.passed and apart.by_time:
        shapes = (fitted.shape,)
        fitted = search(examples, material.provenance, most_rounds=MOST_ROUNDS, shapes=shapes)
        found = _checked_again(site, fitted.artefact, judged, found)
    return _concluded(site, material, apart, fitted, found)


def _in_use(site: Site, name: str) -> Artefact | None:
    try:
        found = current_hash(site, name)
        return None if found is None else load(site, name, found)
    except InvalidModel:
        return None  # it gives way


def _judged(material: Material, apart: Apart) -> Judged:
    return Judged(
        values=[row for row, out in zip(material.values, apart.judged, strict=True) if out],
        target=material.target[apart.judged],
        base_rate=float(material.target[~apart.judged].mean()),
    )


def _checked_again(site: Site, artefact: Artefact, judged: Judged, before: Verdict) -> Verdict:
    try:
        sound(site, artefact, judged)
    except InvalidModel as error:
        return replace(before, passed=False, refused=True, because=str(error))
    return before


def _too_soon(site: Site, material: Material, champion: Artefact, apart: Apart) -> Report:
    rows = int(apart.judged.sum())
    because = (
        f"only {rows} answers are newer than what the current one learned from: {FEWEST_JUDGED} "
        f"are needed to compare, {FEWEST_OF_EITHER} of either kind"
    )
    report = Report(
        name=champion.name,
        artefact=champion.hash(),
        promoted=False,
        because=because,
        rows=len(material.values),
        held_out_rows=rows,
        held_out=apart.words,
        metrics={**champion.metrics},
        champion=None,
        calibration=champion.calibration.method.value,
        trials=[],
        lift=lift(material.target, material.control),
    )
    return _noted(site, report, Happened.KEPT)


def _concluded(
    site: Site, material: Material, apart: Apart, fitted: Fitted, found: Verdict
) -> Report:
    artefact = fitted.artefact
    report = Report(
        name=artefact.name,
        artefact=_name_of(artefact),
        promoted=found.passed,
        because=found.because,
        rows=artefact.rows,
        held_out_rows=int(apart.judged.sum()),
        held_out=apart.words,
        metrics=found.metrics or {**artefact.metrics},
        champion=found.champion,
        calibration=artefact.calibration.method.value,
        trials=list(fitted.trials),
        lift=lift(material.target, material.control),
    )
    if found.passed:
        return _noted(site, report, Happened.PROMOTED)
    return _noted(site, report, Happened.REFUSED if found.refused else Happened.KEPT)


def _name_of(artefact: Artefact) -> str:
    try:
        return artefact.hash()
    except ValueError:  # it has numbers that are none: nothing of it was kept
        return ""


def _noted(site: Site, report: Report, what: Happened) -> Report:
    name = report["name"]
    try:
        before = current_hash(site, name)
    except InvalidModel:
        before = None
    if what is Happened.PROMOTED:
        point(site, name, report["artefact"])
    entry = Entry(
        at=site.clock.now(),
        what=what,
        artefact=report["artefact"],
        because=report["because"],
        before=before,
        report={**report},
    )
    note(site, name, entry)
    return report


def _with_churn(site: Site, rows: Sequence[Mapping[str, Scalar]]) -> list[Mapping[str, Scalar]]:
    found = current_hash(site, CHURN)
    if found is None or all(CHURN_SCORE in row for row in rows):
        return list(rows)
    model = Model(load(site, CHURN, found), found)
    return [row if CHURN_SCORE in row else {**row, CHURN_SCORE: model.one(row)} for row in rows]


def _since(site: Site) -> datetime | None:
    """Where the answers begin that the model in use learned from."""
    try:
        found = current_hash(site, ACCEPTANCE)
        return load(site, ACCEPTANCE, found).window[0] if found else None
    except InvalidModel:
        return None


def _known(columns: Sequence[Column], name: str) -> tuple[str, ...]:
    return next(column.categories for column in columns if column.name == name)
