"""The schema for editors and the reader agree on keys, on what is needed, on what may be there."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import jsonschema  # pyright: ignore[reportMissingTypeStubs]
import pytest

from engine.bundle import load_bundle
from engine.bundle_keys import KEYS, SECTIONS
from engine.bundle_schema import schema, schema_text
from engine.entries import Problems, from_yaml
from engine.errors import InvalidBundle
from engine.ledger.site import BUNDLES

KEPT = BUNDLES / "bundle.schema.json"
JSONSCHEMA: Any = jsonschema
VALIDATOR = JSONSCHEMA.Draft7Validator(schema())
EVERYTHING = """\
business:
  name: books
  currency: EUR
  zone: Europe/Berlin
  customer_zone: profile.zone
  week_starts: sunday
  answers_within: 3 days
  cached_for: 12 hours
channels:
  web: {in_page: true, content: [headline, body]}
  app: {in_page: true, like: web}
  email: {content: [subject, body]}
purposes:
  sales:
    consent: {web: allowed, app: allowed, email: opt-in}
    levels: [full, partial]
    lever: 10
    shadow_price: 2
    most_value: 100
    thresholds: {propensity: 0.01, priority: 0.1}
    rules:
      is-adult:
        stage: eligibility
        when: profile.age >= 18
        unknown: drop
        because: Only adults buy.
  service:
    consent: {web: allowed, app: allowed, email: allowed}
    levels: [full, stale, partial, cached, static]
groups:
  books:
    lever: 5
    thresholds: {propensity: 0.02}
    rules: {reads: {stage: suitability, when: profile.reader, because: Reads.}}
  help: {}
rules: {alive: {stage: eligibility, when: not profile.deceased, because: Is alive.}}
actions:
  new-novel:
    title: A new novel
    purpose: sales
    group: books
    tags: [commercial]
    price: 12 euros
    discount: 2 euros less
    contract_change: a membership
    value: value.worth
    margin: 4
    prior: 0.1
    starts: 2026-01-01
    ends: 2026-12-31
    lever: 3
    mandatory: true
    requires: [bookmark]
    brings: [faq]
    thresholds: {priority: 0.2}
    rules: {is-new: {stage: applicability, when: 'profile.last_book != "novel"', because: New.}}
    treatments:
      web: {headline: New, body: A new novel}
      web.hero:short:
        headline: New
        body: Now
        tone: friendly
        preference: 2
        price: 12 euros
        discount: 2 euros less
        contract_change: a membership
        rules: {warm: {when: segment.warm, unknown: drop, because: Warm.}}
      email: {subject: New, body: A new novel}
  bookmark:
    title: A bookmark
    purpose: sales
    group: books
    tags: [commercial]
    value: 1
    prior: 0.1
    only_as_member: true
    new: true
    treatments: {web: {headline: Mark, body: A bookmark}}
  faq:
    title: Questions
    purpose: service
    group: help
    tags: [questions]
    exempt: service
    value: 3
    prior: 0.5
    without: [alive]
    treatments: {web: {headline: Questions?, body: Answers}}
  reminder:
    title: A reminder
    purpose: service
    group: help
    tags: [due]
    journeys_only: true
    value: 3
    prior: 0.5
    treatments: {email: {subject: Due, body: Due soon}}
segments: {warm: visits.page_views_7d > 3}
values: {worth: 0.4 * profile.spent}
holds:
  complaint: {purposes: [sales], tags: [commercial], cool_down: 48 hours, maximum: 90 days}
limits:
  twice-a-week:
    at_most: 2
    within: calendar week
    clock: customer
    counts: [dispatch]
    per: customer
    each_channel: true
    scope: household
    keeps_for_better: 2 days
    purposes: [sales]
    groups: [books]
    actions: [new-novel]
    channels: [email]
policies:
  thrice-ignored:
    after: [ignore]
    times: 3
    within: calendar month
    clock: utc
    silence: 30 days
    because: It was ignored.
    per: action
    each_channel: true
    scope: account
    purposes: [sales]
    groups: [books]
    actions: [new-novel]
    channels: [web]
quiet_hours:
  night:
    from: 20:00
    to: 08:00
    days: [monday]
    clock: customer
    then: drop
    because: People sleep.
    purposes: [sales]
    groups: [books]
    actions: [new-novel]
    channels: [email]
session: {idle: 30 minutes, silenced_by: [reject], most_shown: 3, remembers: [page]}
volumes:
  copies:
    at_most: 100
    in: week
    per: profile.shop
    kept_for: 1 hour
    used_by: [accept]
    freed_by: [reject]
    at_least: 10
    boost: 20
    because: There are no more.
    purposes: [sales]
    groups: [books]
    actions: [new-novel]
    channels: [web]
exclusions:
  recall:
    because: It has a page too few.
    until: 2026-12-01T00:00:00Z
    purposes: [sales]
    groups: [books]
    actions: [new-novel]
    channels: [email]
margin_floors: {members: {when: profile.reader, floor: 3, because: Too little is left.}}
context_weights: {on-help-pages: {for: group:help, when: context.page == "help", percent: 50}}
influencers:
  later: {for: action:new-novel, of: group:books, after: [later], from: 0, to: 50, lasts: 30 days}
  renewing:
    for: group:books
    journey: renewal
    stage: due
    to: 60
    ramp: 5 days
    step: 1 day
    lasts: 30 days
exploration:
  smoothing_evidence: 50
  thompson: true
  control_percent: 2
  mature_positives: 200
  immature_percent: 2
business_hours:
  shop:
    zone: Europe/Berlin
    holidays: DE-BE
    closed: [2026-12-24]
    special: {2026-12-31: [10:00-14:00]}
    monday: [09:00-12:00, 13:00-18:00]
    tuesday: [09:00-18:00]
    wednesday: [09:00-18:00]
    thursday: [09:00-18:00]
    friday: [09:00-18:00]
    saturday: [10:00-24:00]
    sunday: []
  web: {always: true}
service_clocks:
  answered-soon:
    target: first response
    within: 60 minutes
    hours: shop
    channels: [email]
    priorities: [high]
    labels: [order]
    tiers: [member]
    warn_before: 15 minutes
    escalation: {lead: {owner: shop-lead}, owner: {owner: shop-owner, after: 30 minutes}}
    pauses: false
    bots_count: true
placements: {hero: {most_per_group: 1, most_per_purpose: 2}}
journeys:
  complaint: {priority: 9}
  renewal:
    priority: 2
    starts_at_most: 1
    starts_within: 30 days
    not_while: [complaint]
    running_at_most: 2
max_ages: {visits: 30 minutes}
thresholds: {propensity: 0.001, priority: 0.001}
fallbacks: {"*": faq}
"""
PLAIN: dict[str, Any] = from_yaml(EVERYTHING, "all.yaml", Problems()).plain()
Path_ = tuple[str, ...]
SHAPE = (
    *("has no key", "needs", "must be", "must have", "is no time", "is not known", "is no name"),
    "give it treatments",
)
"""What the reader says of what a schema sees as well."""


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every mapping in a value, and everything in these."""
    yield path
    if isinstance(value, dict):
        for key, child in cast(dict[str, Any], value).items():
            yield from places(child, (*path, key))


def at(value: Any, path: Path_) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(path: Path_, new: Any) -> dict[str, Any]:
    """Everything, with another value at a path; None: with nothing there."""
    whole = copy.deepcopy(PLAIN)
    above = at(whole, path[:-1])
    if new is None:
        del above[path[-1]]
    else:
        above[path[-1]] = new
    return whole


def shape_problems(value: dict[str, Any], folder: Path) -> list[str]:
    """What the reader finds wrong that a schema could see."""
    folder.mkdir(exist_ok=True)
    (folder / "all.yaml").write_text(json.dumps(value))
    try:
        load_bundle(folder)
    except InvalidBundle as error:
        return [each for each in error.problems if any(words in each for words in SHAPE)]
    return []


def allowed(value: Any) -> bool:
    return bool(VALIDATOR.is_valid(value))


def kind_of(path: Path_) -> str | None:
    """The kind of an entry, by where it is; None for what has names instead of keys."""
    section, *rest = path
    kind = SECTIONS[section]
    if not rest:
        return kind if section in ("business", "session", "exploration", "thresholds") else None
    below = {"rules": "rule", "treatments": "treatment", "thresholds": "thresholds"}
    below["escalation"] = "escalation level"
    for key in rest[1::2]:
        kind = below.get(key)
        if key == "rules" and "treatments" in rest:
            kind = "treatment rule"
    at_entry = len(rest) % 2 == 1 or rest[-1] == "thresholds"
    return kind if at_entry else None


def sort_of(path: Path_) -> Path_:
    """What a place is an example of: one of each sort is tried."""
    if len(path) > 1 and (kind := kind_of(path[:-1])) is not None:
        return (kind, path[-1])
    return path


EACH: Mapping[Path_, Path_] = {sort_of(path): path for path in places(PLAIN) if path}
ALL = list(EACH.values())
OBJECTS = [path for path in places(PLAIN) if isinstance(at(PLAIN, path), dict)]
"""The mappings of the example, the sections and what is in them."""


def shown(path: Path_) -> str:
    return "/".join(path) or "top"


def test_the_example_has_every_key_that_there_is() -> None:
    used = {kind: set[str]() for kind in KEYS}
    for path in OBJECTS[1:]:
        if (kind := kind_of(path)) is not None:
            used[kind] |= at(PLAIN, path).keys()
    assert {kind: set(keys) - used[kind] for kind, keys in KEYS.items()} == {k: set() for k in KEYS}


def test_reader_and_schema_take_the_example(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(EVERYTHING)
    assert load_bundle(tmp_path).name == "books"
    assert list(VALIDATOR.iter_errors(PLAIN)) == []


@pytest.mark.parametrize("path", OBJECTS, ids=shown)
def test_a_key_that_one_refuses_the_other_refuses_too(path: Path_, tmp_path: Path) -> None:
    whole = changed((*path, "Not_A_Key_"), {"x": 1})
    refused = bool(shape_problems(whole, tmp_path))
    assert refused is not allowed(whole)


def is_for_the_reader_alone(path: Path_) -> bool:
    """A file may lack a section, or a part of it, that another file has; channels and other keys
    say what is needed beside them.
    """
    by_channel = "consent" in path[:-1] or (
        "treatments" in path and path[-1] in ("headline", "body", "subject")
    )
    beside = path[-1] in ("in", "at_least", "boost", "after", "journey", "starts_at_most")
    return len(path) == 1 or path[0] == "business" or by_channel or beside


@pytest.mark.parametrize("path", [p for p in ALL if not is_for_the_reader_alone(p)], ids=shown)
def test_what_one_needs_the_other_needs_too(path: Path_, tmp_path: Path) -> None:
    whole = changed(path, None)
    found = shape_problems(whole, tmp_path)
    asked_for = (f" needs {path[-1]}", f"give it {path[-1]}")
    told = [each for each in found if any(words in each for words in asked_for)]
    assert bool(told) is not allowed(whole), found


@pytest.mark.parametrize("path", ALL, ids=shown)
@pytest.mark.parametrize("wrong", [[{"a": 1}], {"a": [1]}], ids=["list", "keys"])
def test_what_can_not_stand_there_neither_lets_stand(
    path: Path_, wrong: Any, tmp_path: Path
) -> None:
    whole = changed(path, wrong)
    assert shape_problems(whole, tmp_path)
    assert not allowed(whole)


NUMBERS = [p for p in ALL if type(at(PLAIN, p)) in (int, float)]
FORMULAS = ("value", "margin")


@pytest.mark.parametrize("path", [p for p in NUMBERS if p[-1] not in FORMULAS], ids=shown)
@pytest.mark.parametrize("wrong", [-1e12, 1e12])
def test_a_number_out_of_bounds_is_refused_by_both(
    path: Path_, wrong: float, tmp_path: Path
) -> None:
    whole = changed(path, wrong)
    assert shape_problems(whole, tmp_path)
    assert not allowed(whole)


TELCO = sorted([*(BUNDLES / "telco").glob("*.yaml"), *(BUNDLES / "telco" / "actions").iterdir()])


@pytest.mark.parametrize("file", TELCO, ids=lambda f: f.name)
def test_every_file_of_the_example_business_is_as_the_schema_says(file: Path) -> None:
    text = file.read_text()
    plain = from_yaml(text, file.name, Problems()).plain()
    assert [error.message for error in VALIDATOR.iter_errors(plain)] == []
    first = text.splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.partition("=")[2]).resolve() == KEPT.resolve()


def test_the_schema_that_is_kept_is_that_of_the_reader() -> None:
    assert KEPT.read_text() == schema_text(), "run `tactful bundle schema` and keep what it prints"
    JSONSCHEMA.Draft7Validator.check_schema(json.loads(KEPT.read_text()))


def test_every_key_says_what_it_means() -> None:
    for kind, definition in schema()["definitions"].items():
        for key, told in definition["properties"].items():
            assert len(told["description"]) > 5, (kind, key)
