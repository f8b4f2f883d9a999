"""What may not be said to a customer now, whatever it is worth: why, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from engine import guards, names
from engine.catalog import Bundle
from engine.moment import moment as moment_of
from engine.shelf import shelf
from engine.types import Drop, Request, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One reason on one channel, with all the actions that it silences.

    `until` is None where the reason has no end so far.
    """

    channel: str
    stage: str
    rule: str
    because: str
    until: datetime | None
    actions: tuple[str, ...]
    purposes: tuple[str, ...]


def silences(
    snapshot: Snapshot, bundle: Bundle, channels: Sequence[str], now: datetime
) -> tuple[Silence, ...]:
    """Every hold, stop, missing consent, policy, limit and quiet hour in force, by channel.

    Whether a customer is eligible for something is another question: see `why_not`.
    """
    return tuple(chain.from_iterable(_on(channel, snapshot, bundle, now) for channel in channels))


def _on(channel: str, snapshot: Snapshot, bundle: Bundle, now: datetime) -> Iterator[Silence]:
    known = names.known_features(snapshot, bundle, now)
    request = Request(decision_id="", customer=snapshot.customer, channel=channel, now=now, seed=0)
    lookup = names.names(request, snapshot, bundle, known.features, {})
    moment = moment_of(bundle, channel, now, snapshot, lookup)
    found: dict[tuple[str, str, str, datetime | None], list[str]] = {}
    for name, place in shelf(bundle, channel).items():
        if not (place.own or place.like):
            continue
        stopping = chain(guards.silences(place, moment), guards.contact_obstacles(place, moment))
        for drop in stopping:
            found.setdefault(_reason(drop), []).append(name)
    for (stage, rule, because, until), actions in found.items():
        yield Silence(
            channel=channel,
            stage=stage,
            rule=rule,
            because=because,
            until=until,
            actions=tuple(actions),
            purposes=tuple(dict.fromkeys(bundle.actions[name].purpose for name in actions)),
        )


def _reason(drop: Drop) -> tuple[str, str, str, datetime | None]:
    return drop.stage.value, drop.rule, drop.detail, drop.until
