"""Contact limits: what counts, whether there is room, and when there will be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from engine.catalog import Action, Bundle, ContactLimit
from engine.moment import Moment
from engine.shelf import Place
from engine.types import Contact, Drop, Stage
from engine.windows import left, opened

LONGEST_WINDOW = timedelta(days=400)
"""How long contacts are kept at hand: nothing may look back further."""
_SHORTEST_HISTORY = timedelta(days=1)
_CALENDAR = timedelta(days=32)


def limited(place: Place, moment: Moment) -> Drop | None:
    """The limit that stays full for longest, and when it frees; None when all have room."""
    full = [
        (until, limit.name, limit.maximum)
        for limit in place.limits
        if (until := full_until(limit, place.action, moment)) is not None
    ]
    if not full:
        return None
    until, name, maximum = max(full)
    detail = f"the limit {name} of {maximum} is reached"
    return Drop(stage=Stage.CONTACT_LIMIT, rule=f"limit:{name}", detail=detail, until=until)


def full_until(limit: ContactLimit, action: Action, moment: Moment) -> datetime | None:
    """None while a limit has room for one more contact; else when it will have room again."""
    since = opened(limit.window, moment.now, moment.zones).timestamp() * 1000
    counts = counting(limit, action, moment.channel)
    times = [
        contact.at
        for contact in moment.contacts(limit.scope)
        if contact.at > since and counts(contact)
    ]
    if len(times) < limit.maximum:
        return None
    return left(limit.window, _moment(times[len(times) - limit.maximum]), moment.zones)


def counting(limit: ContactLimit, action: Action, channel: str) -> Callable[[Contact], bool]:
    """Which contacts count towards a limit, seen from one action on one channel."""
    reach = limit.reach

    def counts(contact: Contact) -> bool:
        return (
            contact.kind in limit.kinds
            and reach.contains(contact)
            and (not limit.per_channel or contact.channel == channel)
            and (limit.per != "purpose" or contact.purpose == action.purpose)
            and (limit.per != "group" or contact.group == action.group)
            and (limit.per != "action" or contact.action == action.name)
        )

    return counts


def horizon(bundle: Bundle) -> timedelta:
    """How far back contacts can matter to this bundle."""
    windows = [limit.window.length or _CALENDAR for limit in bundle.limits]
    return max(windows, default=_SHORTEST_HISTORY)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
