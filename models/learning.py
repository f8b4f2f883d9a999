"""What every training does: set rows apart, search, judge, pass the gate, say what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from engine.errors import InvalidModel
from engine.ledger.site import Site
from engine.types import Scalar
from models.apart import Apart, set_apart, tells
from models.artefact import Artefact
from models.dataset import encoded
from models.encoding import Column, Vector
from models.fit import Fitted, Provenance, search
from models.folds import FEWEST_JUDGED, FEWEST_OF_A_CLASS, Mask
from models.frames import Examples
from models.gate import Judged, Verdict, sound, verdict
from models.history import Entry, Happened, note
from models.lift import Lift, lift
from models.metrics import Labels, Metrics
from models.registry import current_hash, load, point

CLASSES = ("no", "yes")
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
        f"are needed to compare, {FEWEST_OF_A_CLASS} of either kind"
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
