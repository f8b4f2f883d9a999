"""What rules can ask about the past: how often something was shown, sent, answered or ignored."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from engine.packed import Group, What, groups
from engine.types import Contact, ContactKind

ROOT = "history"
ANYTHING = "*"
IGNORED = "ignored"
IGNORE = "ignore"
"""The outcome by which a channel says itself that a customer did not react."""
LONGEST_DAYS = 400
MOST_TIMES = 1_000
_WHAT = re.compile(r"\*|(?:(?:action|group|purpose):)?[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_WHAT = 80
_REACTION = {"clicked": "click", "accepted": "accept", "rejected": "reject", "later": "later"}
VERBS = ("shown", "sent", *_REACTION, IGNORED, "answered")
"""`answered` is any response but `ignore`."""
_DAY_MILLISECONDS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """How often `verb` happened with `what` in the last `days`, as an expression asks it.

    `what` is the name of an action, a group or a purpose, if need be with its kind in front
    (`group:renewal`), or `*`. Expressions look it up as `name`.

    >>> Asked("ignored", "group:internet", 30).name
    'history.ignored:group:internet:30'
    """

    verb: str
    what: str
    days: int

    @property
    def name(self) -> str:
        """The name under which expressions look it up."""
        return f"{ROOT}.{self.verb}:{self.what}:{self.days}"


@lru_cache(maxsize=4_096)
def asked(name: str) -> Asked | None:
    """What a looked up name asks of the past; None if it is another name.

    >>> asked("history.ignored:mortgage:30")
    Asked(verb='ignored', what='mortgage', days=30)
    """
    root, _, rest = name.partition(".")
    verb, _, rest = rest.partition(":")
    what, _, days = rest.rpartition(":")
    if root != ROOT or verb not in VERBS or not is_what(what) or not days.isascii():
        return None
    return Asked(verb, what, int(days)) if days.isdigit() and len(days) <= 3 else None


def is_what(what: str) -> bool:
    """Whether this can name what happened: `mortgage`, `group:renewal` or `*`."""
    return len(what) <= _LONGEST_WHAT and _WHAT.fullmatch(what) is not None


def subject(
    what: str, actions: Collection[str], groups: Collection[str], purposes: Collection[str]
) -> tuple[str, str] | None:
    """The kind and the name of `what`: `action`, `group`, `purpose`, or `*` for anything.

    A name without its kind is an action if there is one, else a group, else a purpose. None if
    there is nothing of that name.

    >>> subject("renewal", ["welcome"], ["renewal"], ["renewal"])
    ('group', 'renewal')
    """
    if what == ANYTHING:
        return ANYTHING, ""
    wanted, _, name = what.rpartition(":")
    for kind, names in (("action", actions), ("group", groups), ("purpose", purposes)):
        if wanted in ("", kind) and name in names:
            return kind, name
    return None


class Past:
    """The contacts of one customer, counted as expressions ask. Built when first asked."""

    __slots__ = ("_answers_within", "_found", "_groups", "_now")

    def __init__(
        self, contacts: Sequence[Contact], now: datetime, answers_within: timedelta
    ) -> None:
        self._groups = groups(contacts)
        self._now = now
        self._answers_within = answers_within
        self._found: dict[str, Sequence[Group]] = {}

    def times(self, verb: str, kind: str, name: str, days: int) -> int:
        """How often it happened in the last `days`; the moment that long ago is outside."""
        found = self._found.get(verb)
        if found is None:
            found = self._found[verb] = self._happened(verb)
        since = _milliseconds(self._now) - days * _DAY_MILLISECONDS
        return sum(
            len(times) - bisect_right(times, since)
            for what, times in found
            if times[-1] > since and (kind == ANYTHING or getattr(what, kind) == name)
        )

    def _happened(self, verb: str) -> Sequence[Group]:
        if verb == IGNORED:
            return ignored_at(self._groups, self._now, self._answers_within)
        counts = _COUNTS[verb]
        return [one for one in self._groups if counts(one[0])]


def ignored_at(
    found: Sequence[Group], now: datetime, answers_within: timedelta, since: int = 0
) -> list[Group]:
    """What was ignored up to `now`, and when it became so, if that is later than `since`.

    A dispatch or an impression waits for a response to the same action, on any channel; it is
    ignored once `answers_within` is over, at that very moment. One dispatch counts once: what is
    seen of it meanwhile on its channel is part of it. An explicit outcome `ignore` counts at its
    own time, in place of what it speaks of.
    """
    wait, until = round(answers_within.total_seconds() * 1000), _milliseconds(now)
    earliest = since - wait
    found = [one for one in found if one[1][-1] > earliest - wait]
    responses, dispatches = _said(found)
    ignored: list[Group] = []
    for what, times in found:
        kind = what.kind
        if what.outcome == IGNORE and (said := _inside(times, since, until)):
            ignored.append((what, said))
        if kind is ContactKind.RESPONSE or kind is ContactKind.DELIVERY or times[-1] <= earliest:
            continue
        late = _inside(times, earliest, until - wait)
        if kind is ContactKind.IMPRESSION and (sent := dispatches.get((what.action, what.channel))):
            late = [at for at in late if not _any_in(sent, at - wait + 1, at + 1)]
        if answers := responses.get(what.action):
            late = [at for at in late if not _any_in(answers, at, at + wait)]
        if late:
            ignored.append((what, [at + wait for at in late]))
    return ignored


_Sent = dict[tuple[str, str], list[int]]


def _said(found: Iterable[Group]) -> tuple[dict[str, list[int]], _Sent]:
    """When customers responded, by action, and when something was sent, by action and channel."""
    responses: dict[str, list[int]] = {}
    dispatches: _Sent = {}
    for what, times in found:
        if what.kind is ContactKind.RESPONSE:
            responses.setdefault(what.action, []).extend(times)
        elif what.kind is ContactKind.DISPATCH:
            dispatches.setdefault((what.action, what.channel), []).extend(times)
    for each in (*responses.values(), *dispatches.values()):
        each.sort()
    return responses, dispatches


def look_back(questions: Iterable[Asked], answers_within: timedelta) -> timedelta:
    """How far back contacts must be known to answer all this.

    What was ignored was said before, and may be part of a dispatch before that.
    """
    return max(
        (
            timedelta(days=one.days) + (2 * answers_within if one.verb == IGNORED else timedelta())
            for one in questions
        ),
        default=timedelta(),
    )


def _milliseconds(at: datetime) -> int:
    """The last whole millisecond up to a moment: what is counted is kept in whole ones."""
    return (at - _EPOCH) // _MILLISECOND


def _inside(times: Sequence[int], after: int, until: int) -> Sequence[int]:
    """The ordered `times` later than `after` and not later than `until`."""
    if times[0] > after and times[-1] <= until:
        return times
    return times[bisect_right(times, after) : bisect_right(times, until)]


def _any_in(times: Sequence[int], start: int, end: int) -> bool:
    """Whether one of the ordered `times` is from `start` to just before `end`."""
    at = bisect_left(times, start)
    return at < len(times) and times[at] < end


def _is(kind: ContactKind) -> Callable[[What], bool]:
    return lambda what: what.kind is kind


def _responded(outcome: str) -> Callable[[What], bool]:
    return lambda what: what.kind is ContactKind.RESPONSE and what.outcome == outcome


def _answered(what: What) -> bool:
    return what.kind is ContactKind.RESPONSE and what.outcome != IGNORE


_COUNTS: dict[str, Callable[[What], bool]] = {
    "shown": _is(ContactKind.IMPRESSION),
    "sent": _is(ContactKind.DISPATCH),
    "answered": _answered,
    **{verb: _responded(outcome) for verb, outcome in _REACTION.items()},
}
