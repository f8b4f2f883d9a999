"""Influencers: what happened raises or lowers the levers of something, for a while."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from engine.catalog import Influencer, Scope
from engine.counting import tally
from engine.moment import Moment
from engine.packed import Group, What
from engine.propensity import DECIMALS
from engine.types import ContactKind
from engine.windows import from_milliseconds, milliseconds

_EVERYTHING = "*"
_BY_KIND = (ContactKind.DISPATCH, ContactKind.DELIVERY, ContactKind.IMPRESSION)
_AT_ONCE = timedelta(0)


def influences(moment: Moment) -> Mapping[str, Mapping[str, float]]:
    """The percents in force now: by target such as `group:internet`, then by influencer.

    As long as the live state is not reconciled nobody knows what happened: then there are none.
    """
    influencers = moment.bundle.influencers
    if not influencers or not moment.snapshot.reconciled:
        return {}
    answers = _answers(influencers, moment) if moment.snapshot.contacts else ()
    if not answers and not moment.snapshot.journeys:
        return {}
    found: dict[str, dict[str, float]] = {}
    for one in influencers:
        since = _reached(one, moment) if one.stage is not None else _answered(one, answers, moment)
        percent = None if since is None else percent_after(one, moment.now - since)
        if percent is not None:
            found.setdefault(one.target, {})[f"influencer:{one.name}"] = percent
    return found


def percent_after(influencer: Influencer, passed: timedelta) -> float | None:
    """What an influencer adds so long after it started; None before that and once it is gone.

    Straight from `start` to `end` over `ramp`, at `end` from there on. With a `step` it stays where
    it is until each step is over; the last step, however short, ends at `end`.

    >>> day = timedelta(days=1)
    >>> up = Influencer(name="up", target="group:x", after="*", end=60, ramp=5 * day)
    >>> [percent_after(up, n * day) for n in (-1, 0, 1, 2.5, 5, 6, 30)]
    [None, 0.0, 12.0, 30.0, 60.0, 60.0, None]
    """
    if passed < _AT_ONCE or passed >= influencer.lasts:
        return None
    if passed >= influencer.ramp:
        return float(influencer.end)
    if influencer.step:
        passed = passed // influencer.step * influencer.step
    part = passed / influencer.ramp
    return round(influencer.start + (influencer.end - influencer.start) * part, DECIMALS)


def _reached(influencer: Influencer, moment: Moment) -> datetime | None:
    """When a journey came to the stage in which it still is: the latest, if several are there."""
    there = (
        journey.since
        for journey in moment.snapshot.journeys
        if journey.kind == influencer.after
        and journey.stage == influencer.stage
        and journey.since <= moment.now
    )
    return max(there, default=None)


def _answered(
    influencer: Influencer, answers: Sequence[tuple[str, Group]], moment: Moment
) -> datetime | None:
    """When one of its outcomes happened last: each one starts it again."""
    of, _, name = influencer.after.partition(":")
    until = milliseconds(moment.now)
    latest = (
        times[bisect_right(times, until) - 1]
        for outcome, (what, times) in answers
        if outcome in influencer.outcomes
        and times[0] <= until
        and (of == _EVERYTHING or getattr(what, of) == name)
    )
    at = max(latest, default=None)
    return None if at is None else from_milliseconds(at)


def _answers(influencers: Sequence[Influencer], moment: Moment) -> list[tuple[str, Group]]:
    """The contacts that any influencer waits for, with their outcomes."""
    wanted = frozenset[str]().union(*(one.outcomes for one in influencers))
    if wanted.isdisjoint(tally(Scope.CUSTOMER, moment).counts):
        return []
    kinds = [kind for kind in _BY_KIND if kind.value in wanted]
    return [
        (outcome, found)
        for found in tally(Scope.CUSTOMER, moment).of(kinds, wanted)
        if (outcome := outcome_of(found[0])) in wanted
    ]


def outcome_of(what: What) -> str:
    """What a contact was: the word of a response, else `dispatch`, `delivery`, `impression`."""
    return what.outcome if what.kind is ContactKind.RESPONSE else what.kind
