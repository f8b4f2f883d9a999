"""What both walks of the benchmark do, with the kit and without it: the parts of a lap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from engine.types import Scalar

KIT = "walk"
BARE = "bare-walk"

TALK, HEAR, ASK, HOLD, REST = "talk", "hear", "ask", "hold", "rest"
ALL = (TALK, HEAR, ASK, HOLD, REST)
STEPS: Mapping[str, int] = {TALK: 2, HEAR: 1, ASK: 1, HOLD: 2, REST: 1}
"""The steps of each part: a decision and a message are two, and so are a hold and its release."""

REPLIED = "agent.replied"
CHANNEL = "email"
ACTION = "acknowledge-complaint"
TAGS = ("complaint",)
"""A message that no contact limit stops, so that every lap is the same."""
OFFERS = 20
"""How many are looked through for that one: as many as the kit looks through."""
DAY = timedelta(days=1)
CHOICES = ("yes", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """How often the parts are done; `pause` is how long a rest takes, `before` one before them."""

    laps: int
    parts: tuple[str, ...] = ALL
    pause: timedelta
    before: timedelta = timedelta()

    @property
    def steps(self) -> int:
        """All steps of it."""
        return self.laps * steps_of(self.parts)

    def told(self) -> dict[str, Scalar]:
        """As the data of an event."""
        return {
            "laps": self.laps,
            "parts": " ".join(self.parts),
            "pause": self.pause.total_seconds(),
            "before": self.before.total_seconds(),
        }


def errand_of(data: Mapping[str, Scalar]) -> Errand:
    """Back from the data of an event."""
    return Errand(
        laps=int(data["laps"] or 0),
        parts=tuple(str(data["parts"]).split()),
        pause=timedelta(seconds=float(data["pause"] or 0)),
        before=timedelta(seconds=float(data["before"] or 0)),
    )


def steps_of(parts: tuple[str, ...]) -> int:
    """The steps of one lap.

    >>> steps_of(ALL)
    7
    """
    return sum(STEPS[part] for part in parts)
