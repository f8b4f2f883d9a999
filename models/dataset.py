"""What the models of the business learn from: churn labels joined by Feast, decisions and outcomes.

Feast, duckdb and pandas are imported where they are used: `acceptance_rows` needs none of them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np

from engine.errors import InvalidInput
from engine.ledger.site import Site
from engine.types import Arm, Scalar
from feature_store.schema import FEATURES, Kind
from models.encoding import MISSING, Column, ColumnKind, encode_row
from models.inputs import ACTION, CHANNEL, CHURN_SCORE, GROUP, PAIR, PURPOSE
from models.metrics import Labels

POSITIVE = frozenset({"accept", "convert"})
NEGATIVE = frozenset({"reject"})
NEUTRAL = frozenset({"later"})
RESPONSE_WAIT = timedelta(days=7)
"""How long silence after an impression or a delivery is not yet a no."""

MOST_WAITING = 0.05
"""The share of young offers without an answer yet, above which the answers there are mislead."""

_TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceRow:
    """One offer made and whether it was accepted, with the customer's features at that time."""

    features: Mapping[str, Scalar]
    action: str
    purpose: str
    group: str
    channel: str
    accepted: bool
    customer: str = ""
    control: bool = False
    """Offered by chance, to the random control slice: learned from, but kept out of any lift."""
    at: datetime = field(default_factory=lambda: datetime.fromtimestamp(0, UTC))

    def values(self) -> Mapping[str, Scalar]:
        """The inputs of an acceptance model."""
        pair = {
            PURPOSE: self.purpose,
            GROUP: self.group,
            ACTION: self.action,
            CHANNEL: self.channel,
        }
        return {**self.features, **pair}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnRows:
    """Features as they were known when each customer's churn was, by Feast's point-in-time join."""

    rows: Sequence[Mapping[str, Scalar]]
    churned: Labels
    customers: Sequence[str]
    times: Sequence[datetime]
    window: tuple[datetime, datetime]


def acceptance_rows(
    records: Iterable[Mapping[str, Any]],
    outcomes: Iterable[Mapping[str, Any]],
    now: datetime | None = None,
    wait: timedelta = RESPONSE_WAIT,
) -> Iterator[AcceptanceRow]:
    """Offers with an answer, from decision records and outcomes as plain dicts.

    An outcome has `decision_id`, `treatment`, `outcome` and `at`. `accept` and `convert` are a yes,
    `reject` is a no, `later` says nothing, and anything else (impression, click, delivery) is a no
    once `wait` has passed by `now`. An offer without any outcome was perhaps never seen: left out.

    On a channel where many of the newest offers still wait for an answer, none that is younger than
    `wait` counts: those who say yes at once would be nearly all there is.
    """
    by_offer: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for outcome in outcomes:
        key = (str(outcome["decision_id"]), str(outcome["treatment"]))
        by_offer.setdefault(key, []).append(outcome)
    young = None if now is None else now - wait
    found: list[AcceptanceRow] = []
    waiting: Counter[str] = Counter()
    for record in records:
        decision = record["decision"]
        for offers in decision["placements"].values():
            for offer in offers:
                told = by_offer.get((decision["decision_id"], offer["treatment"]), [])
                accepted = _answer(told, now, wait)
                if accepted is not None:
                    found.append(_acceptance_row(record, offer, accepted))
                elif told and not _kinds(told) & NEUTRAL:
                    waiting[record["request"]["channel"]] += 1
    yield from found if young is None else _settled(found, waiting, young)


def _settled(
    rows: Sequence[AcceptanceRow], waiting: Mapping[str, int], young: datetime
) -> Iterator[AcceptanceRow]:
    answered = Counter(row.channel for row in rows if row.at > young)
    open_yet = {name for name, n in waiting.items() if n > MOST_WAITING * (n + answered[name])}
    return (row for row in rows if row.at <= young or row.channel not in open_yet)


def _kinds(outcomes: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(outcome["outcome"]) for outcome in outcomes}


def _answer(
    outcomes: Sequence[Mapping[str, Any]], now: datetime | None, wait: timedelta
) -> bool | None:
    kinds = _kinds(outcomes)
    if kinds & POSITIVE:
        return True
    if kinds & NEGATIVE:
        return False
    if not kinds or kinds & NEUTRAL:
        return None
    latest = max(_time(outcome["at"]) for outcome in outcomes)
    return False if now is None or now - latest >= wait else None


def _acceptance_row(
    record: Mapping[str, Any], offer: Mapping[str, Any], accepted: bool
) -> AcceptanceRow:
    features = dict(record["snapshot"]["features"])
    churn = _churn_score(record["decision"])
    if churn is not None:
        features[CHURN_SCORE] = churn
    return AcceptanceRow(
        features=features,
        action=offer["action"],
        purpose=offer["purpose"],
        group=offer["group"],
        channel=record["request"]["channel"],
        accepted=accepted,
        customer=record["request"]["customer"],
        control=record["decision"].get("arm") == Arm.CONTROL,
        at=_time(record["request"]["now"]),
    )


def _churn_score(decision: Mapping[str, Any]) -> float | None:
    scores = cast(Mapping[str, Any], decision.get("scores") or {})
    score = cast(Mapping[str, Any], scores.get("customer") or {}).get("churn")
    return float(score) if isinstance(score, int | float) else None


def _time(at: str | datetime) -> datetime:
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)


def acceptance_columns(rows: Sequence[AcceptanceRow]) -> tuple[Column, ...]:
    """The inputs of an acceptance model: what varied of the customer, then the pair."""
    features = [*feature_columns([row.features for row in rows]), _number(CHURN_SCORE)]
    values = [row.values() for row in rows]
    return (*features, *(_category(name, values) for name in PAIR))


def feature_columns(rows: Sequence[Mapping[str, Scalar]]) -> tuple[Column, ...]:
    """A column for every feature that is known and not the same in all rows, in schema order."""
    return tuple(
        _category(name, rows) if kind is Kind.STRING else _number(name)
        for name, kind in FEATURES.items()
        if _varies(name, rows)
    )


def _varies(name: str, rows: Sequence[Mapping[str, Scalar]]) -> bool:
    return len({row.get(name) for row in rows}) > 1


def _number(name: str) -> Column:
    return Column(name=name, kind=ColumnKind.NUMBER)


def _category(name: str, rows: Sequence[Mapping[str, Scalar]]) -> Column:
    found = {row.get(name) for row in rows}
    texts = sorted(str(value) for value in found if value is not None)
    if None in found:
        texts.append(MISSING)
    return Column(name=name, kind=ColumnKind.CATEGORY, categories=tuple(texts))


def encoded(columns: Sequence[Column], rows: Iterable[Mapping[str, Scalar]]) -> Any:
    """Rows of values as the matrix that a model takes."""
    return np.array([encode_row(columns, row) for row in rows]).reshape(-1, len(columns))


def held_out(names: Sequence[str]) -> Any:
    """Which rows are for judging only: about a fifth of the customers, always the same ones."""
    shares = [int.from_bytes(hashlib.sha256(n.encode()).digest()[:4]) / 2**32 for n in names]
    return np.array(shares) < _TEST_SHARE


def churn_rows(site: Site) -> ChurnRows:
    """The customers whose churn is known, with the features Feast had for them at that time."""
    from feature_store.history import labelled_features

    records = labelled_features(site, "churn")
    if not records:
        raise InvalidInput("no churn labels: load a table that has them first (tactful load)")
    times = [record.at for record in records]
    return ChurnRows(
        rows=[record.features for record in records],
        churned=np.array([record.label for record in records], dtype=np.int64),
        customers=[record.customer for record in records],
        times=times,
        window=(min(times), max(times)),
    )
