"""From entries to what bounds contacts: limits, policies, quiet hours, sessions, holds."""

from __future__ import annotations

from datetime import timedelta

from engine.bundle_business import Business, outcomes
from engine.bundle_keys import (
    ANSWERS,
    CLOCKS,
    COUNTED,
    EVENTS,
    SCOPES,
    TOGETHER,
    WEEKDAYS,
    WHEN_QUIET,
)
from engine.catalog import (
    ContactLimit,
    ContactPolicy,
    HoldTerms,
    Period,
    QuietHours,
    Scope,
    SessionTerms,
    Window,
    Zone,
)
from engine.contact import LONGEST_WINDOW
from engine.entries import Entry
from engine.fields import FIELD, Fields
from engine.types import ContactKind
from engine.written_times import duration_of, period_of

MOST_CONTACTS = 10_000
LONGEST = {Period.DAY: timedelta(days=1), Period.WEEK: timedelta(7), Period.MONTH: timedelta(31)}


def limit(entry: Entry, name: str, business: Business) -> ContactLimit:
    """At most so many contacts within so long."""
    fields = business.entry(entry, "limit", name)
    kinds = fields.some_of("counts", COUNTED)
    if not kinds:
        fields.note("counts", f"limit {name} needs counts, such as [dispatch] or [impression]")
    kept = fields.duration("keeps_for_better") if "keeps_for_better" in fields else None
    return ContactLimit(
        name=name,
        maximum=fields.whole("at_most", 1, MOST_CONTACTS),
        window=_window(fields),
        kinds=frozenset(ContactKind(kind) for kind in kinds if kind in COUNTED),
        per=fields.one_of("per", TOGETHER, "customer"),
        per_channel=fields.flag("each_channel"),
        reach=business.reach(fields),
        scope=_scope(fields),
        keeps_for_better=kept,
    )


def policy(entry: Entry, name: str, business: Business) -> ContactPolicy:
    """After so many of an outcome, silence."""
    fields = business.entry(entry, "policy", name)
    after = outcomes(fields, "after", (*EVENTS, *ANSWERS))
    if not after:
        fields.note("after", f"policy {name} needs after, such as [reject] or [ignore]")
    return ContactPolicy(
        name=name,
        outcomes=after,
        times=fields.whole("times", 1, MOST_CONTACTS, 1),
        window=_window(fields),
        silence=_kept(fields, "silence"),
        because=fields.text("because"),
        per=fields.one_of("per", TOGETHER, "action"),
        per_channel=fields.flag("each_channel"),
        reach=business.reach(fields),
        scope=_scope(fields),
    )


def _window(fields: Fields) -> Window:
    """`7 days` up to now, or `calendar week`, which starts at midnight of a clock."""
    wanted = "a time such as 7 days, or calendar day, calendar week, calendar month"
    text = fields.text("within", "") if "within" in fields else ""
    if not text:
        fields.note("within", f"{fields.what} needs within: {wanted}")
        return Window(length=timedelta(days=1))
    clock = fields.one_of("clock", CLOCKS, Zone.BUSINESS)
    period = period_of(text)
    if period is not None:
        return Window(period=period, zone=Zone(clock) if clock in CLOCKS else Zone.BUSINESS)
    if "clock" in fields:
        why = "matters to calendar windows only; write within: calendar day, or leave it out"
        fields.note("clock", f"clock of {fields.what} {why}")
    if duration_of(text) is None:
        fields.note("within", f"within of {fields.what}: {text!r} is no time; write {wanted}")
    return Window(length=_kept(fields, "within") if duration_of(text) else timedelta(days=1))


def _kept(fields: Fields, key: str) -> timedelta:
    """A length of time that the contacts at hand reach back to."""
    length = fields.duration(key)
    if length > LONGEST_WINDOW:
        longest = f"{LONGEST_WINDOW.days} days"
        fields.note(key, f"{key} of {fields.what} can't be longer than {longest}")
    return length


def _scope(fields: Fields) -> Scope:
    scope = fields.one_of("scope", SCOPES, Scope.CUSTOMER)
    return Scope(scope) if scope in SCOPES else Scope.CUSTOMER


def quiet_hours(entry: Entry, name: str, business: Business) -> QuietHours:
    """When nothing is sent."""
    fields = business.entry(entry, "quiet hours", name)
    starts, ends = fields.clock("from"), fields.clock("to")
    if starts == ends and "from" in fields and "to" in fields:
        why = "begin and end at the same time; for a whole day write 00:00 to 23:59"
        fields.note("to", f"{fields.what} {why}")
    days = fields.some_of("days", WEEKDAYS)
    clock = fields.one_of("clock", CLOCKS, Zone.CUSTOMER)
    return QuietHours(
        name=name,
        starts=starts,
        ends=ends,
        waits=fields.one_of("then", WHEN_QUIET, "wait") == "wait",
        because=fields.text("because"),
        days=frozenset(WEEKDAYS.index(day) for day in days or WEEKDAYS if day in WEEKDAYS),
        zone=Zone(clock) if clock in CLOCKS else Zone.CUSTOMER,
        reach=business.reach(fields),
    )


def session(fields: Fields) -> SessionTerms:
    """What is remembered of a visit or call."""
    most_shown = fields.whole("most_shown", 1, MOST_CONTACTS) if "most_shown" in fields else None
    return SessionTerms(
        idle=fields.duration("idle", timedelta(minutes=30)),
        silenced_by=outcomes(fields, "silenced_by"),
        most_shown=most_shown,
        remembers=frozenset(fields.words("remembers", FIELD)),
    )


def hold(entry: Entry, name: str, business: Business) -> HoldTerms:
    """A hold must silence something."""
    fields = business.entry(entry, "hold", name)
    purposes = fields.some_of("purposes", business.purposes)
    tags = fields.words("tags")
    if not purposes and not tags:
        business.problems.note(entry, f"hold {name} silences nothing; give it purposes or tags")
    cool_down, maximum = fields.duration("cool_down"), fields.duration("maximum")
    if maximum < cool_down:
        fields.note("maximum", f"hold {name} ends before its cool-down of {cool_down} is over")
    return HoldTerms(name=name, purposes=purposes, tags=tags, cool_down=cool_down, maximum=maximum)
