"""When the value behind a name can change by itself: features grow old, contacts are forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from engine.expressions import SEGMENT, VALUE
from engine.history import IGNORED, asked
from engine.names import ROOTS
from engine.supposing import World

_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def all_names(names: Iterable[str], world: World) -> frozenset[str]:
    """These names and those behind segments, values and models."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _behind(name, world)
    return frozenset(found)


def _behind(name: str, world: World) -> Iterable[str]:
    root, _, rest = name.partition(".")
    expressions = {SEGMENT: world.bundle.segments, VALUE: world.bundle.values}.get(root, {})
    if rest in expressions:
        return expressions[rest].names
    return tuple(world.snapshot.features) if root == "model" else ()


def changes(name: str, world: World, after: datetime) -> Iterator[datetime]:
    """Moments at which a name can have another value: at least the first one after `after`."""
    root = name.partition(".")[0]
    find = _BY_ROOT.get(root)
    if find is not None:
        yield from find(name, world, after)
    elif root not in ROOTS:
        yield from _grown_old(name, world)


def _grown_old(name: str, world: World) -> Iterator[datetime]:
    """When a feature, or one of a view, is older than the bundle allows."""
    view = name.partition(".")[0]
    seen = world.snapshot.feature_times.get(view)
    for limited, limit in world.bundle.max_ages.items():
        if seen is not None and (limited in (name, view) or limited.startswith(f"{name}.")):
            yield seen + limit + _MICROSECOND


def _forgotten(name: str, world: World, _after: datetime) -> Iterator[datetime]:
    """When contacts begin to count as ignored, and when a question no longer counts them."""
    question = asked(name)
    if question is None:
        return
    wait = world.bundle.answers_within if question.verb == IGNORED else timedelta()
    for contact in world.snapshot.contacts:
        said = datetime.fromtimestamp(contact.at / 1000, UTC)
        yield said + timedelta(days=question.days)
        if wait:
            yield said + wait
            yield said + wait + timedelta(days=question.days)


def _local_time(_name: str, _world: World, after: datetime) -> Iterator[datetime]:
    """Every quarter of an hour: some zones are that far from the others."""
    hour = after.replace(minute=0, second=0, microsecond=0)
    yield from (hour + _HOUR * quarter / 4 for quarter in range(1, 5))


def _age(name: str, world: World, after: datetime) -> Iterator[datetime]:
    """Every full hour of age: and a moment later, for comparisons that leave it out."""
    seen = world.snapshot.feature_times.get(name.partition(".")[2])
    if seen is not None:
        hours = int((after - seen) / _HOUR)
        yield from (
            seen + (hours + more) * _HOUR + _MICROSECOND * late
            for more in (0, 1)
            for late in (0, 1)
        )


def _journey(name: str, world: World, after: datetime) -> Iterator[datetime]:
    _, _, asked_for = name.partition(".")
    kind, _, part = asked_for.partition(".")
    if part == "days_in_stage":
        for one in world.snapshot.journeys:
            if one.kind == kind:
                yield one.since + (int((after - one.since) / _DAY) + 1) * _DAY


def _session(_name: str, world: World, _after: datetime) -> Iterator[datetime]:
    session = world.snapshot.session
    if session is not None:
        yield session.last + world.bundle.session.idle + _MICROSECOND


_BY_ROOT: Mapping[str, Callable[[str, World, datetime], Iterator[datetime]]] = {
    "age": _age,
    "context": _session,
    "history": _forgotten,
    "journey": _journey,
    "request": _local_time,
}
