"""From entries to actions: their rules with the inherited ones, thresholds, the commercial tag."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.bundle_business import MOST_PERCENT, Business, thresholds_of, with_thresholds
from engine.bundle_catalog import rules
from engine.bundle_keys import COMMERCIAL_FACTS, EXEMPTIONS, RULE_STAGES
from engine.bundle_treatments import treatments
from engine.catalog import Action, Rule
from engine.entries import Entry
from engine.fields import Fields
from engine.holds import COMMERCIAL, SALES
from engine.rules import Kind

_OFFER_IN_WORDS = re.compile(
    r"[$€£]\s?\d|\b\d+\s?(?:USD|EUR|GBP|dollars|euros|pounds)\b"
    r"|\b\d+\s?(?:%|percent|per cent)\s+(?:off|less|cheaper|discount)|\bdiscounts?\b",
    re.IGNORECASE,
)


def action(entry: Entry, name: str, business: Business) -> Action:
    """An action with its treatments and all the rules that apply to it."""
    fields = business.entry(entry, "action", name)
    starts, ends = fields.day("starts"), fields.day("ends")
    if starts and ends and ends < starts:
        fields.note("ends", f"action {name} ends before it starts and can never be shown")
    result = Action(
        name=name,
        title=fields.text("title"),
        purpose=fields.one_of("purpose", business.purposes),
        group=fields.one_of("group", business.groups),
        tags=fields.words("tags"),
        value=fields.expression("value", Kind.NUMBER),
        prior=fields.number("prior", 0.0001, 0.9999),
        treatments=treatments(fields, business, name),
        rules=_all_rules(fields, business),
        starts=starts,
        ends=ends,
        exempt=fields.one_of("exempt", EXEMPTIONS) if "exempt" in fields else None,
        lever=fields.number("lever", -100, MOST_PERCENT, 0.0),
        mandatory=fields.flag("mandatory"),
        only_for_journeys=fields.flag("journeys_only"),
        margin=fields.expression("margin", Kind.NUMBER) if "margin" in fields else None,
        requires=fields.words("requires"),
        brings=fields.words("brings"),
        only_as_member=fields.flag("only_as_member"),
        new=fields.flag("new"),
    )
    _check_commercial(result, fields)
    return with_thresholds(result, thresholds_of(fields, business), business)


def _all_rules(fields: Fields, business: Business) -> tuple[Rule, ...]:
    """Inherited from all, purpose and group, then the action's own; in stage order."""
    levels = ("all", f"purpose:{_word(fields, 'purpose')}", f"group:{_word(fields, 'group')}")
    inherited = [rule for level in levels for rule in business.inherited.get(level, ())]
    names = {rule.name for rule in inherited}
    own = rules(fields, business)
    for rule in own:
        if rule.name in names:
            fields.note("rules", f"{fields.what} already inherits a rule {rule.name!r}; rename it")
    without = fields.some_of("without", names)
    kept = [rule for rule in inherited if rule.name not in without]
    return tuple(sorted([*kept, *own], key=lambda rule: RULE_STAGES.index(rule.stage)))


def _word(fields: Fields, key: str) -> str:
    return str(fields.place(key).value) if key in fields else ""


def _check_commercial(action: Action, fields: Fields) -> None:
    if COMMERCIAL in action.tags:
        return
    for fact in COMMERCIAL_FACTS:
        if fact in fields:
            fields.note(fact, f"{fields.what} declares a {fact}; add the tag {COMMERCIAL}")
    if action.purpose == SALES:
        fields.note("tags", f"{fields.what} has purpose {SALES}; add the tag {COMMERCIAL}")
    for treatment_id, words in _offers_in_words(action, fields):
        why = f"treatment {treatment_id} makes an offer ({words!r})"
        fields.note("treatments", f"{why}; add the tag {COMMERCIAL} to {fields.what} or reword it")


def _offers_in_words(action: Action, fields: Fields) -> Iterator[tuple[str, str]]:
    for treatment in action.treatments:
        for key, text in treatment.content.items():
            match = _OFFER_IN_WORDS.search(text)
            if key in fields:
                continue
            if key in COMMERCIAL_FACTS:
                yield treatment.id, f"{key}: {text}"
            elif match:
                yield treatment.id, match[0]
