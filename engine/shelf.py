"""What a bundle means on one channel, worked out once: treatments, consent, guards, levers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from engine import consent
from engine.catalog import (
    Action,
    Bundle,
    ContactLimit,
    ContactPolicy,
    Exclusion,
    Purpose,
    QuietHours,
    Treatment,
    Volume,
)
from engine.eligibility import Hurdle, hurdle
from engine.types import ContactKind, Drop, Stage

Found = TypeVar("Found")
Term = TypeVar("Term", ContactPolicy, QuietHours, Volume, Exclusion)
_MOST = 64
_SENT = frozenset({ContactKind.DISPATCH, ContactKind.DELIVERY})
_Ways = dict[tuple[str | None, str | None], tuple[Treatment, ...]]


@dataclass(frozen=True, slots=True)
class Place:
    """One action on one channel: its own treatments, and those of the channel it is like.

    `consent` is its key in a snapshot and `consent_default` what holds where nothing is recorded.
    `limits`, `policies`, `quiet_hours`, `volumes` and `exclusions` are those that cover it, its
    class of exemption counted in; `spared` are the limits, policies and quiet hours that it passes
    because of that class. `targets` are the context weights and influencers it listens to;
    `levers` its own ones by target, in percent. `hurdles` are its rules, `no_treatment` and
    `no_consent` what it is dropped for where it has none.
    """

    action: Action
    purpose: Purpose
    own: tuple[Treatment, ...]
    like: tuple[Treatment, ...]
    consent: str
    consent_default: bool
    limits: tuple[ContactLimit, ...]
    policies: tuple[ContactPolicy, ...]
    quiet_hours: tuple[QuietHours, ...]
    volumes: tuple[Volume, ...]
    exclusions: tuple[Exclusion, ...]
    spared: Place | None
    targets: tuple[str, str, str]
    levers: Mapping[str, float]
    made_for: frozenset[str]
    """The placements that its treatments name: all others get the general ones."""
    hurdles: tuple[Hurdle, ...]
    no_treatment: Drop
    no_consent: Drop
    _sorted: _Ways = field(init=False, default_factory=_Ways, compare=False, repr=False)
    _found: dict[str, Any] = field(
        init=False, default_factory=dict[str, Any], compare=False, repr=False
    )

    def once(self, key: str, work: Callable[[Place], Found]) -> Found:
        """What `work` finds of this place, done once for all decisions; `key` is its own."""
        if key not in self._found:
            self._found[key] = work(self)
        return self._found[key]

    def treatments(self, placement: str, tone: str | None) -> tuple[Treatment, ...]:
        """The ways to say it there, best first: its own channel before the one it is like, higher
        preference, the asked tone, made for the placement before general.
        """
        key = (placement if placement in self.made_for else None, tone)
        found = self._sorted.get(key)
        if found is None:
            own, like = _fitting(self.own, *key), _fitting(self.like, *key)
            found = self._sorted[key] = (*own, *like)
        return found

    @property
    def lasting(self) -> Iterator[Drop]:
        """The drops that are the same objects in every decision."""
        yield from (self.no_treatment, self.no_consent)
        for one in self.hurdles:
            yield from (one.failed, one.unknown)


def _fitting(
    treatments: tuple[Treatment, ...], placement: str | None, tone: str | None
) -> list[Treatment]:
    fits = [t for t in treatments if t.placement in (None, placement)]
    return sorted(fits, key=lambda t: (t.tone != tone, -t.preference, t.placement is None, t.id))


_shelves: dict[tuple[int, str], tuple[Bundle, Mapping[str, Place]]] = {}


def shelf(bundle: Bundle, channel: str) -> Mapping[str, Place]:
    """The actions of a bundle by name, as they are on a channel.

    Kept for the bundles in use: it is a function of its arguments, remembered.
    """
    key = (id(bundle), channel)
    kept = _shelves.get(key)
    if kept is None or kept[0] is not bundle:
        if len(_shelves) >= _MOST:
            _shelves.clear()
        places = {name: place(bundle, action, channel) for name, action in bundle.actions.items()}
        kept = _shelves[key] = (bundle, places)
    return kept[1]


def place(bundle: Bundle, action: Action, channel: str) -> Place:
    """An action on a channel. Exempt actions pass limits, policies and quiet hours.

    Showing something in a page is no dispatch: there, limits that count only dispatches or
    deliveries don't apply, nor do quiet hours.
    """
    bound = _bound(bundle, action, channel, exempt=action.exempt is not None)
    if action.exempt is None:
        return bound
    return replace(bound, spared=_bound(bundle, action, channel, exempt=False))


def _bound(bundle: Bundle, action: Action, channel: str, *, exempt: bool) -> Place:
    in_page = bundle.channels[channel].in_page
    targets = (f"purpose:{action.purpose}", f"group:{action.group}", f"action:{action.name}")
    key = f"{action.purpose}:{channel}"
    own, like = (_treatments(action, one) for one in (channel, bundle.channels[channel].like))
    by_group = bundle.groups.get(action.group, 0.0)
    levers = (bundle.purposes[action.purpose].lever, by_group, action.lever)
    return Place(
        action=action,
        purpose=bundle.purposes[action.purpose],
        own=own,
        like=like,
        consent=key,
        consent_default=consent.default(bundle, action.purpose, channel),
        limits=()
        if exempt
        else tuple(
            limit
            for limit in bundle.limits
            if limit.reach.covers(action, channel) and not (in_page and limit.kinds <= _SENT)
        ),
        policies=() if exempt else _covering(bundle.policies, action, channel),
        quiet_hours=() if exempt or in_page else _covering(bundle.quiet_hours, action, channel),
        volumes=_covering(bundle.volumes, action, channel),
        exclusions=_covering(bundle.exclusions, action, channel),
        spared=None,
        targets=targets,
        levers={name: percent for name, percent in zip(targets, levers, strict=True) if percent},
        made_for=frozenset(t.placement for t in (*own, *like) if t.placement is not None),
        hurdles=tuple(hurdle(rule) for rule in action.rules),
        no_treatment=Drop(
            stage=Stage.CHANNEL,
            rule="no_treatment",
            detail=f"it has no treatment for {channel}",
        ),
        no_consent=Drop(
            stage=Stage.CONSENT,
            rule=f"consent:{key}",
            detail=f"no consent for {action.purpose} on {channel}",
        ),
    )


def _covering(found: tuple[Term, ...], action: Action, channel: str) -> tuple[Term, ...]:
    return tuple(one for one in found if one.reach.covers(action, channel))


def _treatments(action: Action, channel: str | None) -> tuple[Treatment, ...]:
    return tuple(t for t in action.treatments if t.channel == channel)
