"""From entries to actions: treatments, rules with the inherited ones, the commercial tag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.bundle_parts import MOST_PERCENT, RULE_STAGES, Business, rules
from engine.catalog import Action, Rule, Treatment
from engine.entries import Entry, nearest
from engine.fields import Fields, is_name
from engine.holds import COMMERCIAL, SALES
from engine.rules import Kind

COMMERCIAL_FACTS = ("price", "discount", "contract_change")
EXEMPTIONS = ("legal", "safety", "service", "transactional")
TONES = ("neutral", "friendly", "empathetic")
_OFFER_IN_WORDS = re.compile(
    r"[$€£]\s?\d|\b\d+\s?(?:USD|EUR|GBP|dollars|euros|pounds)\b"
    r"|\b\d+\s?(?:%|percent|per cent)\s+(?:off|less|cheaper|discount)|\bdiscounts?\b",
    re.IGNORECASE,
)

ACTION_KEYS = (
    *("title", "purpose", "group", "tags", "value", "prior", "treatments", "rules", "without"),
    *("starts", "ends", "exempt", "lever", "mandatory", "journeys_only", *COMMERCIAL_FACTS),
)


def action(entry: Entry, name: str, business: Business) -> Action:
    """An action with its treatments and all the rules that apply to it."""
    fields = business.fields(entry, f"action {name}", ACTION_KEYS)
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
        treatments=_treatments(fields, business, name),
        rules=_all_rules(fields, business),
        starts=starts,
        ends=ends,
        exempt=fields.one_of("exempt", EXEMPTIONS) if "exempt" in fields else None,
        lever=fields.number("lever", -100, MOST_PERCENT, 0.0),
        mandatory=fields.flag("mandatory"),
        only_for_journeys=fields.flag("journeys_only"),
    )
    _check_commercial(result, fields)
    return result


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


def _treatments(fields: Fields, business: Business, action_name: str) -> tuple[Treatment, ...]:
    facts = {fact: fields.text(fact) for fact in COMMERCIAL_FACTS if fact in fields}
    found = tuple(
        _treatment(entry, f"{action_name}.{where}", business, facts)
        for where, entry in fields.children("treatments")
    )
    if not found:
        fields.note("treatments", f"{fields.what} can't be said anywhere; give it treatments")
    return found


def _treatment(entry: Entry, id: str, business: Business, facts: Mapping[str, str]) -> Treatment:
    _, channel_name, *placement = id.split(".")
    if channel_name not in business.channels:
        hint = nearest(channel_name, business.channels)
        business.problems.note(entry, f"treatment {id}: no channel {channel_name!r}{hint}")
    if len(placement) > 1 or not all(is_name(word) for word in placement):
        business.problems.note(entry, f"treatment {id}: write the channel, or channel.placement")
    wanted = _wanted(entry, channel_name, business)
    fields = business.fields(entry, f"treatment {id}", (*wanted, *COMMERCIAL_FACTS, "tone"))
    said = {key: fields.text(key) for key in (*wanted, *COMMERCIAL_FACTS) if key in fields}
    for key in wanted:
        if key not in fields:
            business.problems.note(entry, f"treatment {id} needs {key}: a text")
    if not said:
        business.problems.note(entry, f"treatment {id} says nothing; give it a body")
    return Treatment(
        id=id,
        channel=channel_name,
        content={**facts, **said},
        placement=placement[0] if placement else None,
        tone=fields.one_of("tone", TONES, "neutral"),
    )


def _wanted(entry: Entry, channel_name: str, business: Business) -> tuple[str, ...]:
    """What a treatment on this channel must say; where the channel leaves it open, what it says."""
    channel = business.channels.get(channel_name)
    like = business.channels.get(channel.like) if channel and channel.like else None
    wanted = (channel.content if channel else ()) or (like.content if like else ())
    if wanted or not isinstance(entry.value, Mapping):
        return wanted
    return tuple(sorted(entry.value.keys() - {*COMMERCIAL_FACTS, "tone"}))


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
