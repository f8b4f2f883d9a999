"""Loads a bundle: from YAML files, or from the JSON kept with decisions; checked, with a hash."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path

import orjson

from engine.bundle_business import Business
from engine.bundle_checks import check
from engine.bundle_keys import SECTIONS
from engine.bundle_names import check_names
from engine.bundle_sections import read
from engine.catalog import Bundle
from engine.entries import Entry, Problems, from_plain, from_yaml
from engine.errors import InvalidBundle
from engine.fields import Fields

NO_MODELS: Mapping[str, str] = {}


def load_bundle(
    folder: Path,
    *,
    models: Mapping[str, str] = NO_MODELS,
    features: Collection[str] | None = None,
    pushed: Collection[str] = (),
    today: date | None = None,
) -> Bundle:
    """Read `*.yaml` and `actions/*.yaml` of `folder`; `models` maps a model's name to its hash.

    `features`: the `view.feature` names that rules may use; None: any. `pushed`: the views that
    events change, which need a maximum age if they are used. `today`: what is over by then is a
    problem, too. Raises InvalidBundle with all problems, each as `file:line: what, and what would
    be right`.
    """
    problems = Problems()
    files = files_of(folder)
    if not files:
        raise InvalidBundle([f"{folder}: there is no bundle here; it needs a business.yaml"])
    entries = [_read(file, file.relative_to(folder).as_posix(), problems) for file in files]
    business = Business(problems)
    bundle = _read_whole(_merge(entries, problems), models, business)
    check_names(bundle, business, features, pushed)
    check(bundle, business, today)
    if problems.found:
        raise InvalidBundle(problems.lines())
    return bundle


def files_of(folder: Path) -> list[Path]:
    """The files of a bundle, in order: not what editors and systems hide beside them, no pipes."""
    found = [*folder.glob("*.yaml"), *folder.glob("actions/*.yaml")]
    return sorted(one for one in found if one.is_file() and not one.name.startswith("."))


def bundle_from_source(source: bytes) -> Bundle:
    """The bundle whose `source` was kept with a decision. Raises InvalidBundle.

    Whether it makes sense was asked when it was loaded from files; here it only has to be whole.
    """
    try:
        kept = orjson.loads(source)
        bundle, models = kept["bundle"], dict(kept["models"])
    except (ValueError, KeyError, TypeError):
        raise InvalidBundle(["source:0: this is not the JSON of a bundle"]) from None
    business = Business(Problems())
    found = _read_whole(from_plain(bundle), models, business)
    check_names(found, business)
    if business.problems.found:
        raise InvalidBundle(business.problems.lines())
    return found


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
        top = Fields(entry, "this file", tuple(SECTIONS), problems)
        for section in SECTIONS:
            names = merged.setdefault(section, {})
            if section in top:
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


def _read_whole(entry: Entry, models: Mapping[str, str], business: Business) -> Bundle:
    """The bundle with its source, and with whatever is wrong noted."""
    source = orjson.dumps(
        {"bundle": entry.plain(), "models": dict(models)}, option=orjson.OPT_SORT_KEYS
    )
    return read(entry, models, business, source)
