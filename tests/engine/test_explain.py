"""A decision in words that an officer can read out, and as a grid for those who run the stack."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.catalog import Bundle
from engine.decide import decide
from engine.explain import MOST_TOLD, explained
from engine.grid import DROPPED, NOT_REACHED, PASSED, grid
from engine.types import Decision, Level, Placement, Request, Reservation, Snapshot, Stage
from tests.support.builders import (
    NOW,
    a_bundle,
    a_contact,
    a_customer,
    a_hold,
    a_limit,
    a_purpose,
    a_request,
    a_rule,
    a_snapshot,
    a_weight,
    an_action,
)
from tests.support.ledgers import NoModels

ADULT = a_rule("contract.age >= 18", name="adult")
BUNDLE = a_bundle(
    an_action("fiber", value=20, rules=[ADULT], lever=10.0),
    an_action("tv", group="tv", value=15),
    an_action("tip", purpose="nurture"),
    an_action("help", purpose="service", exempt="service", value=1),
    limits=[a_limit("weekly", maximum=1)],
    weights=[a_weight("group:tv", 35.0, "context.page == 'tv'")],
    purposes=[a_purpose("retention", refused_on=["email"])],
)
GROWN = a_snapshot(features={"contract.age": 30})


def told(
    snapshot: Snapshot = GROWN,
    request: Request | None = None,
    bundle: Bundle = BUNDLE,
    **more: Any,
) -> str:
    """All sentences of a decision."""
    asked = request or a_request("web", Placement(name="hero"))
    decision = decide(asked, snapshot, bundle, NoModels())
    return "\n".join(explained(asked, decision, bundle, **more))


def test_it_says_who_was_asked_about_when_and_where() -> None:
    first = told(customer="7590-VHVEG").splitlines()[0]
    assert "2026-03-02 12:00:00 UTC" in first
    assert "customer 7590-VHVEG on the channel web" in first
    assert "hero (1 offer at most)" in first
    assert a_customer() not in first


def test_it_says_what_is_offered_and_what_its_priority_is_made_of() -> None:
    words = told()
    assert "In hero, number 1 is fiber, for the purpose sales, said by fiber.web." in words
    assert "priority: 11 = propensity 0.5 x context 1 x value 20 x levers 1.1." in words
    assert "That includes the lever of action fiber (+10 %)." in words
    assert "its prior: no model could say" in words


def test_it_calls_an_action_by_its_title_too() -> None:
    titled = replace(BUNDLE.actions["fiber"], title="Faster internet")
    bundle = replace(BUNDLE, actions={**BUNDLE.actions, "fiber": titled})
    assert "fiber (“Faster internet”)" in told(bundle=bundle)


def test_it_gives_the_reason_in_the_words_of_the_rule_and_until_when() -> None:
    words = told(a_snapshot(features={"contract.age": 3}))
    assert "fiber was not offered: it needs contract.age >= 18 (eligibility: adult)." in words
    sent = a_snapshot(contacts=(a_contact("m1", at=NOW - timedelta(days=2)),))
    words = told(sent, a_request("email"))
    assert "tip was not offered: the limit weekly of 1 is reached" in words
    assert "until 2026-03-07 12:00:00 UTC" in words


def test_it_tells_of_holds_with_their_reason_and_end() -> None:
    words = told(replace(GROWN, holds=(a_hold(until=NOW + timedelta(days=5)),)))
    assert "The hold complaint:4711 was in force since 2026-03-02 12:00:00 UTC" in words
    assert "until 2026-03-07 12:00:00 UTC" in words
    assert "at the latest: nothing with purpose sales or tag commercial may be said" in words


@pytest.mark.parametrize(
    ("snapshot", "level"),
    [
        (GROWN, Level.FULL),
        (a_snapshot(feature_times={}), Level.PARTIAL),
        (a_snapshot(reconciled=False), Level.STATIC),
    ],
)
def test_it_names_the_level(snapshot: Snapshot, level: Level) -> None:
    decision = decide(a_request(), snapshot, BUNDLE, NoModels())
    named = {Level.FULL: "partial"}.get(level, str(level))  # no model: a level lower
    assert f"(level {named})" in "\n".join(explained(a_request(), decision, BUNDLE))


def test_what_was_outranked_is_told_of_with_its_priority() -> None:
    assert "tv was allowed too, but outranked (priority 7.500)." in told()


def test_an_empty_placement_is_told_of() -> None:
    places = (Placement(name="hero", limit=9), Placement(name="rail"))
    assert "Nothing is offered in rail." in told(request=a_request("web", *places))


def test_what_is_exempt_says_what_it_passed() -> None:
    sent = a_snapshot(contacts=(a_contact("m1"),))
    assert "help (service) passed limit:weekly, because" in told(sent, a_request("email"))


def test_what_is_asked_about_is_always_told_of() -> None:
    many = [an_action(f"a{n:02}", starts=(NOW + timedelta(days=9)).date()) for n in range(30)]
    bundle = a_bundle(*many)
    plain = told(bundle=bundle).count("was not offered")
    assert plain == MOST_TOLD
    assert "a29 was not offered" in told(bundle=bundle, about=["a29"])
    assert "a31 was not among the actions" in told(bundle=bundle, about=["a31"])


def test_a_rule_that_could_not_say_is_not_told_as_if_it_had_failed() -> None:
    words = told(a_snapshot(features={}))
    asked = "it is not known whether its rule is met; if it is not, the reason is: "
    assert (
        f"fiber was not offered: {asked}it needs contract.age >= 18 (eligibility: adult)" in words
    )


def test_what_the_volume_of_a_property_keeps_is_told_of_with_the_property() -> None:
    decision = decide(a_request(), GROWN, BUNDLE, NoModels())
    kept = Reservation(bucket="gifts|2026-03-01|Two year", action="fiber", until=None)
    words = explained(a_request(), replace(decision, reserves=(kept,)))
    unit = "the volume gifts (from 2026-03-01 on, value Two year)"
    assert f"One unit of {unit} is used for fiber." in words


def test_what_is_reserved_is_told_of() -> None:
    decision = decide(a_request(), GROWN, BUNDLE, NoModels())
    kept = Reservation(bucket="phones|ever", action="fiber", until=NOW + timedelta(minutes=30))
    used = Reservation(bucket="calls|2026-03-02", action="fiber", until=None)
    words = explained(a_request(), replace(decision, reserves=(kept, used)), BUNDLE)
    assert "One unit of the volume phones is kept for fiber until 2026-03-02 12:30:00 UTC." in words
    assert "One unit of the volume calls (from 2026-03-02 on) is used for fiber." in words


def test_without_the_bundle_everything_but_titles_is_told() -> None:
    decision = decide(a_request(), GROWN, BUNDLE, NoModels())
    assert explained(a_request(), decision) == explained(a_request(), decision, BUNDLE)


# -- the grid


def a_decision(explain: bool = False) -> Decision:
    """One in which a hold stops sales and a rule would have, too."""
    snapshot = a_snapshot(features={"contract.age": 3}, holds=(a_hold(),))
    return decide(a_request(explain=explain), snapshot, BUNDLE, NoModels())


def test_the_grid_has_a_cell_for_each_action_and_stage() -> None:
    shown = grid(a_decision())
    assert [column.stage for column in shown.stages] == [stage.value for stage in Stage]
    assert all(len(row.cells) == len(Stage) for row in shown.rows)
    cells = dict(zip(Stage, next(r for r in shown.rows if r.action == "fiber").cells, strict=True))
    assert cells[Stage.AVAILABILITY] == PASSED
    assert cells[Stage.HOLD] == DROPPED
    assert cells[Stage.ELIGIBILITY] == NOT_REACHED


def test_where_all_reasons_were_asked_for_the_grid_shows_them() -> None:
    row = next(row for row in grid(a_decision(explain=True)).rows if row.action == "fiber")
    cells = dict(zip(Stage, row.cells, strict=True))
    assert (cells[Stage.HOLD], cells[Stage.ELIGIBILITY]) == (DROPPED, DROPPED)
    assert row.rule == "hold:complaint:4711"


def test_what_enters_a_stage_passes_or_is_dropped() -> None:
    shown = grid(a_decision())
    for one, following in zip(shown.stages, shown.stages[1:], strict=False):
        assert one.entered == one.passed + sum(one.dropped.values())
        assert following.entered == one.passed
    assert shown.stages[0].entered == len(BUNDLE.actions)
    hold = next(column for column in shown.stages if column.stage == "hold")
    assert hold.dropped == {"hold:complaint:4711": 2}
