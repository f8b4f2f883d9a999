"""Which contacts count together, and towards what, for limits and policies alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

from engine.catalog import Action, ContactLimit, ContactPolicy, Scope
from engine.moment import Moment
from engine.packed import Group, What, groups
from engine.types import ContactKind

Term = TypeVar("Term", ContactLimit, ContactPolicy)
Times = Mapping[str, Sequence[int]]
"""When something happened, in milliseconds since 1970 and in order, by what counts together."""
SENT = frozenset({ContactKind.DISPATCH, ContactKind.DELIVERY})
"""What a page never does."""
_EVERYTHING = "customer"
_SUBJECTS = {per: attrgetter(per) for per in ("action", "group", "purpose")}
_TALLIES = {scope: f"tally:{scope}" for scope in Scope}


def subject(per: str, action: Action) -> str:
    """What an action counts as: its own name, that of its group or purpose, or "" where everything
    counts together.
    """
    if per == _EVERYTHING:
        return ""
    if per == "action":
        return action.name
    return action.group if per == "group" else action.purpose


def in_order(found: Iterable[Group], per: str) -> Times:
    """When what was found happened, by what counts together, each in order."""
    times: dict[str, list[int]] = {}
    name = _SUBJECTS.get(per)
    for what, when in found:
        mine = "" if name is None else name(what)
        if mine in times:
            times[mine] += when
        else:
            times[mine] = [*when]
    for each in times.values():
        each.sort()
    return times


_MOST = 4_096


def meant(term: ContactLimit | ContactPolicy, moment: Moment) -> Callable[[What], bool]:
    """Which contacts, of whatever kind, a limit or policy speaks of, seen from one channel."""
    reach, channel = term.reach, moment.channel if term.per_channel else None
    known = _known(term)

    def means(what: What) -> bool:
        is_meant = known.get(what)
        if is_meant is None:
            is_meant = known[what] = reach.contains(what)
        return is_meant and (channel is None or what.channel == channel)

    return means


_Known = dict[What, bool]
_answers: dict[int, tuple[ContactLimit | ContactPolicy, _Known]] = {}


def _known(term: ContactLimit | ContactPolicy) -> _Known:
    """What was found out about the reach of a term before, for those in use."""
    kept = _answers.get(id(term))
    if kept is None or kept[0] is not term or len(kept[1]) >= _MOST:
        if len(_answers) >= _MOST:
            _answers.clear()
        kept = _answers[id(term)] = (term, _Known())
    return kept[1]


class Tally:
    """The contacts there were, by kind and by outcome: looked through once for all terms."""

    __slots__ = ("_groups", "_kinds", "_most", "_outcomes", "counts", "purposes")

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._most: dict[str, int] = {}
        self._kinds: dict[str, list[Group]] = {}
        self._outcomes: dict[str, list[Group]] = {}
        kinds, outcomes = self._kinds, self._outcomes
        self.purposes: set[str] = set()
        self.counts: dict[str, int] = {}
        """How many there were of each kind, and with each outcome."""
        counts = self.counts
        for one in groups:
            what, times = one
            kind, outcome = what.kind, what.outcome
            if kind in kinds:
                kinds[kind].append(one)
            else:
                kinds[kind] = [one]
            counts[kind] = counts.get(kind, 0) + len(times)
            self.purposes.add(what.purpose)
            if outcome:
                outcomes.setdefault(outcome, []).append(one)
                counts[outcome] = counts.get(outcome, 0) + len(times)

    def of(self, kinds: Iterable[str], outcomes: Iterable[str] = ()) -> list[Group]:
        """The contacts of these kinds, and those with these outcomes."""
        found = [self._kinds[kind] for kind in kinds if kind in self._kinds]
        found += [self._outcomes[one] for one in outcomes if one in self._outcomes]
        return found[0] if len(found) == 1 else [one for each in found for one in each]

    def most(self, per: str) -> int:
        """How many there were of one action, group or purpose, at most."""
        if per not in self._most:
            name, found = _SUBJECTS.get(per), dict[str, int]()
            for what, times in self._groups:
                mine = "" if name is None else name(what)
                found[mine] = found.get(mine, 0) + len(times)
            self._most[per] = max(found.values(), default=0)
        return self._most[per]


def tally(scope: Scope, moment: Moment) -> Tally:
    """The contacts of one scope."""
    if scope is not Scope.CUSTOMER and scope.value not in moment.snapshot.circles:
        scope = Scope.CUSTOMER
    key = _TALLIES[scope]
    found = moment.found.get(key)
    return found or moment.once(key, lambda now: Tally(groups(now.contacts(scope))))


@dataclass(frozen=True, slots=True)
class Needs(Generic[Term]):
    """How many contacts of these kinds, or with these outcomes, a term takes notice of."""

    term: Term
    number: int
    words: tuple[str, ...]


def in_reach(needs: Iterable[Needs[Term]], moment: Moment) -> list[Term]:
    """The terms for which so many contacts may count together.

    A quick look at what never comes near: what it leaves out need not be counted.
    """
    found: list[Term] = []
    for one in needs:
        term, left = one.term, one.number
        there = tally(term.scope, moment)
        counts, purposes = there.counts, term.reach.purposes
        for word in one.words:
            if word in counts:
                left -= counts[word]
        if left > 0 or (purposes and purposes.isdisjoint(there.purposes)):
            continue
        if one.number <= 1 or there.most(term.per) >= one.number:
            found.append(term)
    return found


def once_each(kinds: frozenset[ContactKind]) -> frozenset[ContactKind]:
    """The kinds to count, so that a message counts once: what was delivered was dispatched."""
    return kinds - {ContactKind.DELIVERY} if ContactKind.DISPATCH in kinds else kinds
