"""From entries to treatments: where an action is said, in which words, and what these tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.bundle_business import MOST_PERCENT, Business
from engine.bundle_catalog import treatment_rules
from engine.bundle_keys import COMMERCIAL_FACTS, KEYS, TONES
from engine.catalog import Treatment
from engine.entries import Entry, nearest
from engine.expressions import SEGMENT, VALUE
from engine.fields import Fields, is_name
from engine.names import ROOTS
from engine.treatments import PLACEHOLDER, names_in

_WHERE = re.compile(r"(?P<channel>[^.:]+)(\.(?P<placement>[^.:]+))?(:(?P<version>[^.:]+))?")
_NOT_TOLD = ROOTS.keys() - {SEGMENT, VALUE}


def treatments(fields: Fields, business: Business, action: str) -> tuple[Treatment, ...]:
    """All ways to say an action, of which there must be one."""
    facts = {fact: fields.text(fact) for fact in COMMERCIAL_FACTS if fact in fields}
    found = tuple(
        _treatment(entry, f"{action}.{where}", where, business, facts)
        for where, entry in fields.children("treatments")
    )
    if not found:
        fields.note("treatments", f"{fields.what} can't be said anywhere; give it treatments")
    return found


def _treatment(
    entry: Entry, id: str, where: str, business: Business, facts: Mapping[str, str]
) -> Treatment:
    channel, placement = _where(entry, id, where, business)
    wanted = _wanted(entry, channel, business)
    fields = business.fields(entry, f"treatment {id}", (*wanted, *KEYS["treatment"]))
    said = {key: fields.text(key) for key in (*wanted, *COMMERCIAL_FACTS) if key in fields}
    for key in wanted:
        if key not in fields:
            business.problems.note(entry, f"treatment {id} needs {key}: a text")
    if not said:
        business.problems.note(entry, f"treatment {id} says nothing; give it a body")
    content = {**facts, **said}
    for key, text in content.items():
        _check_blanks(fields, key, text)
    return Treatment(
        id=id,
        channel=channel,
        content=content,
        placement=placement,
        tone=fields.one_of("tone", TONES, "neutral"),
        needs=names_in(content),
        rules=treatment_rules(fields, business),
        preference=fields.number("preference", -MOST_PERCENT, MOST_PERCENT, 0.0),
    )


def _where(entry: Entry, id: str, where: str, business: Business) -> tuple[str, str | None]:
    """The channel and the placement of `web`, `web.hero`, `web:short`, `web.hero:short`."""
    parts = _WHERE.fullmatch(where)
    words = [word for word in parts.groupdict().values() if word] if parts else []
    if parts is None or not all(is_name(word) for word in words):
        why = "write the channel, or channel.placement, and :name behind it if there are several"
        business.problems.note(entry, f"treatment {id}: {why}")
    channel = parts["channel"] if parts else where.split(".")[0].split(":")[0]
    if channel not in business.channels:
        hint = nearest(channel, business.channels)
        business.problems.note(entry, f"treatment {id}: no channel {channel!r}{hint}")
    return channel, parts["placement"] if parts else None


def _wanted(entry: Entry, channel_name: str, business: Business) -> tuple[str, ...]:
    """What a treatment on this channel must say; where the channel leaves it open, what it says."""
    channel = business.channels.get(channel_name)
    like = business.channels.get(channel.like) if channel and channel.like else None
    wanted = (channel.content if channel else ()) or (like.content if like else ())
    if wanted or not isinstance(entry.value, Mapping):
        return wanted
    return tuple(sorted(entry.value.keys() - set(KEYS["treatment"])))


def _check_blanks(fields: Fields, key: str, text: str) -> None:
    """What stands in braces is a name that is filled in; there are no other braces."""
    names = PLACEHOLDER.findall(text)
    said_by_others = {name for name in names if name.split(".")[0] in _NOT_TOLD}
    for name in sorted(said_by_others):
        why = f"tells {name}; only features, segments and values can be told"
        fields.note(key, f"{key} of {fields.what} {why}")
    fields.uses(key, *(name for name in names if name not in said_by_others))
    if "{" in (rest := PLACEHOLDER.sub("", text)) or "}" in rest:
        why = "write what is filled in as {billing.monthly_charges}, and no other braces"
        fields.note(key, f"{key} of {fields.what}: {why}")
