"""Every way in which a bundle is refused: the place, what is wrong, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.written import refusals, shop

Change = tuple[str, str]
VALUE = "    value: 12\n"
HELP = "    value: 3\n"
LEVELS = "    levels: [full, partial]\n"
NOVEL_MAIL = "      email: {subject: New, body: A new novel}\n"
RULES = """
    rules:
      is-adult: {stage: eligibility, when: profile.age >= 18, because: Adults only.}
      is-child: {stage: eligibility, when: profile.age < 12, because: Children only.}
"""
TWICE = {"a time that is none", "a segment in a circle"}
"""Two things are wrong here, or one in two places."""


def in_novel(text: str) -> Change:
    return VALUE, f"{VALUE}    {text}\n"


def in_faq(text: str) -> Change:
    return HELP, f"{HELP}    {text}\n"


def limit(text: str) -> str:
    usual = "at_most: 1, counts: [dispatch]"
    return f"limits:\n  x: {{{usual}, {text}}}\n"


def policy(text: str) -> str:
    usual = "silence: 1 day, because: Enough."
    return f"policies:\n  x: {{{usual}, {text}}}\n"


def quiet(text: str) -> str:
    return f"quiet_hours:\n  x: {{because: Sh., {text}}}\n"


def volume(text: str) -> str:
    return f"volumes:\n  x: {{at_most: 5, because: Gone., {text}}}\n"


def influencer(text: str) -> str:
    return f"influencers:\n  x: {{to: 9, {text}}}\n"


IN_TERMS: dict[str, tuple[str, str]] = {
    # limits
    "a limit without a window": (
        limit("per: action"),
        "terms.yaml:2: limit x needs within: a time such as 7 days, or calendar day, calendar "
        "week, calendar month",
    ),
    "a window that is none": (
        limit("within: a week"),
        "terms.yaml:2: within of limit x: 'a week' is no time; write a time such as 7 days, or "
        "calendar day, calendar week, calendar month",
    ),
    "a window that is too long": (
        limit("within: 401 days"),
        "terms.yaml:2: within of limit x can't be longer than 400 days",
    ),
    "a clock for a rolling window": (
        limit("within: 7 days, clock: utc"),
        "terms.yaml:2: clock of limit x matters to calendar windows only; write within: calendar "
        "day, or leave it out",
    ),
    "an unknown clock": (
        limit("within: calendar week, clock: costumer"),
        "terms.yaml:2: clock of limit x: 'costumer' is not known, did you mean customer?",
    ),
    "an unknown scope": (
        limit("within: 7 days, scope: family"),
        "terms.yaml:2: scope of limit x: 'family' is not known; write one of account, customer, "
        "household",
    ),
    "a place kept for longer than the window": (
        limit("within: 2 days, keeps_for_better: 3 days"),
        "terms.yaml:2: keeps_for_better of limit x is longer than its window: what is sent now is "
        "forgotten by then; shorten it",
    ),
    "a limit on nothing": (
        limit("within: 2 days, purposes: [sales], groups: [help]"),
        "terms.yaml:2: limit x covers nothing: no action of purpose sales and group help is said "
        "anywhere; widen it, or remove it",
    ),
    "a limit on a channel where nothing is said": (
        limit("within: 2 days, actions: [faq], channels: [email]"),
        "terms.yaml:2: limit x covers nothing: no action of action faq is said on email; widen "
        "it, or remove it",
    ),
    "a limit that all it covers is exempt from": (
        limit("within: 2 days, purposes: [service]"),
        "terms.yaml:2: limit x never binds: all that it covers is exempt (faq); remove it, or the "
        "exemption",
    ),
    "a limit of dispatches in a page": (
        limit("within: 2 days, channels: [web, app]"),
        "terms.yaml:2: limit x never binds: on app and web nothing is sent, only shown; name a "
        "channel that delivers",
    ),
    "a limit below another": (
        limit("within: 7 days")
        + "  y: {at_most: 2, within: 2 days, counts: [dispatch], purposes: [sales]}\n",
        "terms.yaml:3: limit y is never reached: x stops at 1 before it; remove one of them",
    ),
    # policies
    "a policy after nothing": (
        policy("within: 7 days"),
        "terms.yaml:2: policy x needs after, such as [reject] or [ignore]",
    ),
    "an outcome that is misspelt": (
        policy("within: 7 days, after: [impressions]"),
        "terms.yaml:2: after of policy x: 'impressions' is not known, did you mean impression?",
    ),
    "a policy of no times": (
        policy("within: 7 days, after: [reject], times: 0"),
        "terms.yaml:2: times of policy x must be a number from 1 to 10000, not 0",
    ),
    "a silence that is longer than contacts are kept": (
        "policies:\n  x: {silence: 500 days, because: No., within: 1 day, after: [reject]}\n",
        "terms.yaml:2: silence of policy x can't be longer than 400 days",
    ),
    "a policy after dispatches in a page": (
        policy("within: 7 days, after: [dispatch], channels: [web]"),
        "terms.yaml:2: after of policy x never happens: on web nothing is sent, only shown; write "
        "impression",
    ),
    "a policy that a limit keeps from happening": (
        limit("within: 7 days")
        + policy("within: 7 days, after: [dispatch], times: 2, purposes: [sales]"),
        "terms.yaml:4: dispatch of policy x never happens 2 times: the limit x stops at 1; write "
        "fewer times",
    ),
    # quiet hours
    "quiet hours that are none": (
        quiet('from: "20:00", to: "20:00"'),
        "terms.yaml:2: quiet hours x begin and end at the same time; for a whole day write 00:00 "
        "to 23:59",
    ),
    "a time that is none": (
        quiet('from: "8 pm", to: "24:00"'),
        "terms.yaml:2: from of quiet hours x must be a time of the day such as 20:00, not '8 pm'",
    ),
    "an end that is no time": (
        quiet('from: "20:00", to: "24:00"'),
        "terms.yaml:2: to of quiet hours x must be a time of the day such as 20:00, not '24:00'",
    ),
    "an unknown day": (
        quiet('from: "20:00", to: "08:00", days: [sundy]'),
        "terms.yaml:2: days of quiet hours x: 'sundy' is not known, did you mean sunday?",
    ),
    "quiet hours that do something else": (
        quiet('from: "20:00", to: "08:00", then: skip'),
        "terms.yaml:2: then of quiet hours x: 'skip' is not known; write one of drop, wait",
    ),
    "quiet hours of a page": (
        quiet('from: "20:00", to: "08:00", channels: [web]'),
        "terms.yaml:2: quiet hours x never binds: on web nothing is sent, only shown; name a "
        "channel that delivers",
    ),
    # sessions
    "a session's outcome that is misspelt": (
        "session: {silenced_by: [rejected]}\n",
        "terms.yaml:1: silenced_by of session: 'rejected' is not known, did you mean reject?",
    ),
    "a session that shows nothing": (
        "session: {most_shown: 0}\n",
        "terms.yaml:1: most_shown of session must be a number from 1 to 10000, not 0",
    ),
    # volumes
    "a minimum without a boost": (
        volume("in: week, at_least: 2"),
        "terms.yaml:2: at_least of volume x does nothing without boost; add it",
    ),
    "a boost without a minimum": (
        volume("boost: 20"),
        "terms.yaml:2: boost of volume x does nothing without at_least; add it",
    ),
    "a minimum for ever": (
        volume("at_least: 2, boost: 20"),
        "terms.yaml:2: at_least of volume x needs in: day, week or month, to know how much is due "
        "by now",
    ),
    "a minimum above the maximum": (
        volume("in: week, at_least: 6, boost: 20"),
        "terms.yaml:2: at_least of volume x is more than at_most, 5; lower it",
    ),
    "a volume by something unknown": (
        volume("per: profile.gnere"),
        "terms.yaml:2: per of volume x uses an unknown feature 'profile.gnere', did you mean "
        "profile.genre?",
    ),
    "a volume by what a model says": (
        volume("per: model.churn"),
        "terms.yaml:2: per of volume x rests on model.churn, which is not known yet when volumes "
        "are counted; use a feature or a segment without it",
    ),
    "what uses a unit frees it": (
        volume("used_by: [accept, reject]"),
        "terms.yaml:2: used_by and freed_by of volume x both name reject; take it out of one",
    ),
    "a volume of nothing": (
        volume("actions: [novel], groups: [help]"),
        "terms.yaml:2: volume x covers nothing: no action of group help and action novel is said "
        "anywhere; widen it, or remove it",
    ),
    # exclusions and margins
    "an exclusion of nothing": (
        "exclusions:\n  x: {because: Stop., actions: [faq], channels: [email]}\n",
        "terms.yaml:2: exclusion x covers nothing: no action of action faq is said on email; "
        "widen it, or remove it",
    ),
    "an end that is no moment": (
        "exclusions:\n  x: {because: Stop., until: tomorrow}\n",
        "terms.yaml:2: until of exclusion x must be a moment such as 2026-12-31T18:00:00Z, not "
        "'tomorrow'",
    ),
    "floors without margins": (
        "margin_floors:\n  x: {when: profile.reader, floor: 5, because: Too little.}\n",
        "terms.yaml:1: margin_floors does nothing: no action has a margin; write one, such as "
        "margin: 12",
    ),
    # influencers
    "an influencer without a cause": (
        influencer("for: group:books, lasts: 3 days"),
        "terms.yaml:2: influencer x needs of and after, or journey and stage",
    ),
    "an influencer with two causes": (
        "journeys: {renewal: {}}\n"
        + influencer(
            'for: group:books, of: "*", after: [later], journey: renewal, stage: a, lasts: 3 days'
        ),
        "terms.yaml:3: influencer x needs of and after, or journey and stage",
    ),
    "a journey without a stage": (
        "journeys: {renewal: {}}\n"
        + influencer("for: group:books, journey: renewal, lasts: 3 days"),
        "terms.yaml:3: influencer x needs journey and stage together, or neither",
    ),
    "an influencer of nothing that happened": (
        influencer('for: group:books, of: "*", lasts: 3 days'),
        "terms.yaml:2: influencer x needs after, such as [later]",
    ),
    "an unknown target": (
        influencer('for: group:boks, of: "*", after: [later], lasts: 3 days'),
        "terms.yaml:2: for of influencer x: 'group:boks' is not known, did you mean group:books?",
    ),
    "an unknown cause": (
        influencer("for: group:books, of: action:nvel, after: [later], lasts: 3 days"),
        "terms.yaml:2: of of influencer x: 'action:nvel' is not known, did you mean action:novel?",
    ),
    "an influencer that is gone too soon": (
        influencer('for: group:books, of: "*", after: [later], ramp: 4 days, lasts: 3 days'),
        "terms.yaml:2: influencer x is gone before its ramp is over; let it last longer",
    ),
    "a step beyond the ramp": (
        influencer('for: group:books, of: "*", after: [later], step: 2 days, lasts: 3 days'),
        "terms.yaml:2: step of influencer x is longer than its ramp; shorten it",
    ),
    "an influencer that changes nothing": (
        'influencers:\n  x: {to: 0, for: group:books, of: "*", after: [later], lasts: 3 days}\n',
        "terms.yaml:2: influencer x changes nothing: it goes from 0 to 0 percent",
    ),
    # chance, placements, journeys
    "half of all at random": (
        "exploration: {control_percent: 51}\n",
        "terms.yaml:1: control_percent of exploration must be a number from 0 to 50, not 51",
    ),
    "a reach of what is never immature": (
        "exploration: {immature_percent: 5}\n",
        "terms.yaml:1: immature_percent of exploration does nothing without mature_positives; "
        "add it",
    ),
    "a placement of nothing": (
        "placements: {hero: {most_per_group: 0}}\n",
        "terms.yaml:1: most_per_group of placement hero must be a number from 1 to 100, not 0",
    ),
    "an unknown key of a placement": (
        "placements: {hero: {most_per_grup: 1}}\n",
        "terms.yaml:1: placement hero has no key 'most_per_grup', did you mean most_per_group?",
    ),
    "starts within a time without a number": (
        "journeys: {renewal: {starts_within: 3 days}}\n",
        "terms.yaml:1: starts_within of journey renewal does nothing without starts_at_most; "
        "add it",
    ),
    "a journey that waits for an unknown one": (
        "journeys: {renewal: {not_while: [onbording]}, onboarding: {}}\n",
        "terms.yaml:1: not_while of journey renewal uses an unknown journey 'onbording', did you "
        "mean onboarding?",
    ),
    # names
    "a segment that is no name": (
        "segments: {Big-Spenders: profile.reader}\n",
        "terms.yaml:1: 'Big-Spenders' is no name; use a-z, 0-9 and _",
    ),
    "a segment that is no condition": (
        "segments: {a: billing.spent * 2}\n",
        "terms.yaml:1: a of segments: `billing.spent * 2`: a condition is needed here, this is a "
        "number",
    ),
    "a segment in a circle": (
        "segments: {a: segment.b and profile.reader, b: value.c > 1}\n"
        "values: {c: 1 if segment.a else 2}\n",
        "terms.yaml:1: segment.a uses itself: segment.a -> segment.b -> value.c -> segment.a",
    ),
    "an unknown segment": (
        "segments: {readers: segment.reders}\n",
        "terms.yaml:1: readers of segments uses an unknown segment 'reders', did you mean readers?",
    ),
    "an unknown value": (
        "segments: {readers: value.spent > 3}\n",
        "terms.yaml:1: readers of segments uses an unknown value 'spent'; write it in values",
    ),
    "a part of a segment": (
        "segments: {a: profile.reader, b: segment.a.b}\n",
        "terms.yaml:1: segment.a.b: write segment.<name>",
    ),
    "a journey that is not listed": (
        "journeys: {renewal: {}}\nsegments: {a: journey.renewl}\n",
        "terms.yaml:2: a of segments uses an unknown journey 'renewl', did you mean renewal?",
    ),
    "a part that a journey does not have": (
        "segments: {a: journey.renewal.state == 'due'}\n",
        "terms.yaml:1: journey.renewal.state: write journey.<kind> or journey.<kind>.stage or "
        "journey.<kind>.before or journey.<kind>.days_in_stage",
    ),
    "a part that a request does not have": (
        "segments: {a: request.chanel == 'web'}\n",
        "terms.yaml:1: a of segments uses an unknown request 'chanel', did you mean channel?",
    ),
    "the age of an unknown view": (
        "segments: {a: age.visit < 3}\n",
        "terms.yaml:1: a of segments asks for the age of an unknown view 'visit', did you mean "
        "visits?",
    ),
    "the past of something unknown": (
        "segments: {a: 'ignored(\"nvel\", 3, days=30)'}\n",
        "terms.yaml:1: a of segments asks for ignored('nvel', ...), but there is no action, group "
        "or purpose 'nvel', did you mean novel?",
    ),
    "the past of an unknown group": (
        "segments: {a: 'sent(\"group:novel\", days=30)'}\n",
        "terms.yaml:1: a of segments asks for sent('group:novel', ...), but there is no group "
        "'novel'; write one of books, help",
    ),
    "a feature that grows old": (
        "segments: {a: visits.page_views_7d > 3}\n",
        "terms.yaml:1: a of segments uses visits.page_views_7d, which events change; say how old "
        "it may be: write visits in max_ages, such as visits: 30 days",
    ),
    "an age for an unknown feature": (
        "max_ages: {visits.pages: 3 days}\n",
        "terms.yaml:1: there is no feature 'visits.pages', did you mean visits.last_page?",
    ),
}

IN_SHOP: dict[str, tuple[Change, str]] = {
    # the business
    "an unknown zone": (
        ("currency: EUR}", "currency: EUR, zone: Europe/Berln}"),
        "shop.yaml:1: zone of business: there is no time zone 'Europe/Berln', did you mean "
        "Europe/Berlin?",
    ),
    "an unknown customer's zone": (
        ("currency: EUR}", "currency: EUR, customer_zone: profile.zoen}"),
        "shop.yaml:1: customer_zone of business uses an unknown feature 'profile.zoen', did you "
        "mean profile.zone?",
    ),
    "a week that starts never": (
        ("currency: EUR}", "currency: EUR, week_starts: mon}"),
        "shop.yaml:1: week_starts of business: 'mon' is not known, did you mean monday?",
    ),
    "a cap below the shadow price": (
        (LEVELS, f"{LEVELS}    shadow_price: 5\n    most_value: 3\n"),
        "shop.yaml:11: most_value of purpose sales is 3, but its shadow price alone is 5; raise it",
    ),
    # rules
    "rules that contradict each other": (
        in_novel(RULES.strip()),
        "shop.yaml:23: action novel can never be offered: the rules is-adult and is-child "
        "contradict each other about profile.age; change one, or write it in without",
    ),
    "a rule that nobody passes": (
        in_novel("rules: {no: {stage: eligibility, when: 1 > 2, because: Nobody.}}"),
        "shop.yaml:23: action novel can never be offered: the rule no asks for what can't be; "
        "change one, or write it in without",
    ),
    "a treatment that is never used": (
        (
            NOVEL_MAIL,
            NOVEL_MAIL
            + "      email:long: {subject: New, body: '{billing.spent}', rules: {new: {when: not "
            "known(billing.spent), because: New.}}}\n",
        ),
        "shop.yaml:27: treatment novel.email:long can never be used: the rules new and it tells "
        "billing.spent contradict each other about billing.spent; change one",
    ),
    "a stage in a treatment's rule": (
        (
            NOVEL_MAIL,
            NOVEL_MAIL + "      email:long: {subject: New, body: New, rules: {new: {stage: "
            "suitability, when: profile.reader, because: New.}}}\n",
        ),
        "shop.yaml:27: rule new of treatment novel.email:long has no key 'stage'; write one of "
        "because, unknown, when",
    ),
    # actions
    "a journey that can't ask for it": (
        (
            "    tags: [help]\n    exempt: service\n",
            "    tags: []\n    exempt: service\n    journeys_only: true\n",
        ),
        "shop.yaml:31: action faq is for journeys only, and these ask by tags: give it one, such "
        "as [onboarding]",
    ),
    "a member of no package": (
        in_faq("only_as_member: true"),
        "shop.yaml:34: action faq is only_as_member, but no package has it: name it in requires "
        "or brings of another",
    ),
    "a member that is not there": (
        in_novel("requires: [faqs]"),
        "shop.yaml:23: requires of action novel: there is no action 'faqs', did you mean faq?",
    ),
    "an action that needs itself": (
        in_novel("brings: [novel]"),
        "shop.yaml:23: brings of action novel: it can't need itself; remove it",
    ),
    "a treatment without its content": (
        (NOVEL_MAIL, "      email: {subject: New}\n"),
        "shop.yaml:26: treatment novel.email needs body: a text",
    ),
    "a threshold that is none": (
        in_novel("thresholds: {propensity: 2}"),
        "shop.yaml:23: propensity of thresholds of action novel must be a number from 0 to 1, "
        "not 2",
    ),
    # treatments
    "a blank that is no name": (
        (NOVEL_MAIL, "      email: {subject: New, body: 'For {name}'}\n"),
        "shop.yaml:26: body of treatment novel.email: write what is filled in as "
        "{billing.monthly_charges}, and no other braces",
    ),
    "a blank for an unknown feature": (
        (NOVEL_MAIL, "      email: {subject: New, body: 'For {billing.spend}'}\n"),
        "shop.yaml:26: body of treatment novel.email uses an unknown feature 'billing.spend', did "
        "you mean billing.spent?",
    ),
    "a blank that a caller could fill": (
        (NOVEL_MAIL, "      email: {subject: New, body: 'For {context.name}'}\n"),
        "shop.yaml:26: body of treatment novel.email tells context.name; only features, segments "
        "and values can be told",
    ),
    "a name for a treatment that is none": (
        (NOVEL_MAIL, "      email:a:b: {subject: New, body: New}\n"),
        "shop.yaml:26: treatment novel.email:a:b: write the channel, or channel.placement, and "
        ":name behind it if there are several",
    ),
}


@pytest.mark.parametrize("what", IN_TERMS)
def test_what_is_wrong_with_a_term_is_told_with_its_place_and_remedy(
    tmp_path: Path, what: str
) -> None:
    text, expected = IN_TERMS[what]
    assert expected in refusals(tmp_path, text)


@pytest.mark.parametrize("what", IN_SHOP)
def test_what_is_wrong_with_the_business_or_an_action_is_told_with_its_place_and_remedy(
    tmp_path: Path, what: str
) -> None:
    change, expected = IN_SHOP[what]
    assert expected in refusals(tmp_path, "", change)


@pytest.mark.parametrize("what", sorted(IN_TERMS.keys() - TWICE))
def test_one_thing_that_is_wrong_is_told_once(tmp_path: Path, what: str) -> None:
    text, expected = IN_TERMS[what]
    assert refusals(tmp_path, text) == [expected]


def test_problems_that_no_schema_sees_are_told_with_those_that_it_does(tmp_path: Path) -> None:
    more = limit("within: 2 days, keeps_for_better: 3 days") + "groups: {other: {levr: 3}}\n"
    found = refusals(tmp_path, more, in_novel(RULES.strip()))
    assert len(found) == 3
    assert [one.split(":")[0] for one in found] == ["shop.yaml", "terms.yaml", "terms.yaml"]


def test_what_can_not_be_read_is_not_judged_again(tmp_path: Path) -> None:
    found = refusals(
        tmp_path,
        limit("within: two days, keeps_for_better: 3 days"),
        in_novel("rules: {no: {stage: eligibility, when: 1 >, because: Nobody.}}"),
    )
    assert [one.split(": ")[0] for one in found] == ["shop.yaml:23", "terms.yaml:2"]


def test_words_of_the_business_own_are_outcomes_too(tmp_path: Path) -> None:
    bundle = shop(tmp_path, policy("within: 7 days, after: [unsubscribe, showroom-visit]"))
    assert bundle.policies[0].outcomes == {"unsubscribe", "showroom-visit"}


def test_an_emergency_stop_of_everything_is_allowed(tmp_path: Path) -> None:
    assert shop(tmp_path, "exclusions:\n  all: {because: We found a leak.}\n").exclusions


def test_placements_and_models_need_not_be_known_to_the_bundle(tmp_path: Path) -> None:
    more = "placements: {anywhere: {most_per_group: 1}}\nsegments: {a: model.any > context.any}\n"
    assert shop(tmp_path, more).placements["anywhere"].most_per_group == 1


@pytest.mark.parametrize(
    "bounds",
    [
        "limits:\n  x: {at_most: 1, within: 1 day, counts: [impression]}\n",
        "policies:\n  x: {after: [reject], within: 1 day, silence: 1 day, because: No.}\n",
        "volumes:\n  x: {at_most: 1, because: Gone.}\n",
    ],
    ids=["limit", "policy", "volume"],
)
def test_a_fallback_is_never_counted(tmp_path: Path, bounds: str) -> None:
    found = refusals(tmp_path, f"{bounds}fallbacks: {{hero: faq}}\n", ("    exempt: service\n", ""))
    assert found == [
        f"terms.yaml:{len(bounds.splitlines()) + 1}: fallback faq counts towards x; use an action "
        "that is exempt, or free it from the limit"
    ]


def test_a_fallback_can_be_said_when_nothing_is_known(tmp_path: Path) -> None:
    plain = "web: {headline: Questions?, body: Answers}"
    told = (
        "web: {headline: Questions?, body: Answers}",
        plain.replace("Answers", "'{billing.spent}'"),
    )
    assert refusals(tmp_path, "fallbacks: {hero: faq}\n", told) == [
        "terms.yaml:1: fallback faq needs a treatment on app or web without rules and blanks, for "
        "when nothing is known"
    ]
