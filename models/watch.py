"""How the acceptance model in use does: drift, calibration over time, a challenger in its shadow.

All of it is read off the log after the fact: a record keeps features and raw scores, so no decision
takes any longer for it. A challenger scores what was recorded of the same offers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import orjson

from engine.errors import InvalidInput, InvalidModel
from engine.ledger.archive import records
from engine.ledger.site import Site
from engine.types import Scalar
from models.archived import journalled
from models.artefact import Artefact
from models.dataset import AcceptanceRow, acceptance_rows, encoded
from models.drift import drift
from models.encoding import Vector
from models.fit import probabilities
from models.forest import Forest
from models.inputs import ACCEPTANCE, CHURN_SCORE, PAIR
from models.intervals import mean_interval
from models.metrics import binary, calibration_error
from models.registry import current_hash, folder, load
from models.watched import keep

FEWEST = 50
"""Of fewer answers nothing is said."""
PERIODS = 12
BINS = 10
DAYS = 90
"""How far back to look."""
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """An answered offer, and what the model of then had said of it."""

    row: AcceptanceRow
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the log says: what was known of each customer who was decided for, and the answers."""

    decided: Sequence[tuple[datetime, Mapping[str, Scalar]]]
    offered: Sequence[Offered]


def watched(site: Site, days: int) -> dict[str, Any]:
    """Everything, from the decisions of so many days; kept beside the model for metrics as well.

    Raises InvalidInput while there is no acceptance model, InvalidModel where it can't be read.
    """
    name = current_hash(site, ACCEPTANCE)
    if name is None:
        raise InvalidInput("there is no acceptance model to watch: train one first")
    found = told(site, load(site, ACCEPTANCE, name), name, seen(site, days))
    keep(site, found)
    return found


def look(site: Site) -> None:
    """Watches the model in use, if there is one, for metrics: best before the next one is trained,
    when most answers are new to it.
    """
    with suppress(InvalidInput, InvalidModel):
        watched(site, DAYS)


def seen(site: Site, days: int) -> Seen:
    """What the archive and the journal say of the last days."""
    now = site.clock.now()
    kept = [orjson.loads(each) for each in records(site.archive, days, now.date())]
    scores: dict[tuple[str, str, str], float | None] = {}
    decided: list[tuple[datetime, Mapping[str, Scalar]]] = []
    for each in kept:
        said, asked = each["decision"]["scores"], each["request"]
        at = datetime.fromisoformat(asked["now"])
        churn = said["customer"].get("churn")
        decided.append((at, {**each["snapshot"]["features"], CHURN_SCORE: churn}))
        for action, score in zip(said["scored"], said["acceptance"], strict=False):
            scores[asked["customer"], at.isoformat(), action] = score
    rows = acceptance_rows(kept, journalled(site), now=now)
    offered = [
        Offered(row=row, score=scores.get((row.customer, row.at.isoformat(), row.action)))
        for row in rows
    ]
    return Seen(decided=decided, offered=sorted(offered, key=lambda one: one.row.at))


def told(site: Site, champion: Artefact, name: str, log: Seen) -> dict[str, Any]:
    """How the model does by what was seen."""
    learned_until = champion.window[1]
    since = [one for one in log.offered if one.row.at > learned_until]
    return {
        "at": site.clock.now().isoformat(),
        "model": name,
        "trained_at": champion.trained_at.isoformat(),
        "learned_until": learned_until.isoformat(),
        "decisions": len(log.decided),
        "answers": len(log.offered),
        "answers_since": len(since),
        "features": _features(champion, log, learned_until),
        "score": _score(champion, log, learned_until),
        "calibration": _calibration(champion, since),
        "periods": _periods(log.offered),
        "challenger": _challenger(site, champion, name, log),
    }


# -- drift


def _features(champion: Artefact, log: Seen, until: datetime) -> dict[str, Any]:
    """Of each input that tells of the customer: how far it has moved since the model learned."""
    before = [values for at, values in log.decided if at <= until]
    now = [values for at, values in log.decided if at > until]
    if min(len(before), len(now)) < FEWEST:
        return {}
    names = [column.name for column in champion.columns if column.name not in PAIR]
    found = {
        name: drift([each.get(name) for each in before], [each.get(name) for each in now])
        for name in names
    }
    return {name: {**asdict(one), "moved": one.moved} for name, one in found.items() if one}


def _score(champion: Artefact, log: Seen, until: datetime) -> dict[str, Any] | None:
    """How far the model's own scores of offers have moved since it learned."""
    before = [one.row for one in log.offered if one.row.at <= until]
    now = [one.row for one in log.offered if one.row.at > until]
    if min(len(before), len(now)) < FEWEST:
        return None
    found = drift(*(_scored(champion, rows).tolist() for rows in (before, now)))
    return {**asdict(found), "moved": found.moved} if found else None


def _scored(model: Artefact, rows: Sequence[AcceptanceRow]) -> Vector:
    inputs = encoded(model.columns, [row.values() for row in rows])
    raw = Forest(model.model, len(model.columns)).raw(inputs)
    return probabilities(model.calibration, raw)[:, 1]


# -- calibration


def _answers(offered: Sequence[Offered]) -> tuple[Vector, Vector]:
    known = [one for one in offered if one.score is not None]
    accepted = np.array([one.row.accepted for one in known], dtype=np.float64)
    return accepted, np.array([one.score for one in known], dtype=np.float64)


def _calibration(champion: Artefact, since: Sequence[Offered]) -> dict[str, Any] | None:
    """What the model in use says of answers that it has not learned from, beside what came."""
    if len(since) < FEWEST:
        return None
    accepted = np.array([one.row.accepted for one in since], dtype=np.float64)
    score = _scored(champion, [one.row for one in since])
    place = np.minimum((score * BINS).astype(np.int64), BINS - 1)
    bins = [
        {
            "said": float(score[place == each].mean()),
            "came": float(accepted[place == each].mean()),
            "answers": int((place == each).sum()),
        }
        for each in np.unique(place).tolist()
    ]
    return {**binary(accepted, score), "answers": len(since), "bins": bins}


def _periods(offered: Sequence[Offered]) -> list[dict[str, Any]]:
    """Calibration over time, as the models of then scored."""
    if not offered:
        return []
    first, last = offered[0].row.at, offered[-1].row.at
    length = max((last - first) / PERIODS, timedelta(hours=1))
    found: list[dict[str, Any]] = []
    for number in range(PERIODS):
        since = first + number * length
        until = since + length if number < PERIODS - 1 else last + timedelta(seconds=1)
        accepted, score = _answers([one for one in offered if since <= one.row.at < until])
        if len(accepted) >= FEWEST:
            numbers = {
                "answers": len(accepted),
                "said": float(score.mean()),
                "came": float(accepted.mean()),
                "calibration_error": calibration_error(accepted, score),
            }
            found.append({"since": since.isoformat(), **numbers})
    return found


# -- the challenger


def _challenger(site: Site, champion: Artefact, name: str, log: Seen) -> dict[str, Any] | None:
    """The newest model that is not in use, on answers that neither learned from."""
    rival = _newest_but(site, name)
    if rival is None:
        return None
    rival_name, artefact = rival
    until = max(champion.window[1], artefact.window[1])
    rows = [one.row for one in log.offered if one.row.at > until]
    told = {"model": rival_name, "trained_at": artefact.trained_at.isoformat()}
    if len(rows) < FEWEST:
        return {**told, "answers": len(rows)}
    accepted = np.array([row.accepted for row in rows], dtype=np.float64)
    ours, theirs = _scored(champion, rows), _scored(artefact, rows)
    _, customer = np.unique([row.customer for row in rows], return_inverse=True)
    gain = mean_interval(_losses(accepted, ours) - _losses(accepted, theirs), customer)
    return {
        **told,
        "answers": len(rows),
        "in_use": binary(accepted, ours),
        "challenger": binary(accepted, theirs),
        "gain": {"value": gain.value, "low": gain.low, "high": gain.high},
    }


def _newest_but(site: Site, name: str) -> tuple[str, Artefact] | None:
    found: list[tuple[datetime, str, Artefact]] = []
    for place in folder(site, ACCEPTANCE).iterdir():
        each = f"sha256:{place.name}"
        if each == name or not place.is_dir():
            continue
        try:
            artefact = load(site, ACCEPTANCE, each)
        except InvalidModel:  # damaged, or no model at all
            continue
        found.append((artefact.trained_at, each, artefact))
    if not found:
        return None
    _, newest, artefact = max(found, key=lambda one: one[:2])
    return newest, artefact


def _losses(accepted: Vector, score: Vector) -> Vector:
    p = np.clip(score, _LEAST, 1 - _LEAST)
    return -(accepted * np.log(p) + (1 - accepted) * np.log1p(-p))
