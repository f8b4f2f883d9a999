"""Which terms golden cases exercise: limits, policies, quiet hours, volumes, holds, consents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine import names
from engine.catalog import Bundle, Treatment
from engine.played import STOPPED, Item, Played, both, item
from engine.shelf import shelf
from engine.types import Level, Stage

_TERMS = (
    ("limits", "contact limit", "limit"),
    ("policies", "contact policy", "policy"),
    ("quiet_hours", "quiet hours", "quiet_hours"),
    ("volumes", "volume", "volume"),
    ("exclusions", "exclusion", "exclusion"),
)
"""The field of a bundle and of a place, the words for one, and what its drops begin with."""


def _terms(played: Played) -> Iterator[Item]:
    """One case is stopped by it; in another it lets something pass that it covers."""
    for section, kind, prefix in _TERMS:
        for term in getattr(played.bundle, section):
            rule = f"{prefix}:{term.name}"
            passed = any(
                rule not in {drop.rule for drop in drops}
                and term in getattr(shelf(played.bundle, seen.channel)[name], section)
                for seen in played.seen
                for name, drops in seen.drops.items()
            )
            yield both(kind, term.name, played.stopped_by(rule), passed)
            yield from _more_of(term, played)


def _more_of(term: Any, played: Played) -> Iterator[Item]:
    if getattr(term, "keeps_for_better", None):
        stopped = played.stopped_by(f"kept:{term.name}")
        yield item("place kept for better", term.name, not stopped and STOPPED)
    if getattr(term, "minimum", 0):
        boosted = any("volume:minimum" in one.levers for one in played.weighed())
        yield item("volume minimum", term.name, not boosted and "no case is behind it")


def _holds(played: Played) -> Iterator[Item]:
    for name in played.bundle.holds:
        stopped = [s for s in played.stops if s.drop.rule.startswith(f"hold:{name}:")]
        passed = any(
            not drops
            for seen in played.seen
            if seen.decision and any(h.id.startswith(f"{name}:") for h in seen.decision.holds)
            for drops in seen.drops.values()
        )
        yield both("hold", name, stopped, passed)


def _consents(played: Played) -> Iterator[Item]:
    """Each purpose on each channel on which something can be said for it."""
    bundle = played.bundle
    for purpose in bundle.purposes:
        for channel in bundle.channels:
            places = [p for p in shelf(bundle, channel).values() if p.own or p.like]
            said = [p.action.name for p in places if p.action.purpose == purpose]
            if said:
                rule = f"consent:{purpose}:{channel}"
                passed = any(played.passed(rule, name, channel) for name in said)
                stopped = played.stopped_by(rule)
                yield both("consent", f"for {purpose} on {channel}", stopped, passed)


def _session(played: Played) -> Iterator[Item]:
    terms = played.bundle.session
    for rule in (*sorted(terms.silenced_by), *(["most_shown"] if terms.most_shown else [])):
        stopped = played.stopped_by(f"session:{rule}")
        yield item("session", rule, not stopped and STOPPED)
    for key in sorted(terms.remembers):
        remembered = any(
            (session := seen.case.snapshot.session) is not None
            and key in session.context
            and key not in seen.case.requests[0].context
            for seen in played.seen
        )
        yield item("session context", key, not remembered and "no case remembers it")


def _ages(played: Played) -> Iterator[Item]:
    """Each maximum age makes something unknown in a case."""
    old: set[str] = set()
    for seen in played.seen:
        request, snapshot = seen.case.requests[0], seen.case.snapshot
        known = names.known_features(snapshot, played.bundle, request.now).features
        old |= {name for name in snapshot.features if name not in known}
    for name in sorted(played.bundle.max_ages):
        aged = any(one == name or one.startswith(f"{name}.") for one in old)
        yield item("maximum age", name, not aged and "nothing is too old in any case")


def _exemptions(played: Played) -> Iterator[Item]:
    """Each class of exemption lets something pass in a case that expects it."""
    actions = played.bundle.actions
    used = {actions[name].exempt for s in played.seen for name in s.case.expected.exemptions}
    for one in sorted({action.exempt for action in actions.values() if action.exempt}):
        yield item("exemption", one, one not in used and "no case expects it to help anything")


def _journeys(played: Played) -> Iterator[Item]:
    """Each journey with terms may start in one case, and not in another if they bound it."""
    for kind, terms in sorted(played.bundle.journeys.items()):
        asked = {seen.may_start for seen in played.seen if seen.case.starts == kind}
        bounds = (terms.starts_maximum, terms.running_maximum)
        free = not terms.not_while and bounds == (None, None)
        yield both("journey", kind, free or False in asked, True in asked)


def _levels(played: Played) -> Iterator[Item]:
    found = {seen.case.expected.level for seen in played.seen if seen.decision}
    for level in Level:
        yield item("level", level.value, level not in found and "no case expects it")


def _stages(played: Played) -> Iterator[Item]:
    """Each stage that can stop something in this bundle."""
    found = {stop.drop.stage for stop in played.stops}
    for stage in Stage:
        if _REACHED.get(stage, _always)(played.bundle):
            yield item("stage", stage.value, stage not in found and STOPPED)


def _always(_: Bundle) -> bool:
    return True


def _places(bundle: Bundle) -> Iterator[tuple[Treatment, ...]]:
    """What can be said of each action on each channel."""
    for channel in bundle.channels:
        for place in shelf(bundle, channel).values():
            yield (*place.own, *place.like)


_REACHED: Mapping[Stage, Callable[[Bundle], object]] = {
    Stage.AVAILABILITY: lambda b: any(a.starts or a.ends for a in b.actions.values()),
    Stage.EXCLUSION: lambda b: b.exclusions,
    Stage.CHANNEL: lambda b: any(not said for said in _places(b)),
    Stage.HOLD: lambda b: b.holds,
    Stage.TREATMENT: lambda b: any(
        said and all(one.needs or one.rules for one in said) for said in _places(b)
    ),
    Stage.SESSION: lambda b: b.session.silenced_by or b.session.most_shown,
    Stage.CONTACT_POLICY: lambda b: b.policies,
    Stage.CONTACT_LIMIT: lambda b: b.limits,
    Stage.QUIET_HOURS: lambda b: b.quiet_hours,
    Stage.MATURITY: lambda b: b.exploration.mature_positives,
    Stage.PACKAGE: lambda b: any(a.requires or a.only_as_member for a in b.actions.values()),
    Stage.VOLUME: lambda b: b.volumes,
    Stage.PLACEMENT: lambda b: b.placements,
}
"""When a stage can stop something; what is not here always can."""


PARTS = (_terms, _holds, _consents, _session, _ages, _exemptions, _journeys, _levels, _stages)
