"""Contact policies: after so many of an outcome, silence for a while. Ends are derived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from engine.catalog import Bundle, ContactPolicy, Scope
from engine.counting import Needs, in_order, in_reach, meant, once_each, subject, tally
from engine.history import IGNORE, ignored_at
from engine.moment import Moment
from engine.packed import Group, groups
from engine.shelf import Place
from engine.types import ContactKind, Drop, Stage
from engine.windows import from_milliseconds, longest, milliseconds, opened_at

_KINDS = {
    kind.value: kind
    for kind in (ContactKind.DISPATCH, ContactKind.DELIVERY, ContactKind.IMPRESSION)
}
_WAITING = (ContactKind.DISPATCH, ContactKind.IMPRESSION)
"""What may be ignored."""


def suppressed(place: Place, moment: Moment) -> Drop | None:
    """The contact policy that silences an action for longest, if one does."""
    asleep = silent(moment)
    if not asleep:
        return None
    found = [
        (until, policy.name, policy.because)
        for policy in place.policies
        if policy.name in asleep
        and (until := asleep[policy.name].get(subject(policy.per, place.action))) is not None
    ]
    if not found:
        return None
    until, name, because = max(found)
    return Drop(stage=Stage.CONTACT_POLICY, rule=f"policy:{name}", detail=because, until=until)


def awake(moment: Moment) -> bool:
    """Whether a policy silences anything."""
    return bool(silent(moment))


def silent(moment: Moment) -> Mapping[str, Mapping[str, datetime]]:
    """The policies that silence something on this channel: what, and until when."""
    return moment.once("silent", _silent)


def _silent(moment: Moment) -> Mapping[str, Mapping[str, datetime]]:
    silent: dict[str, dict[str, datetime]] = {}
    if not moment.snapshot.contacts and not moment.snapshot.circles:
        return silent
    for policy in in_reach(_listening(moment.bundle, moment.channel), moment):
        found = dict(_silences(policy, moment))
        if found:
            silent[policy.name] = found
    return silent


_heard: dict[tuple[int, str], tuple[Bundle, tuple[Needs[ContactPolicy], ...]]] = {}
_MOST = 64


def _listening(bundle: Bundle, channel: str) -> tuple[Needs[ContactPolicy], ...]:
    """The policies that are for anything on a channel. Kept for the bundles in use."""
    kept = _heard.get((id(bundle), channel))
    if kept is None or kept[0] is not bundle:
        if len(_heard) >= _MOST:
            _heard.clear()
        found = tuple(
            _needs(one)
            for one in bundle.policies
            if not one.reach.channels or channel in one.reach.channels
        )
        kept = _heard[id(bundle), channel] = (bundle, found)
    return kept[1]


def _needs(policy: ContactPolicy) -> Needs[ContactPolicy]:
    """What was said and ignored counts for both where a policy asks for both."""
    if IGNORE not in policy.outcomes:
        return Needs(policy, policy.times, tuple(policy.outcomes))
    least = policy.times if len(policy.outcomes) == 1 else (policy.times + 1) // 2
    return Needs(policy, least, (*policy.outcomes, *_WAITING))


def _silences(policy: ContactPolicy, moment: Moment) -> Iterator[tuple[str, datetime]]:
    over = milliseconds(moment.now - policy.silence)
    for name, times in in_order(_happened(policy, moment), policy.per).items():
        end = _latest_end(policy, times, moment, over) if times[-1] > over else None
        if end is not None:
            yield name, end


def _latest_end(
    policy: ContactPolicy, times: Sequence[int], moment: Moment, over: int
) -> datetime | None:
    """The end of the latest silence that is in force: none that began up to `over` is.

    Each time that is the last of so many within one window starts a silence, whatever is silent
    already: the latest one ends last.
    """
    before = policy.times - 1
    for last in range(len(times) - 1, before - 1, -1):
        at = times[last]
        if at <= over:
            return None
        if times[last - before] > opened_at(policy.window, at, moment.zones):
            return from_milliseconds(at) + policy.silence
    return None


def _happened(policy: ContactPolicy, moment: Moment) -> Iterator[Group]:
    """What a policy counts, and when that happened. What is ignored was said earlier."""
    means = meant(policy, moment)
    kinds = once_each(frozenset(_KINDS[one] for one in policy.outcomes if one in _KINDS))
    answers, since = policy.outcomes - {IGNORE}, _since(policy, moment)
    for found in tally(policy.scope, moment).of(kinds, answers):
        if found[1][-1] > since and means(found[0]):
            yield found
    if IGNORE in policy.outcomes:
        for found in _ignored(policy.scope, moment):
            if means(found[0]):
                yield found


def _since(policy: ContactPolicy, moment: Moment) -> int:
    """What happened up to then has no part in a silence that is still in force."""
    return milliseconds(moment.now - policy.silence - longest(policy.window))


def _ignored(scope: Scope, moment: Moment) -> Sequence[Group]:
    def work(now: Moment) -> Sequence[Group]:
        asking = (one for one in now.bundle.policies if IGNORE in one.outcomes)
        since = min(_since(one, now) for one in asking)
        return ignored_at(groups(now.contacts(scope)), now.now, now.bundle.answers_within, since)

    return moment.once(f"ignored:{scope}", work)
