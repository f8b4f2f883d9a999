"""Quiet hours: when nothing is sent, and when they end, on the local clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from engine.catalog import QuietHours
from engine.local_time import first_shown, last_shown
from engine.moment import Moment
from engine.shelf import Place
from engine.types import Drop, Stage
from engine.windows import Zones

_DAY = timedelta(days=1)
_NEVER = timedelta(days=15)
"""Hours come again each week: what is quiet for as long as this is quiet for ever."""


def hushed(place: Place, moment: Moment) -> Drop | None:
    """The quiet hours that stop a message now: in a decision only those that drop it.

    Of several, one that drops is named before one that waits, then the one that lasts longest.
    `until` is when a message may really leave: when no other quiet hours follow on at once.
    """
    if not place.quiet_hours:
        return None
    in_force = [
        (not one.waits, end, one.name, one.because)
        for one in place.quiet_hours
        if (moment.sending or not one.waits) and (end := _end(one, moment)) is not None
    ]
    if not in_force:
        return None
    *_, name, because = max(in_force)
    return Drop(
        stage=Stage.QUIET_HOURS,
        rule=f"quiet_hours:{name}",
        detail=because,
        until=next_open(place.quiet_hours, moment.now, moment.zones),
    )


def awake(moment: Moment) -> bool:
    """Whether a channel delivers: what a page shows disturbs nobody."""
    return bool(moment.bundle.quiet_hours) and not moment.in_page


def _end(hours: QuietHours, moment: Moment) -> datetime | None:
    key = f"quiet:{hours.name}"
    return moment.once(key, lambda then: ends(hours, then.now, then.zones))


def next_open(quiet_hours: Iterable[QuietHours], now: datetime, clocks: Zones) -> datetime | None:
    """The first moment, from now on, that is in no quiet hours; None if there never is one."""
    at, every = now.astimezone(UTC), tuple(quiet_hours)
    while at - now < _NEVER:
        found = [end for one in every if (end := ends(one, at, clocks)) is not None]
        if not found:
            return at
        at = max(found)
    return None


def ends(hours: QuietHours, at: datetime, clocks: Zones) -> datetime | None:
    """When the quiet hours end that a moment is in; None if it is in none.

    They start as soon as the local clock shows their start, and end when it shows their end for the
    last time: where clocks are set back, an hour that comes twice is quiet twice. What a clock
    jumps over starts or ends with the jump. Equal times mean a whole day.
    """
    at, clock = at.astimezone(UTC), clocks.of(hours.zone)
    today = at.astimezone(clock).date()
    over_midnight = hours.ends <= hours.starts
    found: list[datetime] = []
    for day in (today - _DAY, today, today + _DAY):  # clocks may be set back over midnight
        if day.weekday() not in hours.days:
            continue
        last_day = day + _DAY if over_midnight else day
        end = last_shown(datetime.combine(last_day, hours.ends), clock)
        if first_shown(datetime.combine(day, hours.starts), clock) <= at < end:
            found.append(end)
    return max(found, default=None)
