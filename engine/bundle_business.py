"""What is known so far of the bundle that is being read, and the terms of the business itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from engine.bundle_keys import ANSWERS, KEYS, REACH, WEEKDAYS
from engine.business_hours import BusinessHours
from engine.catalog import Action, Channel, Purpose, Reach, Rule
from engine.entries import Entry, Problems, nearest
from engine.fields import WORD, Fields, Use
from engine.rules import Expression, Kind

IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MOST_PERCENT = 1_000
MOST_VALUE = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What an action must reach, as written at one level; None: the level above says it."""

    propensity: float | None = None
    priority: float | None = None

    def over(self, wider: Thresholds) -> Thresholds:
        """These where they say something, else the wider ones."""
        return Thresholds(
            propensity=wider.propensity if self.propensity is None else self.propensity,
            priority=wider.priority if self.priority is None else self.priority,
        )


@dataclass(slots=True)
class Business:
    """The names that later parts may use, what was noted, and where each term is written."""

    problems: Problems
    channels: dict[str, Channel] = field(default_factory=dict[str, Channel])
    purposes: dict[str, Purpose] = field(default_factory=dict[str, Purpose])
    groups: dict[str, float] = field(default_factory=dict[str, float])
    actions: dict[str, Action] = field(default_factory=dict[str, Action])
    inherited: dict[str, tuple[Rule, ...]] = field(default_factory=dict[str, tuple[Rule, ...]])
    """Rules by level: `all`, `purpose:sales`, `group:internet`."""
    thresholds: dict[str, Thresholds] = field(default_factory=dict[str, Thresholds])
    """By level, as `inherited`."""
    hours: dict[str, BusinessHours] = field(default_factory=dict[str, BusinessHours])
    uses: list[Use] = field(default_factory=list[Use])
    read: dict[str, Fields] = field(default_factory=dict[str, Fields])
    """What was read, by what it is: `limit two-a-week`."""

    def fields(self, entry: Entry, what: str, keys: Collection[str]) -> Fields:
        """A reader for `entry`."""
        fields = self.read[what] = Fields(entry, what, keys, self.problems, self.uses)
        return fields

    def entry(self, entry: Entry, kind: str, name: str = "") -> Fields:
        """A reader for an entry of this kind, such as `limit`."""
        return self.fields(entry, f"{kind} {name}".strip(), KEYS[kind])

    def reach(self, fields: Fields) -> Reach:
        """Which candidates something applies to."""
        known = (self.purposes, self.groups, self.actions, self.channels)
        named = {key: fields.some_of(key, words) for key, words in zip(REACH, known, strict=True)}
        return Reach(**{key: frozenset(words) for key, words in named.items()})

    def target(self, fields: Fields, key: str, *more: str) -> str:
        """A purpose, group or action that exists, written as `group:internet`."""
        targets = (
            *(f"purpose:{known}" for known in self.purposes),
            *(f"group:{known}" for known in self.groups),
            *(f"action:{known}" for known in self.actions),
            *more,
        )
        return fields.one_of(key, targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The business: its name, its money, its clock, and how long it waits."""

    name: str
    currency: str
    zone: str
    customer_zone: str | None
    week_starts: int
    answers_within: timedelta
    cache_age: timedelta


def about(fields: Fields) -> About:
    """The section `business`."""
    customer_zone = fields.text("customer_zone") if "customer_zone" in fields else None
    if customer_zone:
        fields.uses("customer_zone", customer_zone)
    starts = fields.one_of("week_starts", WEEKDAYS, "monday")
    return About(
        name=fields.text("name"),
        currency=fields.text("currency"),
        zone=zone_of(fields),
        customer_zone=customer_zone,
        week_starts=WEEKDAYS.index(starts) if starts in WEEKDAYS else 0,
        answers_within=fields.duration("answers_within", timedelta(days=3)),
        cache_age=fields.duration("cached_for", timedelta(hours=24)),
    )


def zone_of(fields: Fields, default: str = "UTC") -> str:
    """The time zone under `zone`."""
    zone = fields.text("zone", default)
    if zone and zone != default and not _is_zone(zone):
        close = nearest(zone, available_timezones()) or "; write one such as Europe/Berlin"
        fields.note("zone", f"zone of {fields.what}: there is no time zone {zone!r}{close}")
    return zone


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (KeyError, OSError, ValueError):  # not there, a folder, no name at all
        return False


def thresholds(fields: Fields) -> Thresholds:
    """The thresholds written there; nothing where nothing is."""
    return Thresholds(
        propensity=fields.number("propensity", 0, 1) if "propensity" in fields else None,
        priority=fields.number("priority", 0, MOST_VALUE) if "priority" in fields else None,
    )


def thresholds_of(fields: Fields, business: Business) -> Thresholds:
    """Those of a purpose, a group or an action."""
    if "thresholds" not in fields:
        return Thresholds()
    what = f"thresholds of {fields.what}"
    return thresholds(business.fields(fields.place("thresholds"), what, KEYS["thresholds"]))


def with_thresholds(action: Action, own: Thresholds, business: Business) -> Action:
    """The most specific threshold counts: the action's, its group's, its purpose's, that of all."""
    levels = (f"group:{action.group}", f"purpose:{action.purpose}", "all")
    for level in levels:
        own = own.over(business.thresholds.get(level, Thresholds()))
    return replace(
        action,
        minimum_propensity=own.propensity or 0.0,
        minimum_priority=own.priority or 0.0,
    )


def formulas(
    top: Fields, section: str, kind: Kind, business: Business
) -> Iterator[tuple[str, Expression]]:
    """The named expressions of `segments` or `values`."""
    names = [name for name, _ in top.named(section, IDENTIFIER)]
    if names:
        fields = business.fields(top.place(section), section, names)
        yield from ((name, fields.expression(name, kind)) for name in names)


def outcomes(fields: Fields, key: str, known: Collection[str] = ANSWERS) -> frozenset[str]:
    """Words for what happened: a known one, or the business's own unless it looks misspelt."""
    words = fields.words(key, WORD)
    for word in words:
        close = get_close_matches(word, known, n=1, cutoff=0.8)
        if close and word not in known:
            why = f"{word!r} is not known, did you mean {close[0]}?"
            fields.note(key, f"{key} of {fields.what}: {why}")
    return frozenset(words)
