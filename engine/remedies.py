"""What could be otherwise so that a drop would not be: one way or more for each kind of drop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine import volumes
from engine.catalog import PlacementTerms, Rule, Treatment
from engine.settings import Change, Remedy, set_to
from engine.solving import solutions
from engine.supposing import World
from engine.types import Drop, Level, Stage

_MOST_RAISED = 20
_RULES = (Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY, Stage.TREATMENT)
MARGIN, NEEDS = "margin:", "needs:"


def remedies(world: World, action: str, drop: Drop) -> Iterator[Remedy]:
    """The ways to lift one drop of an action; none where there is no single one.

    Whether a way is enough, only a decision in its world can say.
    """
    if drop.stage in _RULES:
        yield from _of_rules(world, action, drop)
    elif drop.stage is Stage.LEVEL:
        yield from _level(world, action, drop)
    elif (lift := _LIFTS.get(drop.stage)) is not None:
        yield from lift(world, action, drop)


def _name(drop: Drop) -> str:
    return drop.rule.partition(":")[2]


def _one(
    kind: str, target: str, before: Any, after: Any, words: str, world: World
) -> Iterator[Remedy]:
    change = Change(kind=kind, target=target, before=before, after=after, words=words)
    yield Remedy((change,), world)


# -- rules


def _of_rules(world: World, action: str, drop: Drop) -> Iterator[Remedy]:
    if drop.rule.startswith(MARGIN):
        yield from _margin(world, drop)
        return
    if drop.rule.startswith(NEEDS):
        yield from _needed(world, _name(drop))
        return
    rule = next((one for one in rules_of(world, action, drop) if one.name == drop.rule), None)
    if rule is None:
        return
    for setting in solutions(rule.condition, world.lookup(), world.bundle):
        if setting and (remedy := set_to(world, setting)) is not None:
            yield remedy
    words = f"the rule {rule.name} does not apply to {action}"
    yield from _one("rule", rule.name, "applies", "lifted", words, _without(world, action, rule))


def rules_of(world: World, action: str, drop: Drop) -> Iterator[Rule]:
    """The rules of an action that can drop it at the stage of a drop."""
    found = world.bundle.actions[action]
    if drop.stage is Stage.TREATMENT:
        for treatment in found.treatments:
            yield from treatment.rules
    else:
        yield from (rule for rule in found.rules if rule.stage is drop.stage)


def _without(world: World, action: str, rule: Rule) -> World:
    def freed(treatment: Treatment) -> Treatment:
        return replace(treatment, rules=tuple(one for one in treatment.rules if one != rule))

    rules = tuple(one for one in world.bundle.actions[action].rules if one != rule)
    return world.with_action(action, rules=rules).with_treatments(action, freed)


def _margin(world: World, drop: Drop) -> Iterator[Remedy]:
    floors = tuple(one for one in world.bundle.margin_floors if one.name != _name(drop))
    words = f"the margin floor {_name(drop)} does not apply"
    changed = world.under(margin_floors=floors)
    yield from _one("margin", _name(drop), "applies", "lifted", words, changed)


def _needed(world: World, name: str) -> Iterator[Remedy]:
    """Any value will do for what a treatment tells: which one, nobody can say here."""
    if (remedy := set_to(world, {name: "…"})) is not None:
        change = Change(
            kind="feature", target=name, before=None, after="known", words=f"{name} is known"
        )
        yield Remedy((change,), remedy.world)


# -- everything else


def _dates(world: World, action: str, drop: Drop) -> Iterator[Remedy]:
    day = getattr(world.bundle.actions[action], drop.rule)
    verb = "has started" if drop.rule == "starts" else "has not ended"
    words = f"{action} {verb} (by the bundle it {drop.rule} on {day})"
    changed = world.with_action(action, **{drop.rule: None})
    yield from _one("dates", action, day, None, words, changed)


def _exclusion(world: World, _action: str, drop: Drop) -> Iterator[Remedy]:
    left = tuple(one for one in world.bundle.exclusions if one.name != _name(drop))
    words = f"the emergency stop {_name(drop)} is lifted"
    changed = world.under(exclusions=left)
    yield from _one("exclusion", _name(drop), "in force", "lifted", words, changed)


def _hold(world: World, _action: str, drop: Drop) -> Iterator[Remedy]:
    left = tuple(hold for hold in world.snapshot.holds if hold.id != _name(drop))
    words = f"the hold {_name(drop)} is released ({drop.detail})"
    changed = world.knowing(holds=left)
    yield from _one("hold", _name(drop), "in force", "released", words, changed)


def _level(world: World, action: str, drop: Drop) -> Iterator[Remedy]:
    """State that is not known can't be supposed: nobody knows what it would say."""
    level = _name(drop)
    if not level:
        return
    purpose = world.bundle.purposes[world.bundle.actions[action].purpose]
    allowed = replace(purpose, levels=purpose.levels | {Level(level)})
    changed = world.under(purposes={**world.bundle.purposes, purpose.name: allowed})
    words = f"the purpose {purpose.name} may be offered at level {level}"
    yield from _one("level", purpose.name, "not offered", "offered", words, changed)


def _consent(world: World, _action: str, drop: Drop) -> Iterator[Remedy]:
    key = _name(drop)
    purpose, _, channel = key.partition(":")
    recorded = world.snapshot.consents.get(key)
    before = "not recorded" if recorded is None else "refused"
    words = f"the customer consents to {purpose} on {channel} (now {before})"
    changed = world.knowing(consents={**world.snapshot.consents, key: True})
    yield from _one("consent", key, before, "granted", words, changed)


def _session(world: World, action: str, drop: Drop) -> Iterator[Remedy]:
    terms = replace(world.bundle.session, silenced_by=frozenset[str](), most_shown=None)
    words = f"a new session begins ({drop.detail})"
    yield from _one("session", action, "going on", "new", words, world.under(session=terms))


def _policy(world: World, _action: str, drop: Drop) -> Iterator[Remedy]:
    left = tuple(one for one in world.bundle.policies if one.name != _name(drop))
    words = f"the contact policy {_name(drop)} is lifted ({drop.detail})"
    changed = world.under(policies=left)
    yield from _one("policy", _name(drop), "silences", "lifted", words, changed)


def _limit(world: World, action: str, drop: Drop) -> Iterator[Remedy]:
    """The least by which the limit would have to be higher, whatever the others say."""
    now = next((one for one in world.bundle.limits if one.name == _name(drop)), None)
    if now is None:
        return
    for more in range(1, _MOST_RAISED + 1):
        raised = replace(now, maximum=now.maximum + more)
        alone = world.under(limits=(raised,)).of(action)
        if all(found.stage is not Stage.CONTACT_LIMIT for found in alone.drops):
            limits = tuple(raised if one is now else one for one in world.bundle.limits)
            words = f"the limit {now.name} is {raised.maximum} instead of {now.maximum}"
            changed = world.under(limits=limits)
            yield from _one("limit", now.name, now.maximum, raised.maximum, words, changed)
            return


def _quiet(world: World, _action: str, drop: Drop) -> Iterator[Remedy]:
    left = tuple(one for one in world.bundle.quiet_hours if one.name != _name(drop))
    words = f"the quiet hours {_name(drop)} are over"
    changed = world.under(quiet_hours=left)
    yield from _one("quiet_hours", _name(drop), "quiet", "over", words, changed)


def _maturity(world: World, action: str, drop: Drop) -> Iterator[Remedy]:
    terms = replace(world.bundle.exploration, mature_positives=0)
    words = f"{action} has enough answers to be sent to everybody ({drop.detail})"
    changed = world.under(exploration=terms)
    yield from _one("maturity", action, "new", "mature", words, changed)


def _threshold(world: World, action: str, drop: Drop) -> Iterator[Remedy]:
    before = getattr(world.bundle.actions[action], drop.rule)
    part = "propensity" if drop.stage is Stage.PROPENSITY else "priority"
    candidate = world.of(action).candidate
    after = getattr(candidate, part) if candidate is not None else None
    if after is None:
        return
    words = f"the threshold for the {part} of {action} is {after:g} instead of {before:g}"
    changed = world.with_action(action, **{drop.rule: after})
    yield from _one("threshold", drop.rule, before, after, words, changed)


def _volume(world: World, _action: str, drop: Drop) -> Iterator[Remedy]:
    now = next((one for one in world.bundle.volumes if one.name == _name(drop)), None)
    if now is None:
        return
    used = [
        count
        for bucket, count in world.snapshot.volumes.items()
        if volumes.volume_of(bucket, world.bundle) is now
    ]
    maximum = max([now.maximum, *used]) + 1
    raised = tuple(
        replace(one, maximum=maximum) if one is now else one for one in world.bundle.volumes
    )
    words = f"there are {maximum} of {now.name} instead of {now.maximum}"
    changed = world.under(volumes=raised)
    yield from _one("volume", now.name, now.maximum, maximum, words, changed)


def _placement(world: World, _action: str, drop: Drop) -> Iterator[Remedy]:
    """One more of its kind in every placement that was asked about."""
    terms: Mapping[str, PlacementTerms] = world.bundle.placements
    raised: dict[str, PlacementTerms] = dict(terms)
    for asked in world.request.placements:
        known = terms.get(asked.name) or terms.get("*")
        most = None if known is None else getattr(known, drop.rule)
        if known is not None and most is not None:
            more = {drop.rule: most + 1}
            raised[asked.name] = replace(known, name=asked.name, **more)
    words = f"there is one place more of its kind ({drop.detail})"
    changed = world.under(placements=raised)
    yield from _one("placement", drop.rule, "full", "one more", words, changed)


_Lift = Callable[[World, str, Drop], Iterator[Remedy]]
_LIFTS: Mapping[Stage, _Lift] = {
    Stage.AVAILABILITY: _dates,
    Stage.EXCLUSION: _exclusion,
    Stage.HOLD: _hold,
    Stage.CONSENT: _consent,
    Stage.SESSION: _session,
    Stage.CONTACT_POLICY: _policy,
    Stage.CONTACT_LIMIT: _limit,
    Stage.QUIET_HOURS: _quiet,
    Stage.MATURITY: _maturity,
    Stage.PROPENSITY: _threshold,
    Stage.ARBITRATION: _threshold,
    Stage.VOLUME: _volume,
    Stage.PLACEMENT: _placement,
}
