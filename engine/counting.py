"""Which contacts count together, and towards what, for limits and policies alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from engine.catalog import Action, ContactLimit, ContactPolicy, Scope
from engine.moment import Moment
from engine.types import Contact, ContactKind

Times = Mapping[str, Sequence[int]]
"""When something happened, in milliseconds since 1970 and in order, by what counts together."""
SENT = frozenset({ContactKind.DISPATCH, ContactKind.DELIVERY})
"""What a page never does."""
_EVERYTHING = "customer"


def subject(per: str, one: Action | Contact) -> str:
    """What an action, or a contact, counts as: its own name, that of its group or purpose, or ""
    where everything counts together.
    """
    if per == _EVERYTHING:
        return ""
    if per == "action":
        return one.action if isinstance(one, Contact) else one.name
    return one.group if per == "group" else one.purpose


def in_order(found: Iterable[tuple[int, Contact]], per: str) -> Times:
    """Times and what happened then, by what counts together, each in order."""
    times: dict[str, list[int]] = {}
    for at, contact in found:
        times.setdefault(subject(per, contact), []).append(at)
    for each in times.values():
        each.sort()
    return times


def meant(term: ContactLimit | ContactPolicy, moment: Moment) -> Callable[[Contact], bool]:
    """Which contacts, of whatever kind, a limit or policy speaks of, seen from one channel."""
    reach, channel = term.reach, moment.channel if term.per_channel else None

    def means(contact: Contact) -> bool:
        return (channel is None or contact.channel == channel) and reach.contains(contact)

    return means


def most(what: Iterable[str], scope: Scope, moment: Moment) -> int:
    """So many contacts at most, at whatever time, were of these kinds or had these outcomes."""
    times = moment.once(f"times:{scope}", lambda now: _times(now.contacts(scope)))
    return sum([times[word] for word in what])


def _times(contacts: Iterable[Contact]) -> Counter[str]:
    found = Counter[str]([one.kind for one in contacts])
    found.update([one.outcome for one in contacts if one.outcome])
    return found


def once_each(kinds: frozenset[ContactKind]) -> frozenset[ContactKind]:
    """The kinds to count, so that a message counts once: what was delivered was dispatched."""
    return kinds - {ContactKind.DELIVERY} if ContactKind.DISPATCH in kinds else kinds
