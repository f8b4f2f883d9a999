"""What no schema can see: actions that nobody can be offered, and terms that do nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from engine.bundle_bounds import check_bounds
from engine.bundle_business import Business
from engine.bundle_hours import check_hours
from engine.catalog import Action, Bundle, Rule, Treatment
from engine.contradictions import Contradiction, contradiction
from engine.entries import nearest
from engine.fields import NEVER, Fields
from engine.holds import commercial
from engine.rules import compile_expression
from engine.shelf import place
from engine.types import Level, Stage


def check(bundle: Bundle, business: Business, today: date | None = None) -> None:
    """Notes what is written well and yet can't work. What could not be read is left alone.

    `today`: what is over by then is noted, too.
    """
    for action in bundle.actions.values():
        fields = business.read[f"action {action.name}"]
        _check_rules(action, bundle, business, fields)
        _check_package(action, bundle, fields)
        _check_asked_for(action, bundle, fields, today)
    check_hours(bundle, business, today)
    if bundle.margin_floors and all(one.margin is None for one in bundle.actions.values()):
        why = "margin_floors does nothing: no action has a margin; write one, such as margin: 12"
        business.read["the bundle"].note("margin_floors", why)
    if _is_whole(bundle):
        check_bounds(bundle, business)
        for placement, name in bundle.fallbacks.items():
            if name in bundle.actions:
                _check_fallback(bundle.actions[name], placement, bundle, business)


def _is_whole(bundle: Bundle) -> bool:
    """Whether every action is of a purpose and a group, and said on channels, that are known."""
    return all(
        action.purpose in bundle.purposes
        and action.group in bundle.groups
        and {one.channel for one in action.treatments} <= bundle.channels.keys()
        for action in bundle.actions.values()
    )


# -- actions that nobody can be offered


def _check_rules(action: Action, bundle: Bundle, business: Business, fields: Fields) -> None:
    found = contradiction(_readable(action.rules), bundle.segments)
    if found is not None:
        why = f"can never be offered: {_words(found)}"
        fields.note("rules", f"{fields.what} {why}; change one, or write it in without")
        return
    for treatment in action.treatments:
        own = (*treatment.rules, *_needs(treatment))
        rules = _readable((*action.rules, *own)) if own else ()
        found = contradiction(rules, bundle.segments)
        if found is not None:
            its = business.read[f"treatment {treatment.id}"]
            its.note("rules", f"{its.what} can never be used: {_words(found)}; change one")


def _readable(rules: Sequence[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.condition is not NEVER]


def _needs(treatment: Treatment) -> Iterator[Rule]:
    """That what it tells must be known, as rules."""
    for name in treatment.needs:
        yield Rule(
            name=f"it tells {name}",
            stage=Stage.TREATMENT,
            condition=compile_expression(f"known({name})"),
            unknown_passes=False,
            because="",
        )


def _words(found: Contradiction) -> str:
    about = f" about {found.name}" if found.name else ""
    if len(found.rules) == 1:
        return f"the rule {found.rules[0]} asks{about} for what can't be"
    *others, last = found.rules
    return f"the rules {', '.join(others)} and {last} contradict each other{about}"


def _check_asked_for(action: Action, bundle: Bundle, fields: Fields, today: date | None) -> None:
    if action.only_for_journeys and not action.tags and "tags" in fields:
        why = "is for journeys only, and these ask by tags: give it one, such as [onboarding]"
        fields.note("tags", f"{fields.what} {why}")
    if today is not None and action.ends is not None and action.ends < today:
        why = f"ended on {action.ends} and can never be offered again; remove it, or move the date"
        fields.note("ends", f"{fields.what} {why}")
    leads = (one for one in bundle.actions.values() if one.name != action.name)
    if action.only_as_member and not any(action.name in _members(one) for one in leads):
        why = "is only_as_member, but no package has it: name it in requires or brings of another"
        fields.note("only_as_member", f"{fields.what} {why}")


def _members(action: Action) -> tuple[str, ...]:
    return (*action.requires, *action.brings)


def _check_package(action: Action, bundle: Bundle, fields: Fields) -> None:
    for key, names in (("requires", action.requires), ("brings", action.brings)):
        for name in names:
            problem = _member_problem(action, name, bundle)
            if problem:
                fields.note(key, f"{key} of {fields.what}: {problem}")
    for name in sorted(set(action.requires) & set(action.brings)):
        fields.note("brings", f"brings of {fields.what}: {name} is in requires already; write once")
    if _members(action) and action.only_as_member:
        why = "leads a package and is only_as_member of another; it can't be both"
        fields.note("only_as_member", f"{fields.what} {why}")


def _member_problem(action: Action, name: str, bundle: Bundle) -> str:
    member = bundle.actions.get(name)
    if name == action.name:
        return "it can't need itself; remove it"
    if member is None:
        return f"there is no action {name!r}{nearest(name, bundle.actions)}"
    if not _said_on(action, bundle) & _said_on(member, bundle):
        return f"{name} is said on none of its channels; give {name} a treatment there"
    return ""


def _said_on(action: Action, bundle: Bundle) -> set[str]:
    own = {one.channel for one in action.treatments}
    return own | {name for name, one in bundle.channels.items() if one.like in own}


# -- fallbacks


def _check_fallback(action: Action, placement: str, bundle: Bundle, business: Business) -> None:
    """What is shown when nothing can be decided: not commercial, not counted, always sayable."""
    fields = business.read["fallbacks"]
    sells = commercial(action.purpose, action.tags)
    if sells or action.only_for_journeys or action.mandatory:
        why = "must be neither commercial nor for journeys only"
        fields.note(placement, f"fallback {action.name} {why}")
    elif Level.STATIC not in bundle.purposes[action.purpose].levels:
        why = f"purpose {action.purpose} of fallback {action.name} needs level static"
        fields.note(placement, why)
    in_page = [name for name, one in bundle.channels.items() if one.in_page]
    shown = [place(bundle, action, name) for name in in_page]
    counted = {one.name for each in shown for one in (*each.limits, *each.policies, *each.volumes)}
    if counted:
        why = f"fallback {action.name} counts towards {', '.join(sorted(counted))}"
        remedy = "use an action that is exempt, or free it from the limit"
        fields.note(placement, f"{why}; {remedy}")
    plain = [one for each in shown for one in (*each.own, *each.like)]
    if not any(not one.needs and not one.rules and one.placement is None for one in plain):
        where = " or ".join(in_page) or "a channel with in_page"
        why = f"fallback {action.name} needs a treatment on {where} without rules and blanks"
        fields.note(placement, f"{why}, for when nothing is known")
