"""Reads the golden cases beside a bundle: `cases/*.yaml`, checked, with file and line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.case_words import moment_of
from engine.catalog import Bundle
from engine.entries import Entry, Problems, from_yaml
from engine.errors import InvalidBundle
from engine.expectations import KEYS as EXPECTED
from engine.expectations import expected
from engine.fields import Fields
from engine.golden import Case
from engine.situations import KEYS, Reader
from engine.types import Placement, Request

FOLDER = "cases"
USUAL_MOMENT = "2026-03-02 12:00"
"""A Monday at noon, on the business's clock."""
CUSTOMER = (*KEYS, "like", "about")
ASKED = (
    "channel",
    "placements",
    "context",
    "purposes",
    "tags",
    "journey",
    "seed",
    "sends",
    "starts",
    "began",
)
CASE = (*KEYS, "customer", *ASKED, *EXPECTED)
_MOST_OFFERS = 100


@dataclass(slots=True)
class _Files:
    """All that the files say, by name, before anything is put together."""

    bundle: Bundle
    features: frozenset[str] | None
    problems: Problems
    customers: dict[str, Entry]
    cases: dict[str, tuple[Entry, Entry | None]]


def load_cases(
    folder: Path, bundle: Bundle, *, features: Collection[str] | None = None
) -> tuple[Case, ...]:
    """The cases in `cases/*.yaml` of a bundle's folder, by name.

    `features`: the names that facts may have; None: any. Raises InvalidBundle with all problems.
    """
    known = None if features is None else frozenset(features)
    files = _Files(bundle, known, Problems(), {}, {})
    for file in sorted((folder / FOLDER).glob("*.yaml")):
        _read(file, f"{FOLDER}/{file.name}", files)
    for name, entry in files.customers.items():
        Fields(entry, f"customer {name}", CUSTOMER, files.problems)
    found = [_case(name, entry, at, files) for name, (entry, at) in sorted(files.cases.items())]
    if files.problems.found:
        raise InvalidBundle(files.problems.lines())
    return tuple(found)


def _read(file: Path, name: str, files: _Files) -> None:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        files.problems.note(Entry({}, name, 1), f"the file can't be read as UTF-8 text: {error}")
        return
    entry = from_yaml(text, name, files.problems)
    top = Fields(entry, "this file", ("at", "customers", "cases"), files.problems)
    at = top.place("at") if "at" in top else None
    for key, each in top.named("customers"):
        _unless_twice(key, each, files.customers.get(key), files)
        files.customers.setdefault(key, each)
    for key, each in top.named("cases"):
        _unless_twice(key, each, files.cases.get(key, (None,))[0], files)
        files.cases.setdefault(key, (each, at))


def _unless_twice(name: str, entry: Entry, first: Entry | None, files: _Files) -> None:
    if first is not None:
        where = f"{first.file}:{first.line}"
        files.problems.note(entry, f"{name} is already at {where}; rename one of them")


def _case(name: str, entry: Entry, at: Entry | None, files: _Files) -> Case:
    written = Fields(entry, f"case {name}", CASE, files.problems)
    customer = written.one_of("customer", files.customers)
    parts = merged(_customer(customer, files, ()), _below(entry))
    whole = Entry(parts, entry.file, entry.line)
    fields = Fields(whole, f"case {name}", (*CASE, *CUSTOMER), files.problems)
    reference = fields.text("reference", customer)
    start = moment_of(USUAL_MOMENT, datetime(2026, 3, 2, tzinfo=UTC), files.bundle)
    now = start or datetime(2026, 3, 2, tzinfo=UTC)
    reader = Reader(fields, files.bundle, files.problems, now, reference)
    if (moment := parts.get("at", at)) is not None:
        now = reader.now = reader.time(moment)
    requests = tuple(_requests(fields, files, now, reference))
    return Case(
        name=name,
        place=f"{entry.file}:{entry.line}",
        who=_who(customer, parts.get("about")),
        requests=requests,
        clock=ZoneInfo(files.bundle.zone),
        snapshot=reader.snapshot(files.features),
        said=reader.said(),
        expected=expected(reader, [one.name for one in _placements(fields)]),
        used=reader.used(),
        kept=reader.kept(),
        sends=fields.one_of("sends", files.bundle.actions) if "sends" in fields else None,
        starts=fields.one_of("starts", files.bundle.journeys) if "starts" in fields else None,
        began=tuple(reader.time(each) for each in _list(fields, "began")),
    )


def _list(fields: Fields, key: str) -> tuple[Entry, ...]:
    value = fields.place(key).value if key in fields else ()
    if not isinstance(value, tuple):
        fields.note(key, f"{key} of {fields.what} must be a list, such as [3 days ago]")
        return ()
    return value


def _who(customer: str, about: Entry | None) -> str:
    return f"{customer}, {about.value}" if about is not None else customer


def _customer(name: str, files: _Files, seen: tuple[str, ...]) -> Mapping[str, Entry]:
    """What is written of a customer, over that of the one it is like."""
    own = _below(files.customers.get(name))
    like = str(own["like"].value) if "like" in own else ""
    if not like:
        return own
    if like not in files.customers or like in (*seen, name):
        files.problems.note(own["like"], f"{name} can't be like {like!r}; name another customer")
        return own
    return merged(_customer(like, files, (*seen, name)), own)


def _below(entry: Entry | None) -> Mapping[str, Entry]:
    """What stands below an entry, by key."""
    if entry is None or not isinstance(entry.value, Mapping):
        return {}
    return entry.value


def merged(base: Mapping[str, Entry], own: Mapping[str, Entry]) -> dict[str, Entry]:
    """What is written in both: mappings key by key, lists one after the other, else the own."""
    return {**base, **{key: _over(base.get(key), entry) for key, entry in own.items()}}


def _over(before: Entry | None, entry: Entry) -> Entry:
    below = before.value if before is not None else None
    if isinstance(below, Mapping) and isinstance(entry.value, Mapping):
        return Entry({**below, **entry.value}, entry.file, entry.line)
    if isinstance(below, tuple) and isinstance(entry.value, tuple):
        return Entry((*below, *entry.value), entry.file, entry.line)
    return entry


# -- what is asked


def _requests(fields: Fields, files: _Files, now: datetime, reference: str) -> list[Request]:
    """One request for each channel."""
    bundle = files.bundle
    context = {key: entry.plain() for key, entry in fields.children("context")}
    journey = fields.text("journey", "")
    return [
        Request(
            decision_id=fields.what.removeprefix("case "),
            customer=reference,
            channel=channel,
            now=now,
            seed=fields.whole("seed", 0, 2**31) if "seed" in fields else 0,
            placements=_placements(fields),
            context=context,
            purposes=fields.some_of("purposes", bundle.purposes),
            tags=fields.words("tags"),
            journey=f"{journey}:{reference}:1" if journey else "",
            explain=True,
        )
        for channel in _channels(fields, bundle)
    ]


def _channels(fields: Fields, bundle: Bundle) -> tuple[str, ...]:
    if isinstance(fields.place("channel").value, tuple) and "channel" in fields:
        return fields.some_of("channel", bundle.channels)
    return (fields.one_of("channel", bundle.channels, "web"),)


def _placements(fields: Fields) -> tuple[Placement, ...]:
    named = tuple(fields.children("placements"))
    if not named:
        return (Placement(),)
    limits = Fields(fields.place("placements"), "placements", dict(named), fields.problems)
    written = _below(limits.entry)  # in their order
    return tuple(
        Placement(name=name, limit=limits.whole(name, 1, _MOST_OFFERS)) for name in written
    )
