"""From the sections of a bundle to the bundle, in the order in which they use each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from engine import bundle_catalog as parts
from engine import bundle_contact as contact
from engine import bundle_hours as hours
from engine import bundle_terms as terms
from engine.bundle_actions import action
from engine.bundle_business import Business, about, formulas, thresholds
from engine.bundle_keys import KEYS, NEEDED, SECTIONS
from engine.catalog import Bundle
from engine.entries import Entry
from engine.fields import Fields
from engine.rules import Kind

Term = TypeVar("Term")


def read(entry: Entry, models: Mapping[str, str], business: Business, source: bytes) -> Bundle:
    """The bundle that is written there; what is wrong is noted with `business`."""
    top = business.fields(entry, "the bundle", tuple(SECTIONS))
    its = about(_single(top, "business", business))
    segments = dict(formulas(top, "segments", Kind.CONDITION, business))
    values = dict(formulas(top, "values", Kind.ANY, business))
    _read_catalog(top, business)

    def each(section: str, read: Callable[[Entry, str, Business], Term]) -> tuple[Term, ...]:
        return tuple(read(entry, name, business) for name, entry in top.named(section))

    open_hours = {
        name: hours.business_hours(entry, name, business, its.zone)
        for name, entry in top.named("business_hours")
    }
    return Bundle(
        hash=f"sha256:{hashlib.sha256(source).hexdigest()}",
        name=its.name,
        currency=its.currency,
        channels=business.channels,
        purposes=business.purposes,
        groups=business.groups,
        actions=business.actions,
        limits=each("limits", contact.limit),
        context_weights=each("context_weights", terms.context_weight),
        holds={one.name: one for one in each("holds", contact.hold)},
        max_ages=_max_ages(top, business),
        fallbacks=_fallbacks(top, business),
        policies=each("policies", contact.policy),
        quiet_hours=each("quiet_hours", contact.quiet_hours),
        session=contact.session(_single(top, "session", business)),
        volumes=each("volumes", terms.volume),
        exclusions=each("exclusions", terms.exclusion),
        margin_floors=each("margin_floors", terms.margin_floor),
        influencers=each("influencers", terms.influencer),
        exploration=terms.exploration(_single(top, "exploration", business)),
        placements={
            name: terms.placement(entry, name, business)
            for name, entry in top.children("placements")
        },
        journeys={one.kind: one for one in each("journeys", terms.journey)},
        business_hours=open_hours,
        service_clocks=each("service_clocks", hours.service_clock),
        segments=segments,
        values=values,
        zone=its.zone,
        customer_zone=its.customer_zone,
        week_starts=its.week_starts,
        answers_within=its.answers_within,
        cache_age=its.cache_age,
        models=dict(models),
        source=source,
    )


def _single(top: Fields, section: str, business: Business) -> Fields:
    """A section that is one entry; an empty one where it is not given."""
    place = top.place(section) if section in top or section == "business" else _nothing(top)
    return business.fields(place, section, KEYS[section])


def _nothing(top: Fields) -> Entry:
    return Entry({}, top.entry.file, top.entry.line)


def _read_catalog(top: Fields, business: Business) -> None:
    """Channels, purposes, groups and rules come first: actions use their names."""
    for section in NEEDED:
        if section not in top:
            business.problems.note(top.entry, f"the bundle needs {section}")
    business.thresholds["all"] = thresholds(_single(top, "thresholds", business))
    channels = dict(top.named("channels"))
    for name, entry in channels.items():
        business.channels[name] = parts.channel(entry, name, channels, business)
    for name, entry in top.named("purposes"):
        business.purposes[name] = parts.purpose(entry, name, business)
    for name, entry in top.named("groups"):
        business.groups[name] = parts.group(entry, name, business)
    business.inherited["all"] = parts.rules(top, business)
    for name, entry in top.named("actions"):
        business.actions[name] = action(entry, name, business)


def _max_ages(top: Fields, business: Business) -> dict[str, timedelta]:
    names = [name for name, _ in top.children("max_ages")]
    if not names:
        return {}
    fields = business.fields(top.place("max_ages"), "max_ages", names)
    return {name: fields.duration(name) for name in names}


def _fallbacks(top: Fields, business: Business) -> dict[str, str]:
    placements = [name for name, _ in top.children("fallbacks")]
    if not placements:
        return {}
    fields = business.fields(top.place("fallbacks"), "fallbacks", placements)
    return {name: fields.one_of(name, business.actions) for name in placements}
