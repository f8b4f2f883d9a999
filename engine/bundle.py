"""Loads a bundle: from YAML files, or from the JSON kept with decisions; checked, with a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson

from engine import bundle_parts as parts
from engine.bundle_actions import action
from engine.bundle_parts import Business
from engine.catalog import Bundle, ContactLimit
from engine.entries import Entry, Problems, from_plain, from_yaml
from engine.errors import InvalidBundle
from engine.fields import Fields

SECTIONS = (
    *("business", "channels", "purposes", "groups", "rules", "actions", "holds", "limits"),
    *("context_weights", "max_ages", "thresholds", "fallbacks"),
)
NO_MODELS: Mapping[str, str] = {}


def load_bundle(
    folder: Path,
    *,
    models: Mapping[str, str] = NO_MODELS,
    features: Collection[str] | None = None,
) -> Bundle:
    """Read `*.yaml` and `actions/*.yaml` of `folder`; `models` maps a model's name to its hash.

    `features`: the `view.feature` names that rules may use; None: any. Raises InvalidBundle with
    all problems, each as `file:line: what, and what would be right`.
    """
    problems = Problems()
    files = sorted([*folder.glob("*.yaml"), *folder.glob("actions/*.yaml")])
    if not files:
        raise InvalidBundle([f"{folder}: there is no bundle here; it needs a business.yaml"])
    entries = [_read(file, file.relative_to(folder).as_posix(), problems) for file in files]
    return _build(_merge(entries, problems), models, features, problems)


def bundle_from_source(source: bytes) -> Bundle:
    """The bundle whose `source` was kept with a decision. Raises InvalidBundle."""
    try:
        kept = orjson.loads(source)
        bundle, models = kept["bundle"], dict(kept["models"])
    except (ValueError, KeyError, TypeError):
        raise InvalidBundle(["source:0: this is not the JSON of a bundle"]) from None
    return _build(from_plain(bundle), models, None, Problems())


def _read(file: Path, name: str, problems: Problems) -> Entry:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        place = Entry({}, name, 1)
        problems.note(place, f"the file can't be read as UTF-8 text: {error}")
        return place
    return from_yaml(text, name, problems)


def _merge(entries: list[Entry], problems: Problems) -> Entry:
    """One mapping of sections; a section may be spread over files, a name in it may not be."""
    merged: dict[str, dict[str, Entry]] = {}
    places: dict[str, Entry] = {}
    for entry in entries:
        top = Fields(entry, "this file", SECTIONS, problems)
        for section in SECTIONS:
            names = merged.setdefault(section, {})
            places.setdefault(section, top.place(section))
            for name, child in top.children(section):
                first = names.setdefault(name, child)
                if first is not child:
                    where = f"{first.file}:{first.line}"
                    problems.note(child, f"{name} is already in {section} at {where}; rename it")
    sections = {
        name: Entry(names, places[name].file, places[name].line)
        for name, names in merged.items()
        if names
    }
    return Entry(sections, entries[0].file, 1)


def _build(
    entry: Entry,
    models: Mapping[str, str],
    features: Collection[str] | None,
    problems: Problems,
) -> Bundle:
    source = orjson.dumps(
        {"bundle": entry.plain(), "models": dict(models)}, option=orjson.OPT_SORT_KEYS
    )
    bundle = _bundle(entry, models, Business(problems, features), source)
    if problems.found:
        raise InvalidBundle(problems.lines())
    return bundle


def _bundle(entry: Entry, models: Mapping[str, str], business: Business, source: bytes) -> Bundle:
    top = business.fields(entry, "the bundle", SECTIONS)
    about = business.fields(top.place("business"), "business", ("name", "currency"))
    thresholds = business.fields(
        top.place("thresholds") if "thresholds" in top else Entry({}, entry.file, entry.line),
        "thresholds",
        ("propensity", "priority"),
    )
    _read_catalog(top, business)
    business.actions = {
        name: replace(
            action,
            minimum_propensity=thresholds.number("propensity", 0, 1, 0.0),
            minimum_priority=thresholds.number("priority", 0, 1e9, 0.0),
        )
        for name, action in business.actions.items()
    }
    limits = tuple(parts.contact_limit(e, n, business) for n, e in top.named("limits"))
    return Bundle(
        hash=f"sha256:{hashlib.sha256(source).hexdigest()}",
        name=about.text("name"),
        currency=about.text("currency"),
        channels=business.channels,
        purposes=business.purposes,
        groups=business.groups,
        actions=business.actions,
        limits=limits,
        context_weights=tuple(
            parts.context_weight(e, n, business) for n, e in top.named("context_weights")
        ),
        holds={n: parts.hold_terms(e, n, business) for n, e in top.named("holds")},
        max_ages=_max_ages(top, business),
        fallbacks=_fallbacks(top, limits, business),
        models=dict(models),
        source=source,
    )


def _read_catalog(top: Fields, business: Business) -> None:
    """Channels, purposes, groups and rules come first: actions use their names."""
    for section in ("channels", "purposes", "groups", "actions"):
        if section not in top:
            business.problems.note(top.entry, f"the bundle needs {section}")
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
    views = [name for name, _ in top.children("max_ages")]
    fields = business.fields(top.place("max_ages"), "max_ages", views) if views else None
    return {view: parts.max_age(fields, view, business) for view in views} if fields else {}


def _fallbacks(top: Fields, limits: Collection[ContactLimit], business: Business) -> dict[str, str]:
    placements = [name for name, _ in top.children("fallbacks")]
    if not placements:
        return {}
    fields = business.fields(top.place("fallbacks"), "fallbacks", placements)
    return {name: parts.fallback(fields, name, limits, business) for name in placements}
