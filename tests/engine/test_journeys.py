"""Which journeys may start, given what runs and what began before."""

from __future__ import annotations

from datetime import timedelta

from engine.catalog import JourneyTerms
from engine.journeys import stopped
from tests.support.builders import DAY, NOW, a_bundle, a_journey, an_action

RENEWAL = JourneyTerms(
    kind="renewal",
    priority=50,
    starts_maximum=2,
    starts_window=timedelta(days=30),
    not_while=("onboarding",),
    running_maximum=2,
)
BUNDLE = a_bundle(
    an_action("upgrade"),
    journeys={"renewal": RENEWAL, "survey": JourneyTerms(kind="survey", priority=10)},
)


def test_a_journey_without_terms_always_starts() -> None:
    running = [a_journey("complaint"), a_journey("onboarding")]
    assert stopped("complaint", running, [NOW] * 99, BUNDLE, NOW) is None


def test_a_journey_does_not_start_while_one_it_must_not_meet_runs() -> None:
    why = stopped("renewal", [a_journey("onboarding")], (), BUNDLE, NOW)
    assert why == "renewal does not start while onboarding runs"


def test_a_journey_starts_only_so_often_in_its_window() -> None:
    starts = [NOW - 29 * DAY, NOW - DAY]
    why = stopped("renewal", (), starts, BUNDLE, NOW)
    assert why == "renewal starts at most 2 times in 30 days"
    assert stopped("renewal", (), [NOW - 30 * DAY, NOW - DAY], BUNDLE, NOW) is None


def test_journeys_of_lower_priority_stop_no_other() -> None:
    surveys = [a_journey("survey")] * 5
    assert stopped("renewal", surveys, (), BUNDLE, NOW) is None


def test_journeys_that_go_before_it_stop_one_once_there_are_enough() -> None:
    assert stopped("renewal", [a_journey("renewal")], (), BUNDLE, NOW) is None
    why = stopped("renewal", [a_journey("renewal")] * 2, (), BUNDLE, NOW)
    assert why == "2 journeys that go before renewal are running"
