"""Volumes: how much is left of what is limited for all customers together, and for whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from engine import names
from engine.catalog import Bundle, Period, Volume, Window, Zone
from engine.moment import Moment
from engine.moment import moment as moment_of
from engine.shelf import Place
from engine.types import Drop, Request, Reservation, Snapshot, Stage
from engine.windows import MILLISECOND, Zones, left, opened, zones

EVER = "ever"
"""Stands in a bucket for the period of what is limited once for all."""
UNKNOWN = "unknown"
_LONGEST_VALUE = 80
"""Longer texts share a bucket: a caller's context must not make buckets without end."""


def bucket(volume: Volume, moment: Moment) -> str:
    """The name under which units of this period, and of this customer's property, are counted.

    Such as `phones|ever`, `calls|2026-03-02` or `gifts|2026-03-01|Month-to-month`.
    """
    name = f"{volume.name}|{_period_name(volume, moment.now, moment.zones)}"
    if volume.per is None:
        return name
    return f"{name}|{_text(moment.lookup(volume.per))}"


def volume_of(bucket: str, bundle: Bundle) -> Volume | None:
    """The volume that a bucket belongs to, unless the bundle has it no more."""
    name = bucket.partition("|")[0]
    return next((volume for volume in bundle.volumes if volume.name == name), None)


def buckets(request: Request, snapshot: Snapshot, bundle: Bundle) -> tuple[str, ...]:
    """The buckets that a decision may look at, to be counted before it is made."""
    if not bundle.volumes:
        return ()
    features = names.known_features(snapshot, bundle, request.now).features
    lookup = names.names(request, snapshot, bundle, features, {})
    now = moment_of(bundle, request.channel, request.now, snapshot, lookup)
    return tuple(bucket(volume, now) for volume in bundle.volumes)


_standing: dict[tuple[int, int], tuple[Bundle, tuple[str, ...]]] = {}
_MOST_STANDING = 64
_MINUTE_SECONDS = 60


def standing_buckets(bundle: Bundle, now: datetime) -> tuple[str, ...]:
    """The buckets in which units are counted for all customers alike.

    Kept for a minute: no period begins within one.
    """
    key = (id(bundle), int(now.timestamp()) // _MINUTE_SECONDS)
    kept = _standing.get(key)
    if kept is None or kept[0] is not bundle:
        if len(_standing) >= _MOST_STANDING:
            _standing.clear()
        kept = _standing[key] = (bundle, _standing_buckets(bundle, now))
    return kept[1]


def _standing_buckets(bundle: Bundle, now: datetime) -> tuple[str, ...]:
    clocks = zones(bundle, lambda _: None)
    shared = (volume for volume in bundle.volumes if volume.per is None)
    return tuple(f"{one.name}|{_period_name(one, now, clocks)}" for one in shared)


def taken(
    place: Place, moment: Moment, before: tuple[Reservation, ...]
) -> tuple[Reservation, ...] | Drop:
    """What an offer would take, given what other offers of this decision take; or what is used up.

    What is kept for this customer and action already is taken again, and counts once; the time it
    is kept for begins anew when less than half of it is left. A proposal to send takes nothing yet:
    the send does.
    """
    found: list[Reservation] = []
    for volume in place.volumes:
        name = bucket(volume, moment)
        kept = _kept(name, place.action.name, moment)
        if kept is None and _used(name, moment, before) >= volume.maximum:
            return Drop(
                stage=Stage.VOLUME,
                rule=f"volume:{volume.name}",
                detail=volume.because,
                until=_next_period(volume, moment),
            )
        found.append(_reservation(volume, name, place.action.name, kept, moment.now))
    return tuple(found) if moment.in_page or moment.sending else ()


def boosts(places: Iterable[Place], moment: Moment) -> dict[str, float]:
    """The percents that volumes behind their minimum add to C of their actions, by action."""
    added: dict[str, float] = {}
    for place in places:
        for volume in place.volumes:
            if volume.minimum and volume.boost and _behind(volume, moment):
                added[place.action.name] = added.get(place.action.name, 0.0) + volume.boost
    return added


def in_force(reserved: Iterable[Reservation], now: datetime) -> tuple[Reservation, ...]:
    """The reservations that have not expired."""
    return tuple(one for one in reserved if one.until is None or one.until > now)


def current(
    reserved: Iterable[Reservation], bundle: Bundle, now: datetime
) -> tuple[Reservation, ...]:
    """The reservations in force that a decision can still meet: none of a period that is over."""
    clocks = zones(bundle, lambda _: None)
    starts = {volume.name: _period_name(volume, now, clocks) for volume in bundle.volumes}
    return tuple(
        one
        for one in in_force(reserved, now)
        if one.bucket.split("|")[1] == starts.get(one.bucket.partition("|")[0])
    )


def _text(value: object) -> str:
    """The value of a property as it stands in a bucket: the same however a caller writes it.

    >>> _text(1.0), _text(1), _text(True), _text(None)
    ('1', '1', 'true', 'unknown')
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:_LONGEST_VALUE]


def _kept(name: str, action: str, moment: Moment) -> Reservation | None:
    mine = (one for one in moment.snapshot.reserved if (one.bucket, one.action) == (name, action))
    return next(iter(in_force(mine, moment.now)), None)


def _used(name: str, moment: Moment, before: Iterable[Reservation]) -> int:
    """The units used, with what this decision takes anew."""
    known = {(one.bucket, one.action) for one in in_force(moment.snapshot.reserved, moment.now)}
    anew = {one.action for one in before if one.bucket == name and (name, one.action) not in known}
    return moment.snapshot.volumes.get(name, 0) + len(anew)


def _reservation(
    volume: Volume, name: str, action: str, kept: Reservation | None, now: datetime
) -> Reservation:
    if kept is not None and (kept.until is None or kept.until - now > volume.kept_for / 2):
        return kept
    until = now + volume.kept_for if volume.used_by else None
    return Reservation(bucket=name, action=action, until=until)


def _next_period(volume: Volume, moment: Moment) -> datetime | None:
    if volume.period is None:
        return None
    return _period(volume.period, moment.now, moment.zones)[1]


def _behind(volume: Volume, moment: Moment) -> bool:
    """Whether fewer units are used than the minimum asks for by now."""

    def work(now: Moment) -> bool:
        used = now.snapshot.volumes.get(bucket(volume, now), 0)
        return used < volume.minimum * _elapsed(volume, now)

    return moment.once(f"behind:{volume.name}", work)


def _elapsed(volume: Volume, moment: Moment) -> float:
    """The share of the period that has passed; all of it where there is none."""
    if volume.period is None:
        return 1.0
    starts, ends, _ = _period(volume.period, moment.now, moment.zones)
    return (moment.now - starts) / (ends - starts)


_Key = tuple[Period, tzinfo, int]
_periods: dict[_Key, tuple[datetime, datetime, str]] = {}
"""The one that was asked for last, with its name: most questions are about the same."""
_MOST = 256


def _period(period: Period, now: datetime, clocks: Zones) -> tuple[datetime, datetime, str]:
    """The first moment of the business's period, that of the next one, and its name."""
    key = (period, clocks.business, clocks.week_starts)
    kept = _periods.get(key)
    if kept is None or not kept[0] <= now < kept[1]:
        if len(_periods) >= _MOST:
            _periods.clear()
        window = Window(period=period, zone=Zone.BUSINESS)
        starts = opened(window, now, clocks) + MILLISECOND
        name = starts.astimezone(clocks.business).date().isoformat()
        kept = _periods[key] = (starts, left(window, now, clocks), name)
    return kept


def _period_name(volume: Volume, now: datetime, clocks: Zones) -> str:
    return EVER if volume.period is None else _period(volume.period, now, clocks)[2]
