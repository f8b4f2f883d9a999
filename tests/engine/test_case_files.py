"""Golden cases are read with file, line and remedy, judged in words, and counted as coverage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.bundle import load_bundle
from engine.case_files import load_cases
from engine.cases import play, run
from engine.catalog import Bundle
from engine.coverage import coverage
from engine.errors import InvalidBundle
from engine.golden import Case
from engine.types import ContactKind, Level, Stage

BUSINESS = """\
business: {name: books, currency: EUR, zone: Europe/Berlin}
channels: {web: {in_page: true}, email: {}}
purposes:
  sales: {consent: {web: allowed, email: opt-in}, levels: [full, partial]}
  service: {consent: {web: allowed, email: allowed}, levels: [full, stale, partial, static]}
groups: {books: {}, help: {}}
holds: {complaint: {purposes: [sales], tags: [], cool_down: 1 day, maximum: 9 days}}
limits:
  one-a-week: {at_most: 1, within: 7 days, counts: [dispatch], purposes: [sales]}
volumes:
  copies: {at_most: 10, in: day, actions: [novel], because: Sold out for today.}
actions:
  novel:
    title: A novel
    purpose: sales
    group: books
    tags: [commercial]
    value: 10
    prior: 0.2
    rules: {is-adult: {stage: eligibility, when: profile.age >= 18, because: Only adults.}}
    treatments: {web: {body: A novel}, email: {body: A novel}}
  faq:
    title: Questions
    purpose: service
    group: help
    exempt: service
    value: 3
    prior: 0.2
    treatments: {web: {body: Answers}, email: {body: Answers}}
fallbacks: {"*": faq}
"""
ALEX = """\
customers:
  alex:
    about: an adult
    facts: {profile.age: 30, contract.type: none, services.phone: true, billing.total_charges: 1}
"""


def bundle_in(folder: Path) -> Bundle:
    (folder / "business.yaml").write_text(BUSINESS)
    return load_bundle(folder)


def cases(folder: Path, text: str, customers: str = ALEX) -> tuple[Case, ...]:
    bundle = bundle_in(folder)
    (folder / "cases").mkdir(exist_ok=True)
    (folder / "cases" / "all.yaml").write_text(customers + text)
    return load_cases(folder, bundle)


def problems(folder: Path, text: str, customers: str = ALEX) -> list[str]:
    with pytest.raises(InvalidBundle) as caught:
        cases(folder, text, customers)
    return caught.value.problems


def one(folder: Path, text: str, customers: str = ALEX) -> Case:
    (case,) = cases(folder, f"cases:\n  case:\n    customer: alex\n{text}", customers)
    return case


def failures(folder: Path, text: str) -> tuple[str, ...]:
    return run(one(folder, text), load_bundle(folder))


def test_a_case_needs_little_more_than_a_customer_and_what_is_right(tmp_path: Path) -> None:
    assert failures(tmp_path, "    expect: novel\n") == ()
    assert one(tmp_path, "    expect: novel\n").requests[0].channel == "web"


def test_a_bundle_without_cases_has_none(tmp_path: Path) -> None:
    assert load_cases(tmp_path, bundle_in(tmp_path)) == ()


def test_a_failure_says_where_who_what_should_be_and_what_is(tmp_path: Path) -> None:
    (found,) = failures(tmp_path, "    holds: {complaint: {}}\n    expect: novel\n")
    assert found == (
        "cases/all.yaml:6: case (alex, an adult on web): main should show novel, it shows faq; "
        "novel is stopped: hold complaint:1 (the hold complaint is in force)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("expect: nothing", "main should show nothing, it shows novel"),
        ("expect: faq", "faq passed, but others came first"),
        ("drops: {novel: hold}", "novel should be stopped at hold, it passes"),
        ("tags: [x]\n    drops: {novel: hold}", "it was not asked for"),
        ("tags: [x]\n    expect: novel", "novel was not asked for"),
        ("facts: {profile.age: 3}\n    passes: [novel]", "novel should pass; novel is stopped"),
        (
            "facts: {profile.age: 3}\n    drops: {novel: hold}",
            "stopped at hold, it is at eligibility is-adult (Only adults.)",
        ),
        (
            "facts: {profile.age: 3}\n    drops: {novel: eligibility other}",
            "stopped at eligibility other, it is at eligibility is-adult",
        ),
        ("level: static", "the level should be static, it is full"),
        ("facts: {contract.type: null}\n    level: full", "it is partial (no contract features"),
        ("arm: control", "the arm should be control, it is best"),
        ("exemptions: {faq: limit:one-a-week}", "by exemption passes nothing"),
        ("channel: email\n    sends: novel\n    passes: [novel]", "novel is stopped: consent"),
    ],
)
def test_every_expectation_can_fail(tmp_path: Path, text: str, said: str) -> None:
    (found,) = failures(tmp_path, f"    {text}\n")
    assert said in found


def test_an_end_that_is_not_the_expected_one_is_a_failure(tmp_path: Path) -> None:
    text = """\
    channel: email
    consents: {sales: granted}
    contacts: ["dispatch of novel on email, 2 days ago"]
    drops: {novel: contact_limit one-a-week until in %s}
"""
    assert failures(tmp_path, text % "5 days") == ()
    (found,) = failures(tmp_path, text % "4 days")
    assert "until 2026-03-07 12:00" in found  # noon in Berlin


def test_times_are_those_of_the_business(tmp_path: Path) -> None:
    case = one(tmp_path, "    at: 2026-07-01 09:30\n    expect: novel\n")
    assert case.requests[0].now == datetime(2026, 7, 1, 7, 30, tzinfo=UTC)
    usual = one(tmp_path, "    expect: novel\n").requests[0].now
    assert usual == datetime(2026, 3, 2, 11, tzinfo=UTC)


def test_a_file_may_set_its_own_day(tmp_path: Path) -> None:
    case = one(tmp_path, "    expect: novel\n", "at: 2026-12-24 18:00\n" + ALEX)
    assert case.requests[0].now == datetime(2026, 12, 24, 17, tzinfo=UTC)


def test_a_customer_is_like_another_one_and_a_case_changes_both(tmp_path: Path) -> None:
    customers = (
        ALEX
        + """\
    contacts: ["impression of novel on web, 9 days ago"]
  bo:
    like: alex
    about: a child
    facts: {profile.age: 9}
    contacts: ["reject of novel on web, 8 days ago"]
"""
    )
    text = """\
cases:
  grown-up:
    customer: bo
    facts: {profile.age: 18, contract.type: null}
    contacts: ["dispatch of faq on email, 7 days ago, 6 days ago"]
    expect: novel
"""
    (case,) = cases(tmp_path, text, customers)
    assert case.who == "bo, a child"
    assert case.snapshot.features["profile.age"] == 18
    assert "contract.type" not in case.snapshot.features
    assert case.snapshot.features["services.phone"] is True
    kinds = [(contact.kind, contact.outcome) for contact in case.snapshot.contacts]
    assert kinds == [
        (ContactKind.IMPRESSION, ""),
        (ContactKind.RESPONSE, "reject"),
        (ContactKind.DISPATCH, ""),
        (ContactKind.DISPATCH, ""),
    ]
    times = [contact.at for contact in case.snapshot.contacts]
    now = case.requests[0].now
    days = [(now - timedelta(milliseconds=0)).timestamp() - at / 1000 for at in times]
    assert [round(each / 86_400) for each in days] == [9, 8, 7, 6]


def test_a_situation_can_say_all_that_a_decision_looks_at(tmp_path: Path) -> None:
    text = """\
    reference: someone
    ages: {profile: 3 days}
    models: {churn: 0.4}
    scores: {novel: 0.3}
    evidence: {"*": [1, 2], novel: [3, 4]}
    scored: 2
    missing_models: [taste]
    consents: {sales: refused, "sales:email": granted}
    holds:
      complaint: {since: 2 days ago, until: in 3 days}
      by-hand: {purposes: [service], because: Please wait.}
    household: ["dispatch of novel on email, 1 day ago"]
    journeys: {complaint: open, renewal: {stage: due, since: 4 days ago, before: far}}
    session: {started: 5 minutes ago, last: 1 minute ago, channel: web, context: {page: home}}
    used: {copies: 3}
    kept: {copies: novel}
    remembered: {main: faq}
    unreconciled: true
    seed: 5
    journey: renewal
    context: {page: plans}
    purposes: [service]
    placements: {hero: 1, rail: 2}
    expect: {hero: faq, rail: nothing}
"""
    case = one(tmp_path, text)
    snapshot, request = case.snapshot, case.requests[0]
    assert (request.customer, request.seed, request.journey) == (
        "someone",
        5,
        "renewal:someone:1",
    )
    assert [(one.name, one.limit) for one in request.placements] == [("hero", 1), ("rail", 2)]
    assert request.now - snapshot.feature_times["profile"] == timedelta(days=3)
    assert snapshot.consents == {"sales:web": False, "sales:email": True}
    assert {hold.id: hold.purposes for hold in snapshot.holds} == {
        "complaint:1": ("sales",),
        "by-hand:1": ("service",),
    }
    assert list(snapshot.circles) == ["household"]
    assert [journey.stage for journey in snapshot.journeys] == ["open", "due"]
    assert snapshot.session is not None
    assert snapshot.session.context == {"page": "home"}
    assert not snapshot.reconciled
    assert snapshot.remembered is not None
    assert case.expected.offers == {"hero": ("faq",), "rail": ()}
    assert case.said.missing == ("taste",)


def test_volumes_are_counted_in_the_period_of_the_case(tmp_path: Path) -> None:
    full = "    used: {copies: 10}\n    drops: {novel: volume copies until 2026-03-03 00:00}\n"
    assert failures(tmp_path, full) == ()
    assert failures(tmp_path, "    used: {copies: 9}\n    expect: novel\n") == ()
    kept = "    used: {copies: 10}\n    kept: {copies: novel}\n    expect: novel\n"
    assert failures(tmp_path, kept) == ()


def test_one_case_is_played_on_every_channel_that_it_names(tmp_path: Path) -> None:
    case = one(tmp_path, "    channel: [web, email]\n    expect: faq\n")
    found = play(case, load_bundle(tmp_path))
    assert [(seen.channel, len(seen.failures)) for seen in found] == [("web", 1), ("email", 0)]


PLANTED = {
    "customer: ales": "cases/all.yaml:7: customer of case case: 'ales' is not known, did you mean",
    "customer: alex": "case case does not say what is right; write expect, drops or passes",
    "expekt: novel": "cases/all.yaml:8: case case has no key 'expekt', did you mean expect?",
    "expect: novle": "'novle' is neither an action nor a treatment, did you mean novel?",
    "expect: {hero: novel}": "placement 'hero' is not asked for; placements are main",
    "drops: {novle: hold}": "drops: 'novle' is no action, did you mean novel?",
    "drops: {novel: holt}": "'holt' is no stage, did you mean hold?",
    "drops: {novel: hold x until soon}": "'soon' is no moment; write 3 days ago, in 2 hours, or",
    "passes: [novle]": "passes of case case: 'novle' is not known, did you mean novel?",
    "level: complete": "level of case case: 'complete' is not known",
    "at: tomorrow": "cases/all.yaml:8: 'tomorrow' is no moment",
    "ages: {profile: old}": "'old' is no length of time; write 100 days",
    "contacts: [novel was sent]": "is no contact; write: impression of an-action on web, 3 days",
    "contacts: ['dispatch of novle on web, 1 day ago']": "'novle' is not known, did you mean novel",
    "contacts: ['dispatch of novel on wep, 1 day ago']": "'wep' is not known, did you mean web?",
    "contacts: many": "contacts must be a list of sentences",
    "consents: {sale: granted}": "'sale' is not known, did you mean sales?",
    "consents: {sales: maybe}": "'maybe' is no consent; write granted, refused",
    "models: {churn: high}": "churn must be a number, not 'high'",
    "scores: {novle: 0.2}": "'novle' is not known, did you mean novel?",
    "evidence: {novel: 3}": "evidence of novel must be [positive, negative] answers",
    "used: {copy: 3}": "'copy' is not known, did you mean copies?",
    "channel: fax": "channel of case case: 'fax' is not known",
    "placements: {main: 0}": "main of placements must be a number from 1 to 100, not 0",
    "holds: {x: {purpose: sales}}": "hold x has no key 'purpose', did you mean purposes?",
    "sends: novle": "sends of case case: 'novle' is not known, did you mean novel?",
    "facts: {profile.age: [1]}": "profile.age must be one value",
}


@pytest.mark.parametrize("bad", PLANTED)
def test_a_mistake_is_reported_with_file_line_and_remedy(tmp_path: Path, bad: str) -> None:
    customer = "" if bad.startswith("customer") else "    customer: alex\n"
    found = problems(tmp_path, f"cases:\n  case:\n{customer}    {bad}\n")
    assert any(PLANTED[bad] in each for each in found), found
    assert all(each.startswith("cases/all.yaml:") for each in found)


def test_a_fact_that_nobody_knows_of_is_refused(tmp_path: Path) -> None:
    cases(tmp_path, "cases: {a: {customer: alex, expect: novel}}\n")
    with pytest.raises(InvalidBundle, match=r"'profile\.age' is not known"):
        load_cases(tmp_path, load_bundle(tmp_path), features={"profile.years"})


def test_a_name_that_is_there_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    text = "cases: {a: {customer: alex, expect: novel}}\n"
    cases(tmp_path, text)
    (tmp_path / "cases" / "more.yaml").write_text(text)
    with pytest.raises(InvalidBundle, match=r"cases/more\.yaml:1: a is already at cases/all"):
        load_cases(tmp_path, load_bundle(tmp_path))


def test_customers_who_are_like_each_other_are_refused(tmp_path: Path) -> None:
    customers = "customers:\n  alex: {like: bo}\n  bo: {like: alex}\n"
    found = problems(tmp_path, "cases: {a: {customer: alex, expect: novel}}\n", customers)
    assert any("can't be like" in each for each in found)


# -- coverage


def missing(folder: Path, text: str) -> dict[str, str]:
    found = cases(folder, text)
    bundle = load_bundle(folder)
    seen = [each for case in found for each in play(case, bundle)]
    items = coverage(bundle, seen)
    return {f"{item.kind} {item.name}": item.missing for item in items if item.missing}


def test_without_cases_everything_is_missing(tmp_path: Path) -> None:
    found = missing(tmp_path, "")
    assert "in no case it lets something pass" in found["rule is-adult of action novel"]
    for thing in (
        *("contact limit one-a-week", "volume copies", "hold complaint", "fallback *"),
        *("consent for sales on email", "treatment novel.web", "exemption service"),
        *("level full", "stage hold", "stage contact_limit"),
    ):
        assert thing in found


def test_a_rule_needs_a_case_that_it_stops_and_one_that_it_lets_pass(tmp_path: Path) -> None:
    rule = "rule is-adult of action novel"
    stops = "  young: {customer: alex, facts: {profile.age: 9}, drops: {novel: %s}}\n"
    passes = "  grown: {customer: alex, expect: novel}\n"
    named = stops % "eligibility is-adult"
    assert missing(tmp_path, "cases:\n" + named)[rule] == "in no case it lets something pass"
    stopped = missing(tmp_path, "cases:\n" + passes)[rule]
    assert stopped == "no case expects it to stop something"
    assert rule in missing(tmp_path, "cases:\n" + passes + stops % "eligibility")
    assert rule not in missing(tmp_path, "cases:\n" + passes + named)


def test_what_a_case_does_not_expect_is_not_covered(tmp_path: Path) -> None:
    found = missing(tmp_path, "cases: {a: {customer: alex, passes: [novel]}}\n")
    assert "treatment novel.web" in found
    found = missing(tmp_path, "cases: {a: {customer: alex, expect: novel}}\n")
    assert "treatment novel.web" not in found


def test_stages_that_the_bundle_never_reaches_need_no_case(tmp_path: Path) -> None:
    found = missing(tmp_path, "")
    assert f"stage {Stage.PACKAGE}" not in found
    assert f"stage {Stage.MATURITY}" not in found
    assert f"level {Level.CACHED}" in found


def test_a_failing_case_covers_nothing_by_what_it_wrongly_expects(tmp_path: Path) -> None:
    text = "cases: {a: {customer: alex, drops: {novel: hold complaint}}}\n"
    assert "hold complaint" in missing(tmp_path, text)


def test_a_case_knows_nothing_of_the_next_one(tmp_path: Path) -> None:
    case = one(tmp_path, "    expect: novel\n")
    bundle = load_bundle(tmp_path)
    before = play(case, bundle)
    run(replace(case, used={"copies": 10}), bundle)
    assert play(case, bundle)[0].decision == before[0].decision
