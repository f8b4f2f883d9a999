"""What is promised about service times, and which promises hold for a case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Target(StrEnum):
    """What has to happen in time."""

    FIRST_RESPONSE = "first response"
    NEXT_RESPONSE = "next response"
    FIRST_RESOLUTION = "first resolution"
    TOTAL_RESOLUTION = "total resolution"


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationLevel:
    """Who takes over when a promise has been broken for `after`, in business hours."""

    name: str
    owner: str
    after: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A service clock's terms: `target` is reached `within` so much business time.

    `hours` names the business hours. It holds for cases of these channels, priorities, labels and
    tiers; none: of any. `pauses`: time spent waiting for the customer does not count. `bots_count`:
    a bot's reply is a response, too. `escalation` is ordered by time.
    """

    name: str
    target: Target
    within: timedelta
    hours: str
    channels: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    warn_before: timedelta | None = None
    escalation: tuple[EscalationLevel, ...] = ()
    pauses: bool = True
    bots_count: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of a case when its clocks start."""

    channel: str = ""
    priority: str = ""
    labels: tuple[str, ...] = ()
    tier: str = ""


def promised(promises: Iterable[Promise], case: Case) -> tuple[Promise, ...]:
    """The promises that hold for a case: for each target the most specific, then the shortest."""
    found: dict[Target, Promise] = {}
    fitting = (one for one in promises if holds_for(one, case))
    for one in sorted(fitting, key=lambda one: (-_specific(one), one.within, one.name)):
        found.setdefault(one.target, one)
    return tuple(found[target] for target in Target if target in found)


def holds_for(promise: Promise, case: Case) -> bool:
    """Whether a case is in the scope of a promise: one word of each kind that it names."""
    return (
        (not promise.channels or case.channel in promise.channels)
        and (not promise.priorities or case.priority in promise.priorities)
        and (not promise.labels or not set(promise.labels).isdisjoint(case.labels))
        and (not promise.tiers or case.tier in promise.tiers)
    )


def _specific(promise: Promise) -> int:
    scopes = (promise.channels, promise.priorities, promise.labels, promise.tiers)
    return sum(bool(scope) for scope in scopes)
