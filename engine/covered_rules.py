"""Which rules golden cases exercise: at each level, of treatments, switched off, and of margins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.catalog import Action
from engine.played import Item, Played, both, item
from engine.treatments import unfit
from engine.types import Stage

_STAGES = frozenset({Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY})
_LEVELS = (("purposes", "purpose"), ("groups", "group"), ("actions", "name"))


def _rules(played: Played) -> Iterator[Item]:
    """Each rule at its level."""
    for level, name, bound in _levels(played):
        stopped = any(stop.action in bound for stop in played.stopped_by(name, _STAGES))
        passed = any(played.passed(name, action) for action in bound)
        yield both("rule", f"{name} of {level}", stopped, passed)


def _levels(played: Played) -> Iterator[tuple[str, str, set[str]]]:
    """Each rule with its level in words, and the actions that it binds."""
    written = played.written

    def bound(rule: str, of: Callable[[Action], bool]) -> set[str]:
        actions = played.bundle.actions.values()
        return {a.name for a in actions if of(a) and rule in {each.name for each in a.rules}}

    for rule in _names(written, "rules"):
        yield "all actions", rule, bound(rule, lambda _: True)
    for section, key in _LEVELS:
        for word in _names(written, section):
            for rule in _names(written[section][word], "rules"):
                names = bound(rule, lambda a, key=key, word=word: getattr(a, key) == word)
                yield f"{section.removesuffix('s')} {word}", rule, names


def _names(written: Mapping[str, Any] | None, key: str) -> list[str]:
    return sorted((written or {}).get(key) or {})


def _treatments(played: Played) -> Iterator[Item]:
    """A treatment is passed over in one case because of each rule and blank, used in another."""
    used = {offer.treatment for _, offer in played.offers}
    for action in played.bundle.actions.values():
        for treatment in action.treatments:
            needs = (f"needs:{name}" for name in treatment.needs)
            for rule in (*(rule.name for rule in treatment.rules), *needs):
                unfit_in = any(
                    treatment.channel in (seen.channel, played.bundle.channels[seen.channel].like)
                    and action.name in seen.drops
                    and rule in {drop.rule for drop in unfit(treatment, seen.lookup)}
                    for seen in played.seen
                )
                yield item(
                    "treatment rule",
                    f"{rule} of {treatment.id}",
                    not unfit_in and "it stops the treatment in no case",
                    treatment.id not in used and "no case expects the treatment",
                )


def _switched_off(played: Played) -> Iterator[Item]:
    """Each `without`: the rule would stop the action, and does not."""
    rules = {rule.name: rule for a in played.bundle.actions.values() for rule in a.rules}
    written = played.written.get("actions", {})
    for name in sorted(written):
        for rule in written[name].get("without", ()):
            needed = rule in rules and any(
                name in seen.drops and rules[rule].condition(seen.lookup) is not True
                for seen in played.seen
            )
            yield item("switched-off rule", f"{rule} of {name}", not needed and "no case needs it")


def _margins(played: Played) -> Iterator[Item]:
    bound = [action.name for action in played.bundle.actions.values() if action.margin]
    for floor in played.bundle.margin_floors:
        rule = f"margin:{floor.name}"
        passed = any(played.passed(rule, action) for action in bound)
        yield both("margin floor", floor.name, played.stopped_by(rule), passed)


PARTS = (_rules, _treatments, _switched_off, _margins)
