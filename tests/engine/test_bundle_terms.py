"""Each term of a bundle is read as it is written, and what is left out has its usual meaning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bundle import bundle_from_source
from engine.bundle_keys import (
    ANSWERS,
    CLOCKS,
    COUNTED,
    EVENTS,
    EXEMPTIONS,
    KEYS,
    PERIODS,
    REACH,
    RULE_STAGES,
    SCOPES,
    SECTIONS,
    TOGETHER,
    TONES,
    UNKNOWN,
)
from engine.catalog import (
    ContactPolicy,
    Exclusion,
    Exploration,
    Influencer,
    JourneyTerms,
    Period,
    PlacementTerms,
    QuietHours,
    Reach,
    Scope,
    SessionTerms,
    Volume,
    Window,
    Zone,
)
from engine.errors import InvalidBundle
from engine.types import ContactKind, Stage
from tests.support.written import refusals, shop

DAY = timedelta(days=1)
SALES = Reach(purposes=frozenset({"sales"}))

EVERYTHING = """\
segments:
  readers: profile.reader and value.spent_a_month > 3
values:
  spent_a_month: billing.spent / 12
limits:
  household-mail:
    at_most: 3
    within: calendar week
    clock: customer
    counts: [dispatch]
    scope: household
    keeps_for_better: 2 days
    purposes: [sales]
policies:
  said-no:
    after: [reject, unsubscribe]
    times: 2
    within: calendar month
    clock: utc
    silence: 10 days
    per: group
    each_channel: true
    scope: account
    purposes: [sales]
    because: The customer said no.
quiet_hours:
  nights:
    from: "20:00"
    to: 08:30
    days: [friday, saturday]
    clock: business
    then: drop
    purposes: [sales]
    because: People sleep.
session: {idle: 20 minutes, silenced_by: [reject], most_shown: 4, remembers: [reason, mood]}
volumes:
  signed-copies:
    at_most: 50
    in: month
    per: profile.genre
    kept_for: 2 hours
    used_by: [accept]
    freed_by: [reject, later]
    at_least: 5
    boost: 25
    actions: [novel]
    because: They are gone.
exclusions:
  recall: {actions: [novel], until: 2026-05-01T12:00:00+02:00, because: It is recalled.}
margin_floors:
  late-payers: {when: billing.spent < 5, floor: 2.5, because: It earns too little.}
influencers:
  maybe-later:
    {for: group:books, of: "action:novel", after: [later], from: -20, to: 40, ramp: 4 days,
     step: 1 day, lasts: 30 days}
  welcome: {for: action:novel, journey: onboarding, stage: second week, to: 10, lasts: 5 days}
exploration:
  smoothing_evidence: 50
  thompson: true
  control_percent: 2.5
  mature_positives: 200
  immature_percent: 4
placements:
  hero: {most_per_group: 1, most_per_purpose: 2}
  "*": {most_per_group: 3}
journeys:
  onboarding: {priority: 5, starts_at_most: 1, starts_within: 90 days, running_at_most: 2}
  renewal: {not_while: [onboarding]}
max_ages: {visits: 2 days, visits.last_page: 1 hour}
"""
ABOUT = (
    "business: {name: shop, currency: EUR}",
    "business: {name: shop, currency: EUR, zone: Europe/Berlin, customer_zone: profile.zone, "
    "week_starts: sunday, answers_within: 2 days, cached_for: 6 hours}",
)
MARGIN = ("    value: 12\n", "    value: 12\n    margin: 0.2 * billing.spent\n")


def test_the_business_says_whose_clock_counts_and_how_long_it_waits(tmp_path: Path) -> None:
    bundle = shop(tmp_path / "a", "", ABOUT)
    assert (bundle.zone, bundle.customer_zone, bundle.week_starts) == (
        *("Europe/Berlin", "profile.zone"),
        6,
    )
    assert (bundle.answers_within, bundle.cache_age) == (2 * DAY, timedelta(hours=6))
    usual = shop(tmp_path / "b")
    assert (usual.zone, usual.customer_zone, usual.week_starts) == ("UTC", None, 0)
    assert (usual.answers_within, usual.cache_age) == (3 * DAY, DAY)


def test_limits_have_calendar_windows_scopes_and_places_that_are_kept(tmp_path: Path) -> None:
    (limit,) = shop(tmp_path, EVERYTHING, MARGIN).limits
    assert limit.window == Window(period=Period.WEEK, zone=Zone.CUSTOMER)
    assert (limit.scope, limit.keeps_for_better) == (Scope.HOUSEHOLD, 2 * DAY)
    assert limit.kinds == {ContactKind.DISPATCH}


def test_a_contact_policy_is_read_as_written(tmp_path: Path) -> None:
    assert shop(tmp_path, EVERYTHING, MARGIN).policies == (
        ContactPolicy(
            name="said-no",
            outcomes=frozenset({"reject", "unsubscribe"}),
            times=2,
            window=Window(period=Period.MONTH, zone=Zone.UTC),
            silence=10 * DAY,
            because="The customer said no.",
            per="group",
            per_channel=True,
            reach=SALES,
            scope=Scope.ACCOUNT,
        ),
    )


def test_a_policy_counts_one_action_once_for_one_customer_unless_it_says_more(
    tmp_path: Path,
) -> None:
    more = "policies:\n  no: {after: [reject], within: 1 day, silence: 3 days, because: No.}\n"
    (policy,) = shop(tmp_path, more).policies
    assert (policy.times, policy.per, policy.per_channel) == (1, "action", False)
    assert (policy.scope, policy.window) == (Scope.CUSTOMER, Window(length=DAY))


def test_quiet_hours_are_read_as_written(tmp_path: Path) -> None:
    bundle = shop(tmp_path, EVERYTHING, MARGIN)
    assert bundle.quiet_hours == (
        QuietHours(
            name="nights",
            starts=time(20),
            ends=time(8, 30),
            waits=False,
            because="People sleep.",
            days=frozenset({4, 5}),
            zone=Zone.BUSINESS,
            reach=SALES,
        ),
    )


def test_quiet_hours_are_every_day_on_the_customers_clock_and_wait_unless_said(
    tmp_path: Path,
) -> None:
    more = 'quiet_hours:\n  nights: {from: "20:00", to: "08:00", because: People sleep.}\n'
    (hours,) = shop(tmp_path, more).quiet_hours
    assert (hours.days, hours.zone, hours.waits) == (frozenset(range(7)), Zone.CUSTOMER, True)


def test_a_session_remembers_what_it_is_told_to(tmp_path: Path) -> None:
    bundle = shop(tmp_path / "a", EVERYTHING, MARGIN)
    assert bundle.session == SessionTerms(
        idle=timedelta(minutes=20),
        silenced_by=frozenset({"reject"}),
        most_shown=4,
        remembers=frozenset({"reason", "mood"}),
    )
    assert shop(tmp_path / "b").session == SessionTerms()


def test_volumes_and_exclusions_are_read_as_written(tmp_path: Path) -> None:
    bundle = shop(tmp_path, EVERYTHING, MARGIN)
    novel = Reach(actions=frozenset({"novel"}))
    assert bundle.volumes == (
        Volume(
            name="signed-copies",
            maximum=50,
            because="They are gone.",
            period=Period.MONTH,
            per="profile.genre",
            kept_for=timedelta(hours=2),
            used_by=frozenset({"accept"}),
            freed_by=frozenset({"reject", "later"}),
            minimum=5,
            boost=25,
            reach=novel,
        ),
    )
    until = datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert bundle.exclusions == (
        Exclusion(name="recall", because="It is recalled.", reach=novel, until=until),
    )


def test_margins_and_their_floors_are_expressions(tmp_path: Path) -> None:
    bundle = shop(tmp_path, EVERYTHING, MARGIN)
    (floor,) = bundle.margin_floors
    assert (floor.floor, floor.condition({"billing.spent": 4}.get)) == (2.5, True)
    margin = bundle.actions["novel"].margin
    assert margin is not None
    assert margin({"billing.spent": 100}.get) == 20
    assert bundle.actions["faq"].margin is None


def test_influencers_follow_outcomes_or_stages(tmp_path: Path) -> None:
    assert shop(tmp_path, EVERYTHING, MARGIN).influencers == (
        Influencer(
            name="maybe-later",
            target="group:books",
            after="action:novel",
            outcomes=frozenset({"later"}),
            start=-20,
            end=40,
            ramp=4 * DAY,
            step=DAY,
            lasts=30 * DAY,
        ),
        Influencer(
            name="welcome",
            target="action:novel",
            after="onboarding",
            stage="second week",
            end=10,
            lasts=5 * DAY,
        ),
    )


def test_chance_placements_and_journeys_are_read_as_written(tmp_path: Path) -> None:
    bundle = shop(tmp_path / "a", EVERYTHING, MARGIN)
    assert bundle.exploration == Exploration(
        smoothing_evidence=50,
        thompson=True,
        control_percent=2.5,
        mature_positives=200,
        immature_percent=4,
    )
    assert bundle.placements == {
        "hero": PlacementTerms(name="hero", most_per_group=1, most_per_purpose=2),
        "*": PlacementTerms(name="*", most_per_group=3),
    }
    assert bundle.journeys == {
        "onboarding": JourneyTerms(
            kind="onboarding",
            priority=5,
            starts_maximum=1,
            starts_window=90 * DAY,
            running_maximum=2,
        ),
        "renewal": JourneyTerms(kind="renewal", not_while=("onboarding",)),
    }
    usual = shop(tmp_path / "b")
    assert (usual.exploration, usual.placements, usual.journeys) == (Exploration(), {}, {})


def test_segments_and_values_are_named_expressions(tmp_path: Path) -> None:
    bundle = shop(tmp_path, EVERYTHING, MARGIN)
    assert bundle.values["spent_a_month"]({"billing.spent": 24}.get) == 2
    assert bundle.segments["readers"].names == {"profile.reader", "value.spent_a_month"}


def test_ages_are_given_to_views_and_to_single_features(tmp_path: Path) -> None:
    bundle = shop(tmp_path, EVERYTHING, MARGIN)
    assert bundle.max_ages == {"visits": 2 * DAY, "visits.last_page": timedelta(hours=1)}


def test_purposes_have_a_shadow_price_and_a_most_value(tmp_path: Path) -> None:
    level = "    levels: [full, partial]\n"
    bundle = shop(tmp_path, "", (level, f"{level}    shadow_price: 3\n    most_value: 250\n"))
    sales, service = bundle.purposes["sales"], bundle.purposes["service"]
    assert (sales.shadow_price, sales.most_value) == (3, 250)
    assert (service.shadow_price, service.most_value) == (0, None)


def test_the_most_specific_threshold_counts_each_for_itself(tmp_path: Path) -> None:
    level = "    levels: [full, partial]\n"
    bundle = shop(
        tmp_path,
        "thresholds: {propensity: 0.01, priority: 0.5}\n",
        (level, f"{level}    thresholds: {{propensity: 0.02, priority: 0.6}}\n"),
        ("  books: {}", "  books: {thresholds: {priority: 0.1}}"),
        ("    value: 12\n", "    value: 12\n    thresholds: {propensity: 0}\n"),
    )
    novel, faq = bundle.actions["novel"], bundle.actions["faq"]
    assert (novel.minimum_propensity, novel.minimum_priority) == (0.0, 0.1)
    assert (faq.minimum_propensity, faq.minimum_priority) == (0.01, 0.5)


def test_a_package_names_what_it_needs_and_what_it_takes_along(tmp_path: Path) -> None:
    bundle = shop(
        tmp_path,
        "",
        ("    value: 12\n", "    value: 12\n    requires: [faq]\n"),
        ("    value: 3\n", "    value: 3\n    only_as_member: true\n"),
    )
    novel, faq = bundle.actions["novel"], bundle.actions["faq"]
    assert (novel.requires, novel.brings, novel.only_as_member) == (("faq",), (), False)
    assert faq.only_as_member


VERSIONS = """\
      web: {headline: New, body: A new novel}
      web.hero: {headline: New, body: "No", tone: friendly}
      web.hero:spent: {headline: New, body: "You spent {billing.spent}"}
      web:reader:
        preference: 5
        rules:
          reads: {when: profile.reader, because: The customer does not read.}
          young: {when: profile.age < 30, unknown: pass, because: It is for the young.}
        headline: For readers
        body: "{billing.spent} euros of {profile.genre}, {billing.spent}"
"""


def test_an_action_may_be_said_in_several_ways_on_one_channel(tmp_path: Path) -> None:
    bundle = shop(tmp_path, "", ("      web: {headline: New, body: A new novel}\n", VERSIONS))
    found = {one.id: one for one in bundle.actions["novel"].treatments}
    assert set(found) == {
        *("novel.web", "novel.web.hero", "novel.web.hero:spent", "novel.web:reader"),
        "novel.email",
    }
    assert {one.channel for one in found.values()} == {"web", "email"}
    spent, reader = found["novel.web.hero:spent"], found["novel.web:reader"]
    assert (spent.placement, spent.needs, spent.rules) == ("hero", ("billing.spent",), ())
    assert (reader.placement, reader.preference) == (None, 5)
    assert reader.needs == ("billing.spent", "profile.genre")
    assert [(rule.name, rule.stage, rule.unknown_passes) for rule in reader.rules] == [
        ("reads", Stage.TREATMENT, False),
        ("young", Stage.TREATMENT, True),
    ]


def test_a_bundle_with_everything_comes_back_from_its_source(tmp_path: Path) -> None:
    bundle = shop(tmp_path, EVERYTHING, MARGIN, ABOUT)
    assert bundle_from_source(bundle.source) == bundle


def test_what_ends_is_refused_only_on_the_day_after(tmp_path: Path) -> None:
    ends = ("    value: 12\n", "    value: 12\n    ends: 2026-03-02\n")
    assert shop(tmp_path / "a", "", ends).actions["novel"].ends == date(2026, 3, 2)
    assert shop(tmp_path / "b", "", ends, today=date(2026, 3, 2))
    assert refusals(tmp_path / "c", "", ends, today=date(2026, 3, 3)) == [
        "shop.yaml:23: action novel ended on 2026-03-02 and can never be offered again; "
        "remove it, or move the date"
    ]


@pytest.mark.parametrize("section", ["session", "exploration", "thresholds", "business"])
def test_a_section_that_is_one_entry_may_be_spread_over_files(tmp_path: Path, section: str) -> None:
    key = {"session": "idle: 1 hour", "exploration": "thompson: true"}.get(section)
    key = key or {"thresholds": "priority: 1", "business": "zone: Asia/Tokyo"}[section]
    assert shop(tmp_path, f"{section}:\n  {key}\n")


MANUAL = (Path(__file__).parents[2] / "docs" / "bundle.md").read_text()
HEADINGS = {
    "rule": "## Rules",
    "action": "## An action",
    "treatment": "### Treatments",
    "escalation": "### `service_clocks`",
}
OF_SECTIONS = {kind: f"### `{name}`" for name, kind in SECTIONS.items() if kind}


def under(heading: str) -> str:
    assert f"\n{heading}\n" in MANUAL, heading
    return re.split(r"\n##+ ", MANUAL.split(f"\n{heading}\n", 1)[1])[0]


@pytest.mark.parametrize("kind", KEYS)
def test_every_key_is_explained_where_its_section_is(kind: str) -> None:
    heading = {**OF_SECTIONS, **HEADINGS}.get(kind) or HEADINGS[kind.split()[0]]
    explained = under(heading)
    if set(REACH) < set(KEYS[kind]):
        explained += under("### What a term applies to")
    assert [key for key in KEYS[kind] if f"`{key}`" not in explained] == []


@pytest.mark.parametrize("section", sorted(SECTIONS.keys() - {"actions", "rules"}))
def test_every_section_is_explained_with_an_example(section: str) -> None:
    (example, *_) = re.findall(r"```yaml\n(.*?)```", under(f"### `{section}`"), re.DOTALL)
    assert section in yaml.safe_load(example)


@pytest.mark.parametrize(
    "words",
    [CLOCKS, COUNTED, EXEMPTIONS, PERIODS, RULE_STAGES, SCOPES, TOGETHER, TONES, UNKNOWN],
    ids=lambda words: words[0],
)
def test_every_word_that_is_chosen_from_is_in_the_manual(words: Sequence[str]) -> None:
    assert [word for word in words if not re.search(rf"\b{word}\b", MANUAL)] == []


def test_every_outcome_that_is_known_is_in_the_manual() -> None:
    known = under("### `policies`")
    assert [word for word in (*EVENTS, *ANSWERS) if f"`{word}`" not in known] == []


@given(
    at=st.integers(0, len(EVERYTHING) - 1),
    cut=st.integers(0, 40),
    put=st.text(alphabet="abxz -_:[]{}#'\"\n\t0.*&!|>", max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_damaged_terms_are_refused_with_places_or_still_load(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    damaged = EVERYTHING[:at] + put + EVERYTHING[at + cut :]
    found: list[str] = []
    try:
        bundle = shop(tmp_path_factory.mktemp("damaged"), damaged, MARGIN)
        again = bundle_from_source(bundle.source) == bundle
    except InvalidBundle as error:
        again, found = True, error.problems
    assert again
    assert all(re.match(r"(shop|terms)\.yaml:\d+: .", problem) for problem in found), found
