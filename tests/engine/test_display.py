"""What is remembered of a bundle for one kind of question: never more than it may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.catalog import Bundle
from engine.decide import decide
from engine.display import Display, display
from engine.types import Decision, Placement, Request, Status
from tests.support.builders import (
    a_bundle,
    a_hold,
    a_purpose,
    a_request,
    a_rule,
    a_snapshot,
    a_treatment,
    an_action,
)
from tests.support.scorers import Silent

ASKED = ("web", "email")


def shown(bundle: Bundle, request: Request | None = None, tone: str | None = None) -> Display:
    """What is remembered for a question."""
    return display(bundle, request or a_request(), tone)


def names(found: Display) -> list[str]:
    """The actions that are asked for."""
    return [place.action.name for place in found.places]


def decided(bundle: Bundle, request: Request | None = None, **known: Any) -> Decision:
    """An answer to a question."""
    return decide(request or a_request(), a_snapshot(**known), bundle, Silent())


def test_questions_of_one_kind_share_what_is_worked_out() -> None:
    bundle = a_bundle(an_action("one"))
    first, second = a_request(context={"page": "home"}), a_request(customer="somebody else")
    assert shown(bundle, first) is shown(bundle, second)


@pytest.mark.parametrize(
    "other",
    [
        a_request("email"),
        a_request("web", Placement(name="hero")),
        a_request(purposes=("sales",)),
        a_request(tags=("commercial",)),
    ],
)
def test_another_channel_placement_purpose_or_tag_is_another_kind(other: Request) -> None:
    bundle = a_bundle(an_action("one"))
    assert shown(bundle) is not shown(bundle, other)


def test_a_changed_bundle_is_worked_out_anew_though_it_has_the_same_hash() -> None:
    bundle = a_bundle(an_action("one"))
    changed = replace(bundle, actions={})
    assert changed.hash == bundle.hash
    assert names(shown(bundle)) == ["one"]
    assert names(shown(changed)) == []


def test_what_only_journeys_offer_is_asked_for_by_its_tag() -> None:
    bundle = a_bundle(an_action("one"), an_action("two", tags=["step"], only_for_journeys=True))
    assert names(shown(bundle)) == ["one"]
    assert names(shown(bundle, a_request(tags=("step",)))) == ["two"]


def test_the_tone_decides_what_is_said_first() -> None:
    plain, warm = a_treatment("one", "web"), a_treatment("one", "web", tone="empathetic")
    bundle = a_bundle(an_action("one", treatments=[plain, warm]))
    assert shown(bundle).said == {"one": plain.id}
    assert shown(bundle, tone="empathetic").said == {"one": warm.id}


def test_what_is_said_first_is_open_where_it_depends_on_the_customer() -> None:
    ruled = a_treatment("one", "web", rules=(a_rule("contract.loyal"),))
    bundle = a_bundle(an_action("one", treatments=[ruled]))
    found = shown(bundle)
    assert (found.said, [place.action.name for place in found.unsure]) == ({}, ["one"])
    assert decided(bundle, features={"contract.loyal": True}).candidates[0].treatment == ruled.id
    assert decided(bundle).candidates[0].treatment == ""


def test_a_candidate_that_only_a_rule_stops_is_the_same_in_every_decision() -> None:
    rule = a_rule("contract.loyal")
    bundle = a_bundle(an_action("one", rules=[rule]), an_action("two", rules=[rule]))
    first, second = (
        decided(bundle).candidates,
        decided(bundle, a_request(customer="else")).candidates,
    )
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert [(one.action, one.status) for one in first] == [
        ("one", Status.DROPPED),
        ("two", Status.DROPPED),
    ]


def test_unknown_and_false_are_remembered_apart() -> None:
    bundle = a_bundle(an_action("one", rules=[a_rule("contract.loyal")]))
    details = [
        decided(bundle, features=features).candidates[0].drops[0].detail
        for features in ({}, {"contract.loyal": False}, {})
    ]
    assert [detail.startswith("not known") for detail in details] == [True, False, True]


def test_what_stops_one_customer_is_not_remembered_for_the_next() -> None:
    bundle = a_bundle(an_action("one"))
    held = decided(bundle, holds=(a_hold("1"),)).candidates[0]
    again = decided(bundle, holds=(a_hold("2"),)).candidates[0]
    assert [one.drops[0].rule for one in (held, again)] == [
        "hold:complaint:1",
        "hold:complaint:2",
    ]
    assert decided(bundle).candidates[0].status is Status.CHOSEN


def test_a_rule_that_stops_a_fallback_does_not_keep_it_from_being_shown() -> None:
    tip = an_action("tip", purpose="nurture", rules=[a_rule("contract.loyal")])
    bundle = a_bundle(tip, fallbacks={"*": "tip"})
    candidate = decided(bundle).candidates[0]
    assert (candidate.status, candidate.treatment) == (Status.CHOSEN, "tip.web")
    assert decided(bundle, a_request(tags=("x",))).candidates == ()


@pytest.mark.parametrize("channel", ASKED)
def test_explained_or_not_the_first_reason_is_the_same(channel: str) -> None:
    bundle = a_bundle(
        an_action("one", rules=[a_rule("contract.loyal"), a_rule("contract.x == 1", name="x")]),
        an_action("two", channels=["web"]),
        an_action("three", purpose="survey"),
        purposes=[a_purpose("survey", refused_on=ASKED)],
    )
    request = a_request(channel)
    plain = decided(bundle, request)
    explained = decided(bundle, replace(request, explain=True))
    assert plain.funnel == explained.funnel
    assert [one.drops for one in plain.candidates] == [
        one.drops[:1] for one in explained.candidates
    ]
    assert len(explained.candidates[0].drops) == 2
