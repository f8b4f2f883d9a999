"""Bundles: read as written, refused with file, line and remedy, the same again from the source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bundle import bundle_from_source, load_bundle
from engine.catalog import Bundle, Window
from engine.errors import InvalidBundle
from engine.types import ContactKind, Level, Stage

BUSINESS = """\
business: {name: shop, currency: EUR}
channels:
  web: {in_page: true, content: [headline, body]}
  app: {in_page: true, like: web}
  email: {content: [subject, body]}
  phone: {}
purposes:
  sales:
    consent: {web: allowed, app: allowed, email: opt-in, phone: opt-in}
    levels: [full, partial]
    lever: 10
    rules:
      is-adult:
        stage: eligibility
        when: profile.age >= 18
        because: We sell to adults only.
  service:
    consent: {web: allowed, app: allowed, email: allowed, phone: allowed}
    levels: [full, stale, partial, cached, static]
groups:
  books:
    lever: 5
    rules:
      reads:
        stage: suitability
        when: profile.reader
        because: The customer does not read.
  help: {}
rules:
  not-deceased:
    stage: applicability
    when: not profile.deceased
    unknown: drop
    because: Nobody writes to the dead.
holds:
  complaint: {purposes: [sales], tags: [commercial], cool_down: 48 hours, maximum: 90 days}
limits:
  twice-a-week:
    at_most: 2
    within: 7 days
    counts: [dispatch, impression]
    per: action
    each_channel: true
    purposes: [sales]
    groups: [books]
    actions: [new-novel]
    channels: [email]
max_ages: {profile: 30 days, visits: 30 minutes}
context_weights:
  on-help-pages:
    for: group:help
    when: context.page == "help"
    percent: 50
thresholds: {propensity: 0.01, priority: 0.5}
fallbacks: {"*": faq}
"""
ACTIONS = """\
actions:
  new-novel:
    title: A new novel
    purpose: sales
    group: books
    tags: [commercial, fiction]
    price: 12 euros
    value: 0.4 * profile.spent
    prior: 0.1
    starts: 2026-01-01
    ends: 2026-12-31
    lever: 20
    mandatory: true
    journeys_only: true
    rules:
      has-not-read-it:
        stage: eligibility
        when: profile.last_book != "novel"
        unknown: pass
        because: The customer has read it.
    treatments:
      web: {headline: New, body: A new novel}
      web.hero: {headline: New, body: "No", tone: friendly}
      email: {subject: New, body: A new novel}
  faq:
    title: Questions
    purpose: service
    group: help
    tags: []
    exempt: service
    value: 3
    prior: 0.5
    without: [not-deceased]
    treatments:
      web: {headline: Questions?, body: Answers}
      phone: {hello: Hello, tone: empathetic}
"""
FEATURES = (
    *("profile.age", "profile.reader", "profile.deceased", "profile.spent", "profile.last_book"),
    "visits.page_views_7d",
)


PLACE = re.compile(r"(business|actions/all)\.yaml:\d+: .")


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def a_bundle(folder: Path, business: str = BUSINESS, actions: str = ACTIONS) -> Bundle:
    files = {"business.yaml": business, "actions/all.yaml": actions}
    return load_bundle(write(folder, files), features=FEATURES)


def problems(folder: Path, business: str = BUSINESS, actions: str = ACTIONS) -> list[str]:
    with pytest.raises(InvalidBundle) as caught:
        a_bundle(folder, business, actions)
    return caught.value.problems


def test_a_bundle_is_read_as_it_is_written(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    assert (bundle.name, bundle.currency) == ("shop", "EUR")
    assert bundle.channels["app"].like == "web"
    assert bundle.channels["web"].in_page
    assert not bundle.channels["email"].in_page
    sales = bundle.purposes["sales"]
    assert sales.default_consent == {"web": True, "app": True, "email": False, "phone": False}
    assert sales.levels == {Level.FULL, Level.PARTIAL}
    assert sales.lever == 10
    assert bundle.groups == {"books": 5, "help": 0}
    assert bundle.max_ages == {"profile": timedelta(days=30), "visits": timedelta(minutes=30)}
    reached = {(a.minimum_propensity, a.minimum_priority) for a in bundle.actions.values()}
    assert reached == {(0.01, 0.5)}
    assert bundle.fallbacks == {"*": "faq"}
    hold = bundle.holds["complaint"]
    assert (hold.purposes, hold.tags) == (("sales",), ("commercial",))
    assert (hold.cool_down, hold.maximum) == (timedelta(hours=48), timedelta(days=90))


def test_a_limit_and_a_context_weight_are_read_as_written(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    (limit,) = bundle.limits
    assert (limit.name, limit.maximum) == ("twice-a-week", 2)
    assert limit.window == Window(length=timedelta(days=7))
    assert limit.kinds == {ContactKind.DISPATCH, ContactKind.IMPRESSION}
    assert (limit.per, limit.per_channel) == ("action", True)
    reach = limit.reach
    assert (reach.purposes, reach.groups) == ({"sales"}, {"books"})
    assert (reach.actions, reach.channels) == ({"new-novel"}, {"email"})
    (weight,) = bundle.context_weights
    assert (weight.target, weight.percent) == ("group:help", 50)
    assert weight.condition({"context.page": "help"}.get) is True


def test_an_action_is_read_as_written(tmp_path: Path) -> None:
    novel = a_bundle(tmp_path).actions["new-novel"]
    assert (novel.title, novel.purpose, novel.group) == ("A new novel", "sales", "books")
    assert novel.tags == ("commercial", "fiction")
    assert novel.value({"profile.spent": 100}.get) == 40
    assert (novel.prior, novel.lever) == (0.1, 20)
    assert (novel.starts, novel.ends) == (date(2026, 1, 1), date(2026, 12, 31))
    assert novel.mandatory
    assert novel.only_for_journeys
    assert novel.exempt is None


def test_treatments_have_ids_by_channel_and_placement_and_show_the_price(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    novel = bundle.actions["new-novel"]
    ids = [treatment.id for treatment in novel.treatments]
    assert ids == ["new-novel.email", "new-novel.web", "new-novel.web.hero"]
    hero = novel.treatments[2]
    assert (hero.channel, hero.placement, hero.tone) == ("web", "hero", "friendly")
    assert hero.content == {"headline": "New", "body": "No", "price": "12 euros"}
    phone, _ = bundle.actions["faq"].treatments
    assert (phone.content, phone.tone) == ({"hello": "Hello"}, "empathetic")


def test_rules_are_inherited_from_all_purpose_and_group_in_stage_order(tmp_path: Path) -> None:
    rules = a_bundle(tmp_path).actions["new-novel"].rules
    names = [rule.name for rule in rules]
    assert names == ["is-adult", "has-not-read-it", "not-deceased", "reads"]
    assert [rule.stage for rule in rules] == [
        *(Stage.ELIGIBILITY, Stage.ELIGIBILITY, Stage.APPLICABILITY, Stage.SUITABILITY)
    ]
    assert rules[0].because == "We sell to adults only."


def test_unknown_drops_for_eligibility_and_passes_otherwise_unless_said(tmp_path: Path) -> None:
    rules = {rule.name: rule for rule in a_bundle(tmp_path).actions["new-novel"].rules}
    passes = {name: rule.unknown_passes for name, rule in rules.items()}
    assert passes == {
        "is-adult": False,
        "has-not-read-it": True,
        "not-deceased": False,
        "reads": True,
    }


def test_an_action_may_switch_an_inherited_rule_off(tmp_path: Path) -> None:
    assert a_bundle(tmp_path).actions["faq"].rules == ()


def test_the_source_gives_the_same_bundle_again(tmp_path: Path) -> None:
    bundle = load_bundle(
        write(tmp_path, {"business.yaml": BUSINESS, "actions/all.yaml": ACTIONS}),
        models={"churn": "sha256:1"},
    )
    again = bundle_from_source(bundle.source)
    assert again == bundle
    assert again.models == {"churn": "sha256:1"}
    assert list(again.actions) == list(bundle.actions)
    assert list(again.purposes) == list(bundle.purposes)


def test_the_hash_names_content_and_models_and_not_how_files_are_cut(tmp_path: Path) -> None:
    whole = a_bundle(tmp_path / "a")
    novel, faq = ACTIONS.split("  faq:\n")
    files = {
        "terms.yaml": "# a comment\n" + BUSINESS,
        "actions/a.yaml": novel,
        "actions/b.yaml": "actions:\n  faq:\n    prior: 0.5\n"
        + faq.replace("    prior: 0.5\n", ""),
    }
    cut = load_bundle(write(tmp_path / "b", files))
    assert cut.hash == whole.hash
    assert cut == whole
    assert load_bundle(tmp_path / "b", models={"churn": "1"}).hash != whole.hash
    changed = a_bundle(tmp_path / "c", actions=ACTIONS.replace("Answers", "Answer"))
    assert changed.hash != whole.hash


def test_files_beside_the_bundle_are_not_read(tmp_path: Path) -> None:
    files = {"business.yaml": BUSINESS, "actions/all.yaml": ACTIONS, "cases/one.yaml": "x: 1"}
    assert load_bundle(write(tmp_path, files)) == a_bundle(tmp_path / "other")


PLANTED_IN_BUSINESS = {
    "currency: EUR": (
        "curency: EUR",
        "business.yaml:1: business has no key 'curency', did you mean currency?",
    ),
    "{in_page: true, like: web}": (
        "{in_page: maybe, like: web}",
        "business.yaml:4: in_page of channel app must be true or false, not 'maybe'",
    ),
    "like: web}": (
        "like: wep}",
        "business.yaml:4: like of channel app: 'wep' is not known, did you mean web?",
    ),
    "consent: {web: allowed, app: allowed, email: opt-in, phone: opt-in}": (
        "consent: {web: allowed, app: yes, email: opt-in}",
        "business.yaml:9: consent of purpose sales needs phone: a text",
    ),
    "levels: [full, partial]": (
        "levels: [full, partly]",
        "business.yaml:10: levels of purpose sales: 'partly' is not known, did you mean partial?",
    ),
    "lever: 10": (
        "lever: much",
        "business.yaml:11: lever of purpose sales must be a number from -100 to 1000, not 'much'",
    ),
    "stage: eligibility": (
        "stage: eligible",
        "business.yaml:14: stage of rule is-adult: 'eligible' is not known, "
        "did you mean eligibility?",
    ),
    "when: profile.age >= 18": (
        "when: profile.age => 18",
        "business.yaml:15: when of rule is-adult: `profile.age => 18` can't be read",
    ),
    "profile.age >= 18": (
        "profile.aeg >= 18",
        "business.yaml:15: when of rule is-adult uses an unknown feature 'profile.aeg', "
        "did you mean profile.age?",
    ),
    "when: profile.reader": (
        "when: profile.spent * 2",
        "business.yaml:26: when of rule reads: `profile.spent * 2`: a condition is needed here",
    ),
    "because: Nobody writes to the dead.": (
        "becuase: Nobody writes to the dead.",
        "business.yaml:34: rule not-deceased has no key 'becuase', did you mean because?",
    ),
    "unknown: drop": (
        "unknown: maybe",
        "business.yaml:33: unknown of rule not-deceased: 'maybe' is not known; "
        "write one of drop, pass",
    ),
    "purposes: [sales], tags: [commercial], cool": (
        "purposes: [], tags: [], cool",
        "business.yaml:36: hold complaint silences nothing; give it purposes or tags",
    ),
    "cool_down: 48 hours": (
        "cool_down: 48h",
        "business.yaml:36: cool_down of hold complaint: '48h' is no time; write 7 days",
    ),
    "maximum: 90 days": (
        "maximum: 1 hour",
        "business.yaml:36: hold complaint ends before its cool-down",
    ),
    "at_most: 2": (
        "at_most: 0",
        "business.yaml:39: at_most of limit twice-a-week must be a number from 1 to 10000, not 0",
    ),
    "within: 7 days": (
        "within: 0 days",
        "business.yaml:40: within of limit twice-a-week: '0 days' is no time",
    ),
    "counts: [dispatch, impression]": (
        "counts: [dispatched]",
        "business.yaml:41: counts of limit twice-a-week: 'dispatched' is not known, "
        "did you mean dispatch?",
    ),
    "per: action": (
        "per: household",
        "business.yaml:42: per of limit twice-a-week: 'household' is not known; "
        "write one of action, customer, group, purpose",
    ),
    "actions: [new-novel]": (
        "actions: new-novel",
        "business.yaml:46: actions of limit twice-a-week must be a list, such as [new-novel]",
    ),
    "visits: 30 minutes": (
        "visit: 30 minutes",
        "business.yaml:48: there is no feature view 'visit', did you mean visits?",
    ),
    "for: group:help": (
        "for: group:helping",
        "business.yaml:51: for of context weight on-help-pages: 'group:helping' is not known, "
        "did you mean group:help?",
    ),
    'context.page == "help"': (
        'context.page.name == "help"',
        "business.yaml:52: context.page.name: write context.<name>",
    ),
    "{propensity: 0.01": (
        "{propensity: 1.5",
        "business.yaml:54: propensity of thresholds must be a number from 0 to 1, not 1.5",
    ),
    '"*": faq': (
        '"*": new-novel',
        "business.yaml:55: fallback new-novel must be neither commercial nor for journeys only",
    ),
}
PLANTED_IN_ACTIONS = {
    "  new-novel:": ("  New_Novel:", "actions/all.yaml:2: 'New_Novel' is no name; use a-z, 0-9"),
    "purpose: sales": (
        "purpose: selling",
        "actions/all.yaml:4: purpose of action new-novel: 'selling' is not known",
    ),
    "group: books": (
        "group: boks",
        "actions/all.yaml:5: group of action new-novel: 'boks' is not known, did you mean books?",
    ),
    "tags: [commercial, fiction]": (
        "tags: [fiction]",
        "actions/all.yaml:6: action new-novel has purpose sales; add the tag commercial",
    ),
    "value: 0.4 * profile.spent": (
        "value: high",
        "actions/all.yaml:8: value of action new-novel: `high`: a name has a view and a feature",
    ),
    "prior: 0.1": (
        "prior: 10",
        "actions/all.yaml:9: prior of action new-novel must be a number from 0.0001 to 0.9999",
    ),
    "starts: 2026-01-01": (
        "starts: January",
        "actions/all.yaml:10: starts of action new-novel must be a date such as 2026-12-31",
    ),
    "ends: 2026-12-31": (
        "ends: 2025-12-31",
        "actions/all.yaml:11: action new-novel ends before it starts",
    ),
    "has-not-read-it:": (
        "is-adult:",
        "actions/all.yaml:15: action new-novel already inherits a rule 'is-adult'; rename it",
    ),
    "web: {headline: New, body: A new novel}": (
        "web: {headlin: New, body: A new novel}",
        "actions/all.yaml:22: treatment new-novel.web has no key 'headlin', did you mean headline?",
    ),
    "email: {subject: New, body: A new novel}": (
        "email: {subject: New}",
        "actions/all.yaml:24: treatment new-novel.email needs body: a text",
    ),
    "email: {subject": (
        "fax: {subject",
        "actions/all.yaml:24: treatment new-novel.fax: no channel 'fax'; "
        "write one of app, email, phone, web",
    ),
    "web.hero:": (
        "web.hero.big:",
        "actions/all.yaml:23: treatment new-novel.web.hero.big: write the channel, "
        "or channel.placement",
    ),
    "tone: friendly": (
        "tone: loud",
        "actions/all.yaml:23: tone of treatment new-novel.web.hero: 'loud' is not known",
    ),
    "exempt: service": (
        "exempt: vip",
        "actions/all.yaml:30: exempt of action faq: 'vip' is not known; "
        "write one of legal, safety, service, transactional",
    ),
    "without: [not-deceased]": (
        "without: [not-decaesed]",
        "actions/all.yaml:33: without of action faq: 'not-decaesed' is not known, "
        "did you mean not-deceased?",
    ),
    "value: 3": (
        "value: 3\n    discount: 5 euros less",
        "actions/all.yaml:32: action faq declares a discount; add the tag commercial",
    ),
    "body: Answers": (
        "body: Now 20 percent off",
        "actions/all.yaml:34: treatment faq.web makes an offer ('20 percent off'); "
        "add the tag commercial to action faq or reword it",
    ),
    "hello: Hello": (
        "hello: Hello, price: 5 euros",
        "actions/all.yaml:34: treatment faq.phone makes an offer ('price: 5 euros')",
    ),
    "prior: 0.5": (
        "prior: 0.5\n    prior: 0.6",
        "actions/all.yaml:33: prior is here twice, first in line 32; keep one of them",
    ),
}


@pytest.mark.parametrize("good", PLANTED_IN_BUSINESS)
def test_an_error_in_the_terms_is_reported_with_file_line_and_remedy(
    tmp_path: Path, good: str
) -> None:
    bad, expected = PLANTED_IN_BUSINESS[good]
    assert good in BUSINESS
    found = problems(tmp_path, business=BUSINESS.replace(good, bad, 1))
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize("good", PLANTED_IN_ACTIONS)
def test_an_error_in_an_action_is_reported_with_file_line_and_remedy(
    tmp_path: Path, good: str
) -> None:
    bad, expected = PLANTED_IN_ACTIONS[good]
    assert good in ACTIONS
    found = problems(tmp_path, actions=ACTIONS.replace(good, bad, 1))
    assert any(problem.startswith(expected) for problem in found), found


def test_a_fallback_that_a_limit_counts_is_refused(tmp_path: Path) -> None:
    business = BUSINESS.replace("purposes: [sales]\n    groups", "purposes: [service]\n    groups")
    business = business.replace("groups: [books]", "groups: [help]").replace("[new-novel]", "[faq]")
    business = business.replace("channels: [email]", "channels: [web]")
    found = problems(tmp_path, business, ACTIONS.replace("    exempt: service\n", ""))
    assert found == [
        "business.yaml:55: fallback faq counts towards twice-a-week; "
        "use an action that is exempt, or free it from the limit"
    ]


def test_a_limit_that_looks_further_back_than_contacts_are_kept_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, BUSINESS.replace("within: 7 days", "within: 401 days")) == [
        "business.yaml:40: within of limit twice-a-week can't be longer than 400 days"
    ]


def test_all_problems_are_reported_at_once_in_the_order_of_files(tmp_path: Path) -> None:
    business = BUSINESS.replace("at_most: 2", "at_most: none").replace("levels: [full, p", "x: [p")
    actions = ACTIONS.replace("prior: 0.1", "prior: 2").replace("group: help", "group: helf")
    found = problems(tmp_path, business, actions)
    places = [tuple(problem.split(":")[:2]) for problem in found]
    assert places == sorted(places, key=lambda place: (place[0], int(place[1])))
    assert {("business.yaml", "10"), ("business.yaml", "39")} <= set(places)
    assert {("actions/all.yaml", "9"), ("actions/all.yaml", "28")} <= set(places)


def test_the_same_action_in_two_files_is_refused_with_both_places(tmp_path: Path) -> None:
    files = {"business.yaml": BUSINESS, "actions/a.yaml": ACTIONS, "actions/b.yaml": ACTIONS}
    with pytest.raises(InvalidBundle) as caught:
        load_bundle(write(tmp_path, files))
    expected = "actions/b.yaml:2: new-novel is already in actions at actions/a.yaml:2; rename it"
    assert expected in caught.value.problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1\nb: 2", "bad.yaml:2: this is not YAML"),
        ("actions:\n\t- x", "bad.yaml:2: this is not YAML"),
        ("rules: &x {}\ngroups: *x", "bad.yaml:2: anchors and aliases"),
        ("rules: " + "[" * 100_000, "bad.yaml:1: nested deeper"),
        ("- 1\n- 2", "bad.yaml:1: this file must have keys"),
        ("? [a]\n: 1", "bad.yaml:1: a key must be a plain word"),
        ("recipes: {}", "bad.yaml:1: this file has no key 'recipes'"),
        ("actions: 7", "bad.yaml:1: actions of this file must be a list of names"),
        ("actions: {broken: 7}", "bad.yaml:1: action broken must have keys"),
        ("actions:\n  empty: {}", "bad.yaml:2: action empty can't be said anywhere"),
        ("a: 1\n---\nb: 2", "bad.yaml:2: this is not YAML"),
    ],
    ids=lambda value: value[:12],
)
def test_a_file_that_is_not_a_part_of_a_bundle_is_refused(
    tmp_path: Path, text: str, expected: str
) -> None:
    files = {"business.yaml": BUSINESS, "actions/all.yaml": ACTIONS, "bad.yaml": text}
    with pytest.raises(InvalidBundle) as caught:
        load_bundle(write(tmp_path, files))
    found = caught.value.problems
    assert any(problem.startswith(expected) for problem in found), found


def test_a_file_that_is_no_text_is_a_problem_and_not_a_crash(tmp_path: Path) -> None:
    write(tmp_path, {"business.yaml": BUSINESS, "actions/all.yaml": ACTIONS})
    (tmp_path / "latin.yaml").write_bytes(b"business: \xff\xfe")
    with pytest.raises(InvalidBundle, match=r"latin\.yaml:1: the file can't be read as UTF-8"):
        load_bundle(tmp_path)


def test_an_empty_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match=r"it needs a business\.yaml"):
        load_bundle(tmp_path)


def test_sections_that_a_bundle_can_not_do_without_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle) as caught:
        load_bundle(write(tmp_path, {"business.yaml": "business: {name: x, currency: EUR}"}))
    for section in ("channels", "purposes", "groups", "actions"):
        assert f"business.yaml:1: the bundle needs {section}" in caught.value.problems


def test_context_models_and_journeys_need_no_feature(tmp_path: Path) -> None:
    when = "context.page == 1 and model.churn > 0.5 and journey.complaint"
    business = BUSINESS.replace("profile.reader", f"{when} and journey.renewal.stage == 'due'")
    assert a_bundle(tmp_path, business).actions["new-novel"].rules[-1].name == "reads"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1 day", timedelta(days=1)),
        ("7 days", timedelta(days=7)),
        ("2 weeks", timedelta(days=14)),
        ("48 hours", timedelta(hours=48)),
        ("30 minutes", timedelta(minutes=30)),
        ("90 seconds", timedelta(seconds=90)),
    ],
)
def test_durations_are_written_in_words(tmp_path: Path, text: str, length: timedelta) -> None:
    bundle = a_bundle(tmp_path, BUSINESS.replace("within: 7 days", f"within: {text}"))
    assert bundle.limits[0].window == Window(length=length)


@pytest.mark.parametrize("source", [b"", b"{", b"[]", b"null", b'{"bundle": {}}', b"\xff"])
def test_a_source_that_is_no_bundle_is_refused(source: bytes) -> None:
    with pytest.raises(InvalidBundle):
        bundle_from_source(source)


def test_a_source_with_an_error_is_refused_with_its_path(tmp_path: Path) -> None:
    kept = orjson.loads(a_bundle(tmp_path).source)
    kept["bundle"]["actions"]["faq"]["prior"] = 7
    with pytest.raises(InvalidBundle, match=r"source/actions/faq/prior:0: prior of action faq"):
        bundle_from_source(orjson.dumps(kept))


def test_a_changed_source_has_another_hash(tmp_path: Path) -> None:
    bundle = a_bundle(tmp_path)
    changed = bundle_from_source(bundle.source.replace(b"Answers", b"Answerz"))
    assert changed.hash != bundle.hash


@given(
    at=st.integers(0, len(ACTIONS) - 1),
    cut=st.integers(0, 30),
    put=st.text(alphabet="abz -:[]{}#'\"\n\t0.*&!|>", max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_refused_with_places_or_still_loads(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    damaged = ACTIONS[:at] + put + ACTIONS[at + cut :]
    folder = tmp_path_factory.mktemp("damaged")
    found: list[str] = []
    try:
        bundle = a_bundle(folder, actions=damaged)
        again = bundle_from_source(bundle.source) == bundle
    except InvalidBundle as error:
        again, found = True, error.problems
    assert again
    assert all(PLACE.match(problem) for problem in found), found
