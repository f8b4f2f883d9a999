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
_TALLIES = {scope: f"tally:{scope}" for scope in Scope}


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


class Tally:
    """What contacts there were at any time: enough to see which terms can't be reached."""

    __slots__ = ("_contacts", "_most", "purposes", "times")

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self._contacts = contacts
        self._most: dict[str, int] = {}
        self.purposes = {one.purpose for one in contacts}
        self.times: dict[str, int] = {}
        """By kind, and by outcome."""
        for one in contacts:
            for word in (one.kind, one.outcome) if one.outcome else (one.kind,):
                self.times[word] = self.times.get(word, 0) + 1

    def most(self, per: str) -> int:
        """How many there were of one action, group or purpose, at most."""
        if per not in self._most:
            found = Counter([subject(per, one) for one in self._contacts])
            self._most[per] = max(found.values(), default=0)
        return self._most[per]


def may_reach(
    number: int, what: Iterable[str], term: ContactLimit | ContactPolicy, moment: Moment
) -> bool:
    """Whether so many contacts of these kinds or outcomes may count together for a term.

    A quick look at what never comes near: what it denies need not be counted.
    """
    tally = moment.once(_TALLIES[term.scope], lambda now: Tally(now.contacts(term.scope)))
    times, purposes = tally.times, term.reach.purposes
    if sum([times[word] for word in what if word in times]) < number:
        return False
    if purposes and purposes.isdisjoint(tally.purposes):
        return False
    return tally.most(term.per) >= number


def once_each(kinds: frozenset[ContactKind]) -> frozenset[ContactKind]:
    """The kinds to count, so that a message counts once: what was delivered was dispatched."""
    return kinds - {ContactKind.DELIVERY} if ContactKind.DISPATCH in kinds else kinds
