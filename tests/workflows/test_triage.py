"""Triage: the smallest team that has the skill and the language and a hand free."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.triage import AT_ONCE, TEAMS, Team, capable, team_for

SMALL = Team(name="small", people=2, skills=("billing",))
TWIN = Team(name="twin", people=2, skills=("billing",))
LARGE = Team(name="large", people=9, skills=("billing", "general"), languages=("en", "es"))

topics = st.sampled_from([*(skill for team in TEAMS for skill in team.skills), "", "moon"])
languages = st.sampled_from(["en", "es", "zh", "vi", "tl", "de", "", "en-US", "ES"])
loads = st.dictionaries(st.sampled_from([team.name for team in TEAMS]), st.integers(0, 200))


@pytest.mark.parametrize(
    ("topic", "language", "team"),
    [
        ("billing", "en", "billing team"),
        ("Billing", "es-MX", "billing team"),
        ("billing", "zh", "language desk"),
        ("order", "en", "orders team"),
        ("technical", "es", "language desk"),
        ("contract", "en", "care desk"),
        ("", "", "care desk"),
        ("the moon", "en", "care desk"),
        ("billing", "de", "billing team"),
    ],
)
def test_the_smallest_team_with_the_skill_and_the_language_takes_it(
    topic: str, language: str, team: str
) -> None:
    assert team_for(topic, language, {}) == team


def test_a_small_team_without_a_free_hand_is_passed_over() -> None:
    teams = (SMALL, LARGE)
    assert team_for("billing", "en", {"small": 2 * AT_ONCE - 1}, teams) == "small"
    assert team_for("billing", "en", {"small": 2 * AT_ONCE}, teams) == "large"


def test_of_two_teams_of_the_same_size_the_one_with_less_to_do_takes_it() -> None:
    assert team_for("billing", "en", {"small": 3, "twin": 2}, (SMALL, TWIN)) == "twin"
    assert team_for("billing", "en", {"small": 2, "twin": 2}, (TWIN, SMALL)) == "small"


def test_if_all_are_busy_it_is_the_team_with_the_least_for_each_of_its_people() -> None:
    busy = {"small": 2 * AT_ONCE + 1, "large": 9 * AT_ONCE + 1}
    assert team_for("billing", "en", busy, (SMALL, LARGE)) == "large"
    assert team_for("billing", "en", busy | {"large": 90}, (SMALL, LARGE)) == "small"


@given(topics, languages, loads)
def test_somebody_always_takes_it_and_nobody_smaller_could(
    topic: str, language: str, busy: dict[str, int]
) -> None:
    able = {team.name: team for team in capable(topic.lower(), language.lower())}
    chosen = able[team_for(topic, language, busy)]
    free = [one for one in able.values() if busy.get(one.name, 0) < AT_ONCE * one.people]
    assert not free or chosen in free
    assert all(chosen.people <= one.people for one in free)


@given(topics, languages)
def test_a_customer_is_understood_wherever_a_team_speaks_their_language(
    topic: str, language: str
) -> None:
    spoken = language.lower().split("-")[0]
    speakers = [team for team in TEAMS if spoken in team.languages]
    assert not speakers or all(team in speakers for team in capable(topic, language.lower()))
