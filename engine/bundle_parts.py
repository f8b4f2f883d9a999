"""From entries to the objects of the catalog: one function for each kind of object in a bundle."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from engine.catalog import (
    Action,
    Channel,
    ContactLimit,
    ContextWeight,
    HoldTerms,
    Purpose,
    Reach,
    Rule,
    Window,
)
from engine.contact import LONGEST_WINDOW
from engine.entries import Entry, Problems, nearest
from engine.fields import FIELD, Fields
from engine.holds import commercial
from engine.rules import Kind
from engine.types import ContactKind, Level, Stage

CONSENTS = {"allowed": True, "opt-in": False}
MOST_PERCENT = 1_000
MOST_CONTACTS = 10_000
RULE_STAGES = (Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY)


@dataclass(slots=True)
class Business:
    """What is known so far of the bundle that is being read: the names that later parts may use."""

    problems: Problems
    features: Collection[str] | None
    channels: dict[str, Channel] = field(default_factory=dict[str, Channel])
    purposes: dict[str, Purpose] = field(default_factory=dict[str, Purpose])
    groups: dict[str, float] = field(default_factory=dict[str, float])
    actions: dict[str, Action] = field(default_factory=dict[str, Action])
    tags: set[str] = field(default_factory=set[str])
    inherited: dict[str, tuple[Rule, ...]] = field(default_factory=dict[str, tuple[Rule, ...]])
    """Rules by level: `all`, `purpose:sales`, `group:internet`."""

    def fields(self, entry: Entry, what: str, keys: Collection[str]) -> Fields:
        """A reader for `entry`."""
        return Fields(entry, what, keys, self.problems, self.features)


def channel(entry: Entry, name: str, channels: Mapping[str, Entry], business: Business) -> Channel:
    """`like` must name another channel, which has treatments of its own."""
    fields = business.fields(entry, f"channel {name}", ("in_page", "like", "content"))
    own = {other for other, its in channels.items() if not is_like_another(its)} - {name}
    like = fields.one_of("like", own) if "like" in fields else None
    content = fields.words("content", FIELD)
    return Channel(name=name, in_page=fields.flag("in_page"), like=like, content=content)


def is_like_another(entry: Entry) -> bool:
    """Whether a channel says that it uses the treatments of another one."""
    return isinstance(entry.value, Mapping) and "like" in entry.value


def purpose(entry: Entry, name: str, business: Business) -> Purpose:
    """Every channel needs its default consent."""
    fields = business.fields(entry, f"purpose {name}", ("consent", "levels", "lever", "rules"))
    business.inherited[f"purpose:{name}"] = rules(fields, business)
    levels = fields.some_of("levels", tuple(Level))
    if not levels:
        fields.note("levels", f"purpose {name} needs levels, such as [full, partial]")
    return Purpose(
        name=name,
        default_consent=_consents(fields, business),
        levels=frozenset(Level(level) for level in levels if level in tuple(Level)),
        lever=fields.number("lever", -100, MOST_PERCENT, 0.0),
    )


def _consents(fields: Fields, business: Business) -> dict[str, bool]:
    given = business.fields(fields.place("consent"), f"consent of {fields.what}", business.channels)
    if "consent" not in fields:
        fields.note("consent", f"{fields.what} needs consent: allowed or opt-in for each channel")
        return {}
    words = {name: given.one_of(name, CONSENTS) for name in sorted(business.channels)}
    return {name: CONSENTS.get(word, False) for name, word in words.items()}


def group(entry: Entry, name: str, business: Business) -> float:
    """The lever of a group, in percent."""
    fields = business.fields(entry, f"group {name}", ("lever", "rules"))
    business.inherited[f"group:{name}"] = rules(fields, business)
    return fields.number("lever", -100, MOST_PERCENT, 0.0)


def rules(fields: Fields, business: Business) -> tuple[Rule, ...]:
    """The rules written under `rules`, by name."""
    return tuple(_rule(entry, name, business) for name, entry in fields.named("rules"))


def _rule(entry: Entry, name: str, business: Business) -> Rule:
    fields = business.fields(entry, f"rule {name}", ("stage", "when", "unknown", "because"))
    stage = fields.one_of("stage", RULE_STAGES)
    default = "drop" if stage == Stage.ELIGIBILITY else "pass"
    return Rule(
        name=name,
        stage=Stage(stage) if stage in RULE_STAGES else Stage.ELIGIBILITY,
        condition=fields.expression("when", Kind.CONDITION),
        unknown_passes=fields.one_of("unknown", ("pass", "drop"), default) == "pass",
        because=fields.text("because"),
    )


def hold_terms(entry: Entry, name: str, business: Business) -> HoldTerms:
    """A hold must silence something."""
    fields = business.fields(entry, f"hold {name}", ("purposes", "tags", "cool_down", "maximum"))
    purposes = fields.some_of("purposes", business.purposes)
    tags = fields.words("tags")
    if not purposes and not tags:
        business.problems.note(entry, f"hold {name} silences nothing; give it purposes or tags")
    cool_down, maximum = fields.duration("cool_down"), fields.duration("maximum")
    if maximum < cool_down:
        fields.note("maximum", f"hold {name} ends before its cool-down of {cool_down} is over")
    return HoldTerms(name=name, purposes=purposes, tags=tags, cool_down=cool_down, maximum=maximum)


def context_weight(entry: Entry, name: str, business: Business) -> ContextWeight:
    """Its target is a purpose, group or action that exists."""
    fields = business.fields(entry, f"context weight {name}", ("for", "when", "percent"))
    targets = {
        *(f"purpose:{known}" for known in business.purposes),
        *(f"group:{known}" for known in business.groups),
        *(f"action:{known}" for known in business.actions),
    }
    return ContextWeight(
        name=name,
        target=fields.one_of("for", targets),
        condition=fields.expression("when", Kind.CONDITION),
        percent=fields.number("percent", -100, MOST_PERCENT),
    )


def contact_limit(entry: Entry, name: str, business: Business) -> ContactLimit:
    """At most so many contacts within so long."""
    keys = ("at_most", "within", "counts", "per", "each_channel", "purposes", "groups")
    fields = business.fields(entry, f"limit {name}", (*keys, "actions", "channels"))
    kinds = fields.some_of("counts", tuple(ContactKind))
    if not kinds:
        fields.note("counts", f"limit {name} needs counts, such as [dispatch] or [impression]")
    window = fields.duration("within")
    if window > LONGEST_WINDOW:
        longest = f"{LONGEST_WINDOW.days} days"
        fields.note("within", f"within of limit {name} can't be longer than {longest}")
    return ContactLimit(
        name=name,
        maximum=fields.whole("at_most", 1, MOST_CONTACTS),
        window=Window(length=window),
        kinds=frozenset(ContactKind(kind) for kind in kinds if kind in tuple(ContactKind)),
        per=fields.one_of("per", ("customer", "purpose", "group", "action"), "customer"),
        per_channel=fields.flag("each_channel"),
        reach=Reach(
            purposes=frozenset(fields.some_of("purposes", business.purposes)),
            groups=frozenset(fields.some_of("groups", business.groups)),
            actions=frozenset(fields.some_of("actions", business.actions)),
            channels=frozenset(fields.some_of("channels", business.channels)),
        ),
    )


def fallback(
    fields: Fields, placement: str, limits: Collection[ContactLimit], business: Business
) -> str:
    """The action shown when nothing can be decided: not commercial, not counted by a limit."""
    name = fields.one_of(placement, business.actions)
    action = business.actions.get(name)
    if action is None:
        return name
    spoken_for = business.purposes.get(action.purpose)
    sells = commercial(action.purpose, action.tags)
    if sells or action.only_for_journeys or action.mandatory:
        fields.note(placement, f"fallback {name} must be neither commercial nor for journeys only")
    elif spoken_for and Level.STATIC not in spoken_for.levels:
        fields.note(placement, f"purpose {action.purpose} of fallback {name} needs level static")
    counted = [limit.name for limit in limits if _counts(limit, action)]
    if counted:
        why = f"fallback {name} counts towards {', '.join(counted)}"
        fields.note(placement, f"{why}; use an action that is exempt, or free it from the limit")
    return name


def _counts(limit: ContactLimit, action: Action) -> bool:
    return action.exempt is None and all(
        not named or word in named
        for named, word in (
            (limit.reach.purposes, action.purpose),
            (limit.reach.groups, action.group),
            (limit.reach.actions, action.name),
        )
    )


def max_age(fields: Fields, view: str, business: Business) -> timedelta:
    """How old the values of a feature view may be."""
    if business.features is not None:
        views = {name.split(".")[0] for name in business.features}
        if view not in views:
            fields.note(view, f"there is no feature view {view!r}{nearest(view, views)}")
    return fields.duration(view)
