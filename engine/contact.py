"""Contact limits and consent: what counts, and when one more contact is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.catalog import Action, Bundle, ContactLimit
from engine.types import Contact, ContactKind

_SENT = frozenset({ContactKind.DISPATCH, ContactKind.DELIVERY})
_LONGEST_HISTORY = timedelta(days=1)
LONGEST_WINDOW = timedelta(days=400)
"""How long contacts are kept at hand: no limit may look back further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One limit for one candidate: which contacts count, since when, and how many may be.

    Empty strings and sets match everything. `since` and `window` are in milliseconds of the stack's
    clock. The script `authorise.lua` counts by the same fields, so that what a decision promises is
    what a send is checked by.
    """

    name: str
    maximum: int
    since: int
    window: int
    kinds: frozenset[ContactKind]
    purposes: frozenset[str] = frozenset()
    channel: str = ""
    group: str = ""
    action: str = ""

    def counts(self, contact: Contact) -> bool:
        """Whether a contact counts towards the limit."""
        return (
            contact.at > self.since
            and contact.kind in self.kinds
            and (not self.purposes or contact.purpose in self.purposes)
            and (not self.channel or contact.channel == self.channel)
            and (not self.group or contact.group == self.group)
            and (not self.action or contact.action == self.action)
        )


def limits(bundle: Bundle, action: Action, channel: str) -> tuple[ContactLimit, ...]:
    """The limits that apply to one action on one channel. Exempt actions have none.

    Showing something in a page is no dispatch: there, limits that count only dispatches or
    deliveries don't apply.
    """
    if action.exempt:
        return ()
    in_page = bundle.channels[channel].in_page
    return tuple(
        limit
        for limit in bundle.limits
        if _applies(limit, action, channel) and not (in_page and limit.kinds <= _SENT)
    )


def counters(bundle: Bundle, action: Action, channel: str, now: datetime) -> tuple[Counter, ...]:
    """The limits that apply to one action on one channel, as counters."""
    applying = limits(bundle, action, channel)
    return tuple(counter(limit, action, channel, now) for limit in applying)


def reached(counter: Counter, contacts: Iterable[Contact]) -> datetime | None:
    """None while the counter has room; else when it will have room again.

    `contacts` are in order of time. The rolling window frees a place when the oldest contact that
    fills it leaves.
    """
    times = [contact.at for contact in contacts if counter.counts(contact)]
    if len(times) < counter.maximum:
        return None
    frees = (
        times[len(times) - counter.maximum]
        if counter.maximum
        else times[-1]
        if times
        else counter.since
    )
    return datetime.fromtimestamp((frees + counter.window) / 1000, UTC)


def consented(bundle: Bundle, action: Action, channel: str, consents: Mapping[str, bool]) -> bool:
    """Whether this purpose may use this channel."""
    recorded = consents.get(f"{action.purpose}:{channel}")
    return consent_default(bundle, action, channel) if recorded is None else recorded


def consent_default(bundle: Bundle, action: Action, channel: str) -> bool:
    """What holds while nothing is recorded; what a purpose does not mention is not allowed."""
    return bundle.purposes[action.purpose].default_consent.get(channel, False)


def horizon(bundle: Bundle) -> timedelta:
    """How far back contacts can matter: the longest window of any limit."""
    return max((limit.window for limit in bundle.limits), default=_LONGEST_HISTORY)


def _applies(limit: ContactLimit, action: Action, channel: str) -> bool:
    return (
        (not limit.purposes or action.purpose in limit.purposes)
        and (not limit.groups or action.group in limit.groups)
        and (not limit.actions or action.name in limit.actions)
        and (not limit.channels or channel in limit.channels)
    )


def counter(limit: ContactLimit, action: Action, channel: str, now: datetime) -> Counter:
    """One limit, made concrete for one action on one channel."""
    window = round(limit.window.total_seconds() * 1000)
    return Counter(
        name=limit.name,
        maximum=limit.maximum,
        since=round(now.timestamp() * 1000) - window,
        window=window,
        kinds=limit.kinds,
        purposes=frozenset({action.purpose}) if limit.per == "purpose" else limit.purposes,
        channel=channel if limit.per_channel else "",
        group=action.group if limit.per == "group" else "",
        action=action.name if limit.per == "action" else "",
    )


def first_reached(
    limits: Sequence[Counter], contacts: Sequence[Contact]
) -> tuple[Counter, datetime] | None:
    """The limit that stays full for longest, and when it frees; None when all have room."""
    full = [
        (until, counter) for counter in limits if (until := reached(counter, contacts)) is not None
    ]
    if not full:
        return None
    until, counter = max(full, key=lambda pair: (pair[0], pair[1].name))
    return counter, until
