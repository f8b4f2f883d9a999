"""From entries to business hours and to what is promised about service times."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date, timedelta
from difflib import get_close_matches

from engine.bundle_business import Business, zone_of
from engine.bundle_keys import KEYS, TARGETS, WEEKDAYS
from engine.business_hours import BusinessHours, Span, SpecialDay, holidays_in
from engine.catalog import Bundle
from engine.entries import Entry
from engine.fields import Fields
from engine.service_terms import EscalationLevel, Promise, Target
from engine.written_times import day_of, duration_of, span_of

_PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,6})?")


def business_hours(entry: Entry, name: str, business: Business, zone: str) -> BusinessHours:
    """When somebody is there; on the clock of the business unless another zone is given."""
    fields = business.entry(entry, "business hours", name)
    days = [key for key in (*WEEKDAYS, "holidays", "closed", "special") if key in fields]
    always = fields.flag("always")
    if always and days:
        why = f"is always open: remove {days[0]}, or always"
        fields.note("always", f"{fields.what} {why}")
    week = tuple(_spans(fields, day) for day in WEEKDAYS)
    if not always and not any(week):
        why = "never open; give a weekday its hours, such as monday: [09:00-18:00]"
        fields.note("always", f"{fields.what} {why}, or write always: true")
    found = BusinessHours(
        name=name,
        zone=zone_of(fields, zone),
        week=week,
        holidays=_place(fields) if "holidays" in fields else None,
        special=tuple(sorted(_special(fields, business), key=lambda special: special.day)),
        always=always,
    )
    business.hours[name] = found
    return found


def _spans(fields: Fields, key: str) -> tuple[Span, ...]:
    """A list such as `[09:00-12:00, 13:00-18:00]`; empty: closed."""
    if key not in fields:
        return ()
    value = fields.place(key).value
    wanted = "must be a list of hours, such as [09:00-12:00, 13:00-18:00]"
    texts = [str(each.value) for each in value] if isinstance(value, tuple) else [""]
    spans = tuple(span for text in texts if (span := span_of(text)) is not None)
    if len(spans) < len(texts):
        fields.note(key, f"{key} of {fields.what} {wanted}")
    ordered = sorted(spans, key=lambda span: span.opens)
    for first, second in itertools.pairwise(ordered):
        if first.closes > second.opens or first.closes <= first.opens:
            why = f"{first} and {second} overlap; write them as one"
            fields.note(key, f"{key} of {fields.what}: {why}")
    return spans


def _place(fields: Fields) -> str | None:
    place = fields.text("holidays")
    if place and _PLACE.fullmatch(place) is None:
        wanted = "a country and its part, such as DE or US-CA"
        fields.note("holidays", f"holidays of {fields.what} must be {wanted}, not {place!r}")
        return None
    return place or None


def _special(fields: Fields, business: Business) -> Iterator[SpecialDay]:
    closed = set(_days(fields))
    yield from (SpecialDay(day) for day in closed)
    names = [name for name, _ in fields.children("special")]
    if not names:
        return
    special = business.fields(fields.place("special"), f"special of {fields.what}", names)
    for name in names:
        day = day_of(name)
        if day is None:
            special.note(name, f"{name!r} in {special.what} must be a date such as 2026-12-31")
        elif day in closed:
            special.note(name, f"{name} of {fields.what} is in closed, too; remove it from one")
        else:
            yield SpecialDay(day, _spans(special, name))


def _days(fields: Fields) -> Iterator[date]:
    value = fields.place("closed").value if "closed" in fields else ()
    if not isinstance(value, tuple):
        fields.note("closed", f"closed of {fields.what} must be a list, such as [2026-12-24]")
        return
    for each in value:
        day = day_of(str(each.value))
        if day is None:
            wanted = f"must be dates such as 2026-12-24, not {each.value!r}"
            fields.note("closed", f"closed of {fields.what} {wanted}")
        else:
            yield day


def service_clock(entry: Entry, name: str, business: Business) -> Promise:
    """What is promised about service times, for whom, and who is told when it is broken."""
    fields = business.entry(entry, "service clock", name)
    target = fields.one_of("target", TARGETS)
    within, warn_before = _within(fields, business), None
    if "warn_before" in fields:
        warn_before = fields.duration("warn_before")
        if warn_before >= within:
            why = f"of {fields.what} is as long as what is promised; make it shorter"
            fields.note("warn_before", f"warn_before {why}")
    resolves = target in (Target.FIRST_RESOLUTION, Target.TOTAL_RESOLUTION)
    if resolves and "bots_count" in fields:
        why = "is about replies, and this is a resolution; remove it"
        fields.note("bots_count", f"bots_count of {fields.what} {why}")
    return Promise(
        name=name,
        target=Target(target) if target in TARGETS else Target.FIRST_RESPONSE,
        within=within,
        hours=fields.text("hours"),
        channels=_channels(fields, business),
        priorities=fields.words("priorities"),
        labels=fields.words("labels"),
        tiers=fields.words("tiers"),
        warn_before=warn_before,
        escalation=tuple(_escalation(fields, business)),
        pauses=fields.flag("pauses", default=True),
        bots_count=fields.flag("bots_count"),
    )


def _within(fields: Fields, business: Business) -> timedelta:
    """A day of business hours is not a day of the calendar: neither is what people expect."""
    within = fields.duration("within")
    hours = business.hours.get(fields.one_of("hours", business.hours))
    text = str(fields.place("within").value) if "within" in fields else ""
    in_days = duration_of(text) is not None and text.rstrip("s").endswith(("day", "week"))
    if hours is not None and any(hours.week) and in_days:
        why = f"is counted in {hours.name} hours, where a day has fewer than 24 hours"
        fields.note("within", f"within of {fields.what} {why}; write minutes or hours")
    return within


def _channels(fields: Fields, business: Business) -> tuple[str, ...]:
    """Cases come in on other channels, too, such as chat; what looks misspelt is noted."""
    channels = fields.words("channels")
    for channel in channels:
        close = get_close_matches(channel, business.channels, n=1, cutoff=0.8)
        if close and channel not in business.channels:
            why = f"{channel!r} is not known, did you mean {close[0]}?"
            fields.note("channels", f"channels of {fields.what}: {why}")
    return channels


def _escalation(fields: Fields, business: Business) -> list[EscalationLevel]:
    """In the order of their times, which must differ."""
    levels: dict[timedelta, EscalationLevel] = {}
    for name, entry in fields.named("escalation"):
        level = business.fields(
            entry, f"escalation {name} of {fields.what}", KEYS["escalation level"]
        )
        after = level.duration("after") if "after" in level else timedelta()
        found = EscalationLevel(name=name, owner=level.text("owner"), after=after)
        if levels.setdefault(after, found) is not found:
            why = f"is at the same time as {levels[after].name}; give it another after"
            level.note("after", f"{level.what} {why}")
    return [levels[after] for after in sorted(levels)]


def check_hours(bundle: Bundle, business: Business, today: date | None = None) -> None:
    """Notes promises that never hold; with `today`, places whose holidays nobody knows, too."""
    held: dict[tuple[object, ...], Promise] = {}
    for promise in sorted(bundle.service_clocks, key=lambda one: (one.within, one.name)):
        scopes = (promise.channels, promise.priorities, promise.labels, promise.tiers)
        first = held.setdefault((promise.target, *map(frozenset, scopes)), promise)
        if first is not promise:
            fields = business.read[f"service clock {promise.name}"]
            why = f"never holds: {first.name} has the same target for the same cases; remove one"
            fields.note("target", f"{fields.what} {why}")
    for hours in bundle.business_hours.values():
        if today is not None and hours.holidays is not None:
            _check_place(business.read[f"business hours {hours.name}"], hours.holidays, today)


def _check_place(fields: Fields, place: str, today: date) -> None:
    try:
        holidays_in(place, today.year)
    except ValueError as error:
        wanted = "write a country and its part, such as DE or US-CA"
        fields.note("holidays", f"holidays of {fields.what}: {error}; {wanted}")
