"""Which team takes an inquiry: the smallest that can, by skill, language and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GENERAL = "general"
"""The skill for whatever is about nothing in particular."""

ENGLISH = "en"
AT_ONCE = 4
"""How many cases one person looks after at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """So many people who know about these topics and speak these languages."""

    name: str
    people: int
    skills: tuple[str, ...]
    languages: tuple[str, ...] = (ENGLISH,)


TEAMS = (
    Team(name="orders team", people=3, skills=("order", "delivery", "return")),
    Team(name="billing team", people=4, skills=("billing", "payment"), languages=(ENGLISH, "es")),
    Team(name="technical team", people=6, skills=("technical", "connection", "router")),
    Team(
        name="language desk",
        people=5,
        skills=(GENERAL, "billing", "technical", "order"),
        languages=("es", "zh", "vi", "tl"),
    ),
    Team(
        name="care desk",
        people=12,
        skills=(GENERAL, "billing", "payment", "technical", "order", "contract"),
        languages=(ENGLISH, "es", "zh"),
    ),
)


def team_for(
    topic: str, language: str, busy: Mapping[str, int], teams: Sequence[Team] = TEAMS
) -> str:
    """The name of the smallest team that has the skill and the language and a hand free.

    Of teams of the same size it is the one with the least to do. If no team has a hand free, it is
    the one that has the least to do for each of its people. A topic that nobody knows about is a
    general one; to be understood goes before skill, and English is what is left. `busy` is how many
    cases each team has; what is not there has none.
    """
    able = capable(topic.lower(), language.lower(), teams)

    def load(team: Team) -> float:
        return busy.get(team.name, 0) / team.people

    free = [team for team in able if load(team) < AT_ONCE]
    if free:
        return min(free, key=lambda team: (team.people, load(team), team.name)).name
    return min(able, key=lambda team: (load(team), team.people, team.name)).name


def capable(topic: str, language: str, teams: Sequence[Team] = TEAMS) -> tuple[Team, ...]:
    """The teams that can take it; never none as long as there are teams."""
    spoken = language.split("-")[0] or ENGLISH
    understood = [team for team in teams if spoken in team.languages]
    understood = understood or [team for team in teams if ENGLISH in team.languages]
    skilled = [team for team in understood if topic in team.skills]
    general = [team for team in understood if GENERAL in team.skills]
    return tuple(skilled or general or understood or teams)
