"""Terms that never bind: what they cover is never said, or passes them, or never happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from engine.bundle_business import Business
from engine.bundle_contact import LONGEST
from engine.catalog import (
    Bundle,
    ContactLimit,
    ContactPolicy,
    Exclusion,
    QuietHours,
    Reach,
    Volume,
    Window,
)
from engine.expressions import rests_on
from engine.shelf import Place, place
from engine.types import ContactKind

Bound = ContactLimit | ContactPolicy | QuietHours | Volume | Exclusion
_DISPATCH = frozenset({ContactKind.DISPATCH})
_SENT = frozenset({ContactKind.DISPATCH.value, ContactKind.DELIVERY.value})


def places(bundle: Bundle) -> list[tuple[str, Place]]:
    """Every action on every channel where it can be said."""
    found = (
        (channel, place(bundle, action, channel))
        for action in bundle.actions.values()
        for channel in bundle.channels
    )
    return [(channel, one) for channel, one in found if one.own or one.like]


def check_bounds(bundle: Bundle, business: Business) -> None:
    """Notes each limit, policy, quiet hours, volume and exclusion that can't do anything."""
    said = places(bundle)
    for kind, terms, bound in (
        ("limit", bundle.limits, {one.name for _, each in said for one in each.limits}),
        ("policy", bundle.policies, {one.name for _, each in said for one in each.policies}),
        ("quiet hours", bundle.quiet_hours, {o.name for _, e in said for o in e.quiet_hours}),
        ("volume", bundle.volumes, {one.name for _, each in said for one in each.volumes}),
        ("exclusion", bundle.exclusions, {one.name for _, each in said for one in each.exclusions}),
    ):
        for term in terms:
            fields = business.read[f"{kind} {term.name}"]
            if fields.sound and term.name not in bound:
                business.problems.note(fields.entry, f"{fields.what} {_why(term, said)}")
    for limit in bundle.limits:
        _check_limit(limit, bundle, business)
    for policy in bundle.policies:
        _check_policy(policy, bundle, business)
    for volume in bundle.volumes:
        _check_volume(volume, bundle, business)


def _why(term: Bound, said: Sequence[tuple[str, Place]]) -> str:
    covered = [(channel, one) for channel, one in said if term.reach.covers(one.action, channel)]
    if not covered:
        return f"covers nothing: no action {_reached(term.reach)}; widen it, or remove it"
    if all(one.action.exempt for _, one in covered):
        names = ", ".join(sorted({one.action.name for _, one in covered}))
        return f"never binds: all that it covers is exempt ({names}); remove it, or the exemption"
    channels = " and ".join(sorted({channel for channel, _ in covered}))
    return f"never binds: on {channels} nothing is sent, only shown; name a channel that delivers"


def _reached(reach: Reach) -> str:
    """`of purpose sales and group help is said on web`."""
    kinds = (("purpose", reach.purposes), ("group", reach.groups), ("action", reach.actions))
    named = [f"{kind} {' or '.join(sorted(names))}" for kind, names in kinds if names]
    where = f"said on {' or '.join(sorted(reach.channels))}" if reach.channels else "said anywhere"
    return f"of {' and '.join(named)} is {where}" if named else f"is {where}"


def _check_limit(limit: ContactLimit, bundle: Bundle, business: Business) -> None:
    fields = business.read[f"limit {limit.name}"]
    if not fields.sound:
        return
    longest = _length(limit.window)
    if limit.keeps_for_better is not None and limit.keeps_for_better > longest:
        why = "is longer than its window: what is sent now is forgotten by then; shorten it"
        fields.note("keeps_for_better", f"keeps_for_better of {fields.what} {why}")
    if limit.kinds == _DISPATCH:
        stricter = _stricter(limit, limit.maximum, bundle.limits)
        if stricter is not None:
            why = f"is never reached: {stricter.name} stops at {stricter.maximum} before it"
            business.problems.note(fields.entry, f"{fields.what} {why}; remove one of them")


def _check_volume(volume: Volume, bundle: Bundle, business: Business) -> None:
    fields = business.read[f"volume {volume.name}"]
    rests = rests_on(volume.per, bundle.segments, bundle.values) if volume.per else ()
    for name in sorted(rests):
        if name.startswith("model."):
            why = f"rests on {name}, which is not known yet when volumes are counted"
            fields.note("per", f"per of {fields.what} {why}; use a feature or a segment without it")


def _check_policy(policy: ContactPolicy, bundle: Bundle, business: Business) -> None:
    fields = business.read[f"policy {policy.name}"]
    if not fields.sound:
        return
    channels = [bundle.channels[name] for name in sorted(policy.reach.channels)]
    if channels and policy.outcomes <= _SENT and all(one.in_page for one in channels):
        names = " and ".join(one.name for one in channels)
        why = f"never happens: on {names} nothing is sent, only shown; write impression"
        fields.note("after", f"after of {fields.what} {why}")
    exempt = any(
        action.exempt and any(policy.reach.covers(action, name) for name in bundle.channels)
        for action in bundle.actions.values()
    )
    if policy.outcomes == frozenset({ContactKind.DISPATCH.value}) and not exempt:
        stricter = _stricter(policy, policy.times - 1, bundle.limits)
        if stricter is not None:
            why = f"never happens {policy.times} times: the limit {stricter.name} stops at"
            remedy = f"{stricter.maximum}; write fewer times"
            fields.note("times", f"dispatch of {fields.what} {why} {remedy}")


def _stricter(
    bound: ContactLimit | ContactPolicy, most: int, limits: Iterable[ContactLimit]
) -> ContactLimit | None:
    """A limit that always stops what is counted before `most` are exceeded."""
    return next((one for one in limits if one is not bound and _stops(one, bound, most)), None)


def _stops(limit: ContactLimit, bound: ContactLimit | ContactPolicy, most: int) -> bool:
    """Only rolling windows are compared; it must count all that is counted, and more together."""
    windows = (limit.window.length, bound.window.length)
    return (
        limit.kinds == _DISPATCH
        and None not in windows
        and _length(limit.window) >= _length(bound.window)
        and limit.maximum < most + (0 if isinstance(bound, ContactLimit) else 1)
        and limit.scope is bound.scope
        and (not limit.per_channel or bound.per_channel)
        and limit.per in ("customer", bound.per)
        and _within(bound.reach, limit.reach)
    )


def _within(inner: Reach, outer: Reach) -> bool:
    """Whether all that one covers is surely covered by the other."""
    pairs = (
        (inner.purposes, outer.purposes),
        (inner.groups, outer.groups),
        (inner.actions, outer.actions),
        (inner.channels, outer.channels),
    )
    return all(not wide or (narrow and narrow <= wide) for narrow, wide in pairs)


def _length(window: Window) -> timedelta:
    return window.length or (LONGEST[window.period] if window.period else timedelta())
