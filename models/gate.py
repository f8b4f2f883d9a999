"""The gate: what a trained model must show on rows that no model learned from, and the way back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import InvalidInput, InvalidModel
from engine.ledger.site import Site
from engine.types import Scalar
from feature_store.schema import FEATURES, Kind
from models.artefact import Artefact
from models.dataset import encoded
from models.encoding import Column, ColumnKind, Matrix, Vector
from models.fit import judge, probabilities
from models.forest import Forest
from models.frames import Examples
from models.history import Entry, Happened, history, note, withdrawn
from models.inputs import CHURN_SCORE, PAIR
from models.metrics import Labels, Metrics
from models.model import Model
from models.registry import TOLERANCE, current_hash, full_hash, load, place, point, register

ERRORS = 2.0
"""So many standard errors are no chance."""
MOST_UNKNOWN = 0.25
"""The share of rows with a value that a column does not know from which its categories are wrong.
What is offered may be new; what customers are is not new in every fourth row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Rows that neither the new model nor the one in use learned from; places of their classes.

    `base_rate` is the share of positives in what was learned from.
    """

    values: Sequence[Mapping[str, Scalar]]
    target: Labels
    base_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`refused`: the model itself is not fit for use; else it is `passed` or just not better."""

    passed: bool
    because: str
    refused: bool = False
    metrics: Metrics | None = None
    champion: Metrics | None = None


def verdict(site: Site, artefact: Artefact, judged: Judged) -> Verdict:
    """Whether an artefact may take over: it must be sound, and not worse than the one in use."""
    try:
        metrics = sound(site, artefact, judged)
    except InvalidModel as error:
        return Verdict(passed=False, refused=True, because=str(error))
    return _against_champion(site, artefact, judged, metrics)


def sound(site: Site, artefact: Artefact, judged: Judged) -> Metrics:
    """Registers an artefact, loads and checks it as for decisions; how good it is.

    Raises InvalidModel with the reason why it must not be used.
    """
    found = _through_the_real_load_path(site, artefact)
    _check_features(found)
    _check_categories(found, judged)
    _check_withdrawn(site, found)
    rows = encoded(found.columns, judged.values)
    _check_base_rate(chances(found, rows)[:, -1], judged)
    return measured(found, judged)


def _through_the_real_load_path(site: Site, artefact: Artefact) -> Artefact:
    try:
        name = register(site, artefact)
    except ValueError as error:  # JSON takes no NaN
        reason = f"model {artefact.name}: it has numbers that are none ({error})"
        raise InvalidModel(reason) from error
    found = load(site, artefact.name, name)
    Model(found, name, place(site, artefact.name, name))
    return found


def _check_features(artefact: Artefact) -> None:
    for column in artefact.columns:
        if column.name in PAIR:
            wanted = ColumnKind.CATEGORY
        elif column.name == CHURN_SCORE:
            wanted = ColumnKind.NUMBER
        elif column.name in FEATURES:
            text = FEATURES[column.name] is Kind.STRING
            wanted = ColumnKind.CATEGORY if text else ColumnKind.NUMBER
        else:
            raise InvalidModel(f"model {artefact.name}: nobody knows the feature {column.name}")
        if column.kind is not wanted:
            raise InvalidModel(
                f"model {artefact.name}: {column.name} is a {wanted}, not a {column.kind}: "
                "were features swapped in training?"
            )


def _check_categories(artefact: Artefact, judged: Judged) -> None:
    for column in artefact.columns:
        if column.kind is ColumnKind.CATEGORY and column.name not in PAIR:
            _check_known(artefact, column, [row.get(column.name) for row in judged.values])


def _check_known(artefact: Artefact, column: Column, values: Sequence[Scalar]) -> None:
    told = [value for value in values if value is not None]
    strange = [value for value in told if column.encode(value) != column.encode(value)]
    if len(strange) > MOST_UNKNOWN * len(told):
        raise InvalidModel(
            f"model {artefact.name}: {column.name} has an unknown category in {len(strange)} of "
            f"{len(told)} rows, such as {strange[0]!r}; it knows {', '.join(column.categories)}"
        )


def chances(artefact: Artefact, rows: Matrix) -> Matrix:
    """The probabilities for encoded rows. Raises InvalidModel where one is no number."""
    raw = Forest(artefact.model, len(artefact.columns)).raw(rows)
    found = probabilities(artefact.calibration, raw)
    wrong = int((~np.isfinite(found).all(axis=1)).sum())
    if wrong:
        raise InvalidModel(
            f"model {artefact.name}: {wrong} of {len(rows)} scores are no numbers (NaN)"
        )
    return found


def measured(artefact: Artefact, judged: Judged) -> Metrics:
    """How good it is on the judged rows, through its own columns."""
    rows = encoded(artefact.columns, judged.values)
    examples = Examples(
        columns=artefact.columns, rows=rows, target=judged.target, classes=artefact.classes
    )
    return judge(examples, chances(artefact, rows))


def _loss(metrics: Metrics) -> float:
    return metrics["log_loss"] or 0.0


def _check_base_rate(found: Vector, judged: Judged) -> None:
    """Refuses what is worse than to say the base rate of everyone, beyond what may be by chance."""
    nothing = np.full(len(found), judged.base_rate)
    more = _losses(judged.target, found) - _losses(judged.target, nothing)
    if float(more.mean()) > max(TOLERANCE, ERRORS * float(more.std()) / math.sqrt(len(more))):
        raise InvalidModel(
            f"log loss {_losses(judged.target, found).mean():.4f}: to say {judged.base_rate:.1%} "
            f"of everyone would be better ({_losses(judged.target, nothing).mean():.4f}); were "
            "features or answers mixed up?"
        )


def _losses(target: Labels, chance: Vector) -> Vector:
    return -np.log(np.clip(np.where(target == 1, chance, 1 - chance), 1e-12, 1.0))


def _check_withdrawn(site: Site, artefact: Artefact) -> None:
    back = withdrawn(site, artefact.name).get(artefact.hash())
    if back is not None:
        raise InvalidModel(
            f"the same model was gone back from on {back.at:%Y-%m-%d %H:%M}: {back.because}"
        )


def _against_champion(site: Site, artefact: Artefact, judged: Judged, metrics: Metrics) -> Verdict:
    try:
        before = current_hash(site, artefact.name)
        if before is None:
            return Verdict(passed=True, because="the first one", metrics=metrics)
        champion = measured(load(site, artefact.name, before), judged)
    except InvalidModel as error:
        because = f"the current one is unusable ({error})"
        return Verdict(passed=True, because=because, metrics=metrics)
    new, kept = _loss(metrics), _loss(champion)
    passed = new <= kept + TOLERANCE
    words = "not worse than" if passed else "worse than"
    return Verdict(
        passed=passed,
        because=f"log loss {new:.4f}, {words} {kept:.4f} of the current one on the same rows",
        metrics=metrics,
        champion=champion,
    )


def go_back(site: Site, name: str, to: str | None = None, because: str = "by hand") -> Entry:
    """Puts an earlier artefact in use again, the one before the current one unless told which.

    A training that gives the one gone back from again does not promote it. Raises InvalidInput
    when there is none, InvalidModel when it can't be used.
    """
    before = current_hash(site, name)
    found = full_hash(site, name, to) if to else _one_before(site, name, before)
    if found is None:
        raise InvalidInput(f"there is no earlier {name} model to go back to")
    if found == before:
        raise InvalidInput(f"{found} is in use already")
    Model(load(site, name, found), found, place(site, name, found))
    point(site, name, found)
    entry = Entry(
        at=site.clock.now(), what=Happened.BACK, artefact=found, because=because, before=before
    )
    note(site, name, entry)
    return entry


def _one_before(site: Site, name: str, current: str | None) -> str | None:
    """What was promoted before and was not itself gone back from."""
    gone = withdrawn(site, name)
    used = [each.artefact for each in history(site, name) if each.what is Happened.PROMOTED]
    for artefact in reversed(used[: used.index(current)] if current in used else used):
        if artefact != current and artefact not in gone:
            return artefact
    return None
