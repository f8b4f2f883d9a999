"""From entries to channels, purposes, groups and rules: what actions are made of."""

from __future__ import annotations

from collections.abc import Mapping

from engine.bundle_business import MOST_PERCENT, MOST_VALUE, Business, thresholds_of
from engine.bundle_keys import CONSENTS, KEYS, RULE_STAGES, UNKNOWN
from engine.catalog import Channel, Purpose, Rule
from engine.entries import Entry
from engine.fields import FIELD, Fields
from engine.rules import Kind
from engine.types import Level, Stage


def channel(entry: Entry, name: str, channels: Mapping[str, Entry], business: Business) -> Channel:
    """`like` must name another channel, which has treatments of its own."""
    fields = business.entry(entry, "channel", name)
    own = {other for other, its in channels.items() if not _is_like_another(its)} - {name}
    like = fields.one_of("like", own) if "like" in fields else None
    content = fields.words("content", FIELD)
    return Channel(name=name, in_page=fields.flag("in_page"), like=like, content=content)


def _is_like_another(entry: Entry) -> bool:
    return isinstance(entry.value, Mapping) and "like" in entry.value


def purpose(entry: Entry, name: str, business: Business) -> Purpose:
    """Every channel needs its default consent."""
    fields = business.entry(entry, "purpose", name)
    business.inherited[f"purpose:{name}"] = rules(fields, business)
    business.thresholds[f"purpose:{name}"] = thresholds_of(fields, business)
    levels = fields.some_of("levels", tuple(Level))
    if not levels:
        fields.note("levels", f"purpose {name} needs levels, such as [full, partial]")
    shadow_price = fields.number("shadow_price", -MOST_VALUE, MOST_VALUE, 0.0)
    return Purpose(
        name=name,
        default_consent=_consents(fields, business),
        levels=frozenset(Level(level) for level in levels if level in tuple(Level)),
        lever=fields.number("lever", -100, MOST_PERCENT, 0.0),
        shadow_price=shadow_price,
        most_value=_most_value(fields, shadow_price),
    )


def _most_value(fields: Fields, shadow_price: float) -> float | None:
    if "most_value" not in fields:
        return None
    most = fields.number("most_value", 0, MOST_VALUE)
    if most < shadow_price:
        why = f"its shadow price alone is {shadow_price:g}"
        fields.note("most_value", f"most_value of {fields.what} is {most:g}, but {why}; raise it")
    return most


def _consents(fields: Fields, business: Business) -> dict[str, bool]:
    given = business.fields(fields.place("consent"), f"consent of {fields.what}", business.channels)
    if "consent" not in fields:
        fields.note("consent", f"{fields.what} needs consent: allowed or opt-in for each channel")
        return {}
    words = {name: given.one_of(name, CONSENTS) for name in sorted(business.channels)}
    return {name: CONSENTS.get(word, False) for name, word in words.items()}


def group(entry: Entry, name: str, business: Business) -> float:
    """The lever of a group, in percent."""
    fields = business.entry(entry, "group", name)
    business.inherited[f"group:{name}"] = rules(fields, business)
    business.thresholds[f"group:{name}"] = thresholds_of(fields, business)
    return fields.number("lever", -100, MOST_PERCENT, 0.0)


def rules(fields: Fields, business: Business) -> tuple[Rule, ...]:
    """The rules written under `rules`, by name: of all actions, a purpose, a group, an action."""
    return tuple(_rule(entry, name, business) for name, entry in fields.named("rules"))


def _rule(entry: Entry, name: str, business: Business) -> Rule:
    fields = business.entry(entry, "rule", name)
    stage = fields.one_of("stage", RULE_STAGES)
    default = "drop" if stage == Stage.ELIGIBILITY else "pass"
    stages = {str(one): one for one in RULE_STAGES}
    return _written(fields, name, stages.get(stage, Stage.ELIGIBILITY), default)


def treatment_rules(fields: Fields, business: Business) -> tuple[Rule, ...]:
    """The rules of one way to say an action: not known, the action is said in another way."""
    found: list[Rule] = []
    for name, entry in fields.named("rules"):
        its = business.fields(entry, f"rule {name} of {fields.what}", KEYS["treatment rule"])
        found.append(_written(its, name, Stage.TREATMENT, "drop"))
    return tuple(found)


def _written(fields: Fields, name: str, stage: Stage, default: str) -> Rule:
    return Rule(
        name=name,
        stage=stage,
        condition=fields.expression("when", Kind.CONDITION),
        unknown_passes=fields.one_of("unknown", UNKNOWN, default) == "pass",
        because=fields.text("because"),
    )
