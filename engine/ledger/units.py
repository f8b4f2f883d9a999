"""Units of volumes in the journal: who took which, for how long, and what outcomes made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, or_, select, update

from engine.catalog import Bundle
from engine.ledger import tables
from engine.ledger.clock import from_milliseconds, milliseconds
from engine.ledger.journal import insert_new
from engine.types import Reservation
from engine.volumes import EVER, volume_of

RESERVED, USED, FREED = "reserved", "used", "freed"
_units = tables.reservations


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """Who takes units: `by` is the id of a decision, or of the message that came of it."""

    customer: str
    by: str
    decision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit as the journal knows it; `maximum` is how many there are, None if that is no matter.

    `until` is None for one that is used for good.
    """

    customer: str
    bucket: str
    action: str
    until: datetime | None
    maximum: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """A unit that somebody gives back, and until when another decision keeps it, if one does."""

    unit: Unit
    remains: Unit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an outcome makes of units.

    `used` are used for good now; `late` were kept no longer: they are used if any is left.
    """

    used: tuple[Unit, ...] = ()
    late: tuple[Unit, ...] = ()
    freed: tuple[Freed, ...] = ()


def keep(
    connection: Connection,
    taker: Taker,
    reserves: Iterable[Reservation],
    bundle: Bundle,
    at: datetime,
    *,
    bounded: bool,
) -> None:
    """Writes what is about to be taken; the same again overwrites.

    `bounded`: what would be used for good is so only once `confirm` says that it was taken.
    """
    for one in reserves:
        volume = volume_of(one.bucket, bundle)
        if volume is None:
            continue
        until = at + volume.kept_for if one.until is None and bounded else one.until
        key = {"taken_by": taker.by, "bucket": one.bucket, "action": one.action}
        kept = {
            "customer": taker.customer,
            "decision_id": taker.decision_id,
            "at": milliseconds(at),
            "until": None if until is None else milliseconds(until),
            "state": RESERVED,
            "maximum": volume.maximum,
            "used_by": _names(volume.used_by),
            "freed_by": _names(volume.freed_by),
        }
        if not insert_new(connection, _units, {**key, **kept}):
            connection.execute(update(_units).filter_by(**key).values(**kept))


def confirm(connection: Connection, by: str) -> None:
    """Marks as used what a decision took for good: no outcome is needed for that."""
    connection.execute(
        update(_units)
        .filter_by(taken_by=by, state=RESERVED, used_by=_names(()))
        .values(state=USED, until=None)
    )


def give_back(connection: Connection, by: str, now: datetime) -> tuple[Freed, ...]:
    """Frees what was to be taken and was not."""
    mine = (_units.c.taken_by == by) & (_units.c.state == RESERVED)
    rows = connection.execute(select(_units).where(mine)).all()
    connection.execute(update(_units).where(mine).values(state=FREED))
    return tuple(_freed(connection, [row], now) for row in rows)


def answer(
    connection: Connection,
    taker: Taker,
    action: str,
    buckets: Sequence[str],
    outcome: str,
    at: datetime,
    now: datetime,
) -> Answered:
    """What an outcome of an action makes of the units that its decision took, or showed again.

    `buckets` are those that the decision itself names. An outcome that is older than what another
    one made of the unit changes nothing.
    """
    mine = or_(_units.c.decision_id == taker.decision_id, _units.c.bucket.in_(buckets))
    query = select(_units).filter_by(customer=taker.customer, action=action).where(mine)
    by_bucket: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query.order_by(_units.c.seq)):
        by_bucket.setdefault(row.bucket, []).append(row)
    found = Answered()
    for rows in by_bucket.values():
        if any(row.settled_at is not None and row.settled_at > milliseconds(at) for row in rows):
            continue
        if outcome in orjson.loads(rows[-1].used_by):
            found = _use(connection, found, rows, at, now)
        elif outcome in orjson.loads(rows[-1].freed_by):
            found = _free(connection, found, rows, taker, at, now)
    return found


def use(connection: Connection, unit: Unit, at: datetime) -> None:
    """Marks a unit as used that was kept no longer, but of which one was left."""
    connection.execute(
        update(_units)
        .filter_by(customer=unit.customer, bucket=unit.bucket, action=unit.action)
        .values(state=USED, until=None, settled_at=milliseconds(at))
    )


def in_force(
    connection: Connection, state: str, now: datetime, since: datetime, after: int, most: int
) -> list[tuple[int, Unit]]:
    """The next units in force, each with its position in the journal.

    Those of periods that were over long ago, taken before `since`, no longer matter. Of what is
    only reserved there are as many as there were then or are now, whichever is more.
    """
    current = or_(_units.c.at > milliseconds(since), _units.c.bucket.like(f"%|{EVER}%"))
    lasting = or_(_units.c.until.is_(None), _units.c.until > milliseconds(now))
    query = (
        select(_units)
        .where(_units.c.state == state, _units.c.seq > after, current, lasting)
        .order_by(_units.c.seq)
        .limit(most)
    )
    found = connection.execute(query).all()
    if state == USED:
        return [(row.seq, _unit(row, None)) for row in found]
    now_are = {bucket: _maximum(connection, bucket) for bucket in {row.bucket for row in found}}
    return [(row.seq, _unit(row, max(row.maximum, now_are[row.bucket]))) for row in found]


def buckets(connection: Connection) -> list[str]:
    """Every bucket of which a unit was ever taken."""
    return list(connection.execute(select(_units.c.bucket).distinct()).scalars())


def _use(
    connection: Connection, found: Answered, rows: list[Row[Any]], at: datetime, now: datetime
) -> Answered:
    if not any(_is_in_force(row, now) for row in rows):
        unit = replace(_unit(rows[-1], _maximum(connection, rows[-1].bucket)), until=None)
        return replace(found, late=(*found.late, unit))
    settled = {"state": USED, "until": None, "settled_at": milliseconds(at)}
    _settle(connection, rows, settled)
    unit = replace(_unit(rows[-1], None), until=None)
    return replace(found, used=(*found.used, unit))


def _free(
    connection: Connection,
    found: Answered,
    rows: list[Row[Any]],
    taker: Taker,
    at: datetime,
    now: datetime,
) -> Answered:
    """What was taken after the outcome stays, unless by the very decision that it speaks of."""
    own = [r for r in rows if r.decision_id == taker.decision_id or r.at <= milliseconds(at)]
    own = [row for row in own if row.state != FREED]
    if not own:
        return found
    _settle(connection, own, {"state": FREED, "settled_at": milliseconds(at)})
    return replace(found, freed=(*found.freed, _freed(connection, own, now)))


def _settle(connection: Connection, rows: list[Row[Any]], values: dict[str, Any]) -> None:
    places = [row.seq for row in rows]
    connection.execute(update(_units).where(_units.c.seq.in_(places)).values(**values))


def _freed(connection: Connection, rows: list[Row[Any]], now: datetime) -> Freed:
    """The rows are freed by now; what other rows say of the same unit remains."""
    last = max(rows, key=_ends)
    query = select(_units).filter_by(customer=last.customer, bucket=last.bucket, action=last.action)
    others = [row for row in connection.execute(query) if _is_in_force(row, now)]
    remains = max(others, key=_ends, default=None)
    return Freed(unit=_unit(last, None), remains=None if remains is None else _unit(remains, None))


def _is_in_force(row: Row[Any], now: datetime) -> bool:
    return row.state != FREED and _ends(row) > milliseconds(now)


def _ends(row: Row[Any]) -> float:
    return float("inf") if row.until is None else row.until


def _maximum(connection: Connection, bucket: str) -> int:
    """How many there are by the latest bundle that one was taken under."""
    query = select(_units.c.maximum).filter_by(bucket=bucket).order_by(_units.c.at.desc()).limit(1)
    return connection.execute(query).scalar_one()


def _unit(row: Row[Any], maximum: int | None) -> Unit:
    return Unit(
        customer=row.customer,
        bucket=row.bucket,
        action=row.action,
        until=None if row.until is None else from_milliseconds(row.until),
        maximum=maximum,
    )


def _names(outcomes: Iterable[str]) -> str:
    return orjson.dumps(sorted(outcomes)).decode()
