"""Contact limits: whether there is room, and when there will be; how far back contacts matter."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import cast

from engine.catalog import Bundle, ContactLimit
from engine.counting import (
    SENT,
    Needs,
    Times,
    in_order,
    in_reach,
    meant,
    once_each,
    subject,
    tally,
)
from engine.history import IGNORE, look_back
from engine.moment import Moment
from engine.packed import Group
from engine.rules import Expression
from engine.shelf import Place
from engine.types import ContactKind, Drop, Stage
from engine.windows import from_milliseconds, left, longest, milliseconds, opened

LONGEST_WINDOW = timedelta(days=400)
"""How long contacts are kept at hand: nothing may look back further."""
_SHORTEST_HISTORY = timedelta(days=1)
"""Enough for a session."""
_MOST = 64


def limited(place: Place, moment: Moment) -> Drop | None:
    """The limit that stays full for longest, and when it frees; None when all have room."""
    taken = full(moment)
    if not taken:
        return None
    found = [
        (until, limit.name, limit.maximum)
        for limit in place.limits
        if limit.name in taken
        and (until := taken[limit.name].get(subject(limit.per, place.action))) is not None
    ]
    if not found:
        return None
    until, name, maximum = max(found)
    detail = f"the limit {name} of {maximum} is reached"
    return Drop(stage=Stage.CONTACT_LIMIT, rule=f"limit:{name}", detail=detail, until=until)


def crowded_out(place: Place, moment: Moment, before: Sequence[Place]) -> Drop | None:
    """The limit whose last room on this page the offers `before` take; their impressions come.

    Messages are left to their own authorisation: what is proposed is not sent.
    """
    if not moment.in_page:
        return None
    for limit in shared(place):
        mine = subject(limit.per, place.action)
        room = limit.maximum - len(counted(limit, moment).get(mine, ()))
        if room <= sum(
            limit in other.limits and subject(limit.per, other.action) == mine for other in before
        ):
            detail = f"the limit {limit.name} of {limit.maximum} is used up by what is offered here"
            return Drop(stage=Stage.CONTACT_LIMIT, rule=f"limit:{limit.name}", detail=detail)
    return None


def shared(place: Place) -> Sequence[ContactLimit]:
    """The limits of impressions that what else is on a page may use up: an action is there once."""
    return place.once("shared", _shared)


def _shared(place: Place) -> Sequence[ContactLimit]:
    every = place.limits
    return [one for one in every if ContactKind.IMPRESSION in one.kinds and one.per != "action"]


def awake(moment: Moment) -> bool:
    """Whether any limit is full."""
    return bool(full(moment))


def full(moment: Moment) -> Mapping[str, Mapping[str, datetime]]:
    """The limits that are full on this channel: for what, and until when."""
    return moment.once("full", _full)


def _full(moment: Moment) -> Mapping[str, Mapping[str, datetime]]:
    full: dict[str, dict[str, datetime]] = {}
    if not moment.snapshot.contacts and not moment.snapshot.circles:
        return full
    for limit in in_reach(_binding(moment.bundle, moment.channel), moment):
        for name, times in counted(limit, moment).items():
            if len(times) >= limit.maximum:
                last_too_many = from_milliseconds(times[-limit.maximum])
                until = left(limit.window, last_too_many, moment.zones)
                full.setdefault(limit.name, {})[name] = until
    return full


_bindings: dict[tuple[int, str], tuple[Bundle, tuple[Needs[ContactLimit], ...]]] = {}


def _binding(bundle: Bundle, channel: str) -> tuple[Needs[ContactLimit], ...]:
    """The limits that are for anything on a channel: places leave out the others. Kept, too."""
    kept = _bindings.get((id(bundle), channel))
    if kept is None or kept[0] is not bundle:
        if len(_bindings) >= _MOST:
            _bindings.clear()
        in_page = bundle.channels[channel].in_page
        found = tuple(
            Needs(limit, limit.maximum, tuple(limit.kinds))
            for limit in bundle.limits
            if (not limit.reach.channels or channel in limit.reach.channels)
            and not (in_page and limit.kinds <= SENT)
        )
        kept = _bindings[id(bundle), channel] = (bundle, found)
    return kept[1]


def counted(limit: ContactLimit, moment: Moment) -> Times:
    """What counts towards a limit now, by what it counts together."""
    return moment.once(f"limit:{limit.name}", lambda now: _counted(limit, now))


def _counted(limit: ContactLimit, moment: Moment) -> Times:
    groups = tally(limit.scope, moment).of(once_each(limit.kinds))
    if not groups:
        return {}
    since = milliseconds(opened(limit.window, moment.now, moment.zones))
    means, found = meant(limit, moment), list[Group]()
    for what, times in groups:
        if times[-1] > since and means(what):
            inside = times if times[0] > since else times[bisect_right(times, since) :]
            found.append((what, inside))
    return in_order(found, limit.per)


# -- how far back

_horizons: dict[int, tuple[Bundle, timedelta]] = {}


def horizon(bundle: Bundle) -> timedelta:
    """How far back contacts can matter to this bundle.

    Kept for the bundles in use: it is a function of its argument, remembered.
    """
    kept = _horizons.get(id(bundle))
    if kept is None or kept[0] is not bundle:
        if len(_horizons) >= _MOST:
            _horizons.clear()
        kept = _horizons[id(bundle)] = (bundle, _horizon(bundle))
    return kept[1]


def _horizon(bundle: Bundle) -> timedelta:
    farthest = max(_spans(bundle), default=_SHORTEST_HISTORY)
    return min(max(farthest, _SHORTEST_HISTORY), LONGEST_WINDOW)


def _spans(bundle: Bundle) -> Iterator[timedelta]:
    """What was ignored was said before, and may be part of a dispatch before that: `look_back`."""
    unanswered = 2 * bundle.answers_within
    for limit in bundle.limits:
        yield longest(limit.window)
    for policy in bundle.policies:
        said_before = unanswered if IGNORE in policy.outcomes else timedelta()
        yield longest(policy.window) + policy.silence + said_before
    for influencer in bundle.influencers:
        said_before = unanswered if IGNORE in influencer.outcomes else timedelta()
        yield influencer.lasts + said_before
    for expression in _expressions(bundle):
        yield look_back(expression.history, bundle.answers_within)


def _expressions(found: object) -> Iterator[Expression]:
    """Every expression of a bundle, wherever it is."""
    if isinstance(found, Expression):
        yield found
    elif is_dataclass(found):
        for each in fields(found):
            yield from _expressions(getattr(found, each.name))
    elif isinstance(found, Mapping):
        yield from _expressions(tuple(cast("Mapping[str, object]", found).values()))
    elif isinstance(found, tuple):
        for part in cast("tuple[object, ...]", found):
            yield from _expressions(part)
