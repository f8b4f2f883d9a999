"""What a customer is told of what is done for them: what is next, who sees to it, by when."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from workflows.life import Milestone

TITLES: Mapping[str, str] = {
    "complaint": "Your complaint",
    "inquiry": "Your question",
    "order-delay": "Your order",
    "failed-payment": "Your payment",
    "callback": "Our call to you",
    "feedback": "Your feedback",
    "onboarding": "Your first weeks with us",
}
"""The journeys that a customer may see. What we only have in mind for them is not among these."""

_CHOICES = re.compile(r"\?? \(.*\)$")
_HOLD = re.compile(r"^the end of hold .*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One thing that we do for a customer: `next` is done by `who`, until `when` if that is known.

    Without `next` nothing is waited for at this moment. `milestones` are what it is to come to.
    """

    about: str
    stage: str
    next: str
    who: str
    when: datetime | None
    milestones: Sequence[Milestone] = ()

    @property
    def line(self) -> str:
        """All of it in a line.

        >>> at = datetime.fromisoformat("2026-03-02T14:00:00+00:00")
        >>> Status(about="Your order", stage="late", next="news", who="the desk", when=at).line
        'Your order: late. Next: news, by 2 March, 14:00 UTC. The desk sees to it.'
        """
        by = f", by {self.when.day} {self.when:%B, %H:%M %Z}" if self.when else ""
        following = f" Next: {self.next}{by}." if self.next else ""
        who = self.who[:1].upper() + self.who[1:]
        return f"{self.about}: {self.stage}.{following} {who} sees to it."


def status_of(
    kind: str,
    *,
    stage: str,
    waiting_for: str,
    owner: str,
    due: datetime | None,
    milestones: Sequence[Milestone] = (),
) -> Status | None:
    """What a customer may know of a journey that runs; None for one that is not theirs to see.

    What was promised counts, a milestone that is open, before what we remind ourselves of.
    """
    about = TITLES.get(kind)
    if about is None:
        return None
    promised = min((one.due for one in milestones if one.reached is None), default=due)
    return Status(
        about=about,
        stage=_to_them(stage),
        next=_to_them(waiting_for),
        who=owner or "our care team",
        when=promised if waiting_for else None,
        milestones=milestones,
    )


def _to_them(words: str) -> str:
    """Words for operators as the customer reads them.

    >>> _to_them("answer the customer's feedback? (answered / not yet)")
    'answer your feedback'
    >>> _to_them("the end of hold complaint:1")
    'your complaint to be settled'
    """
    words = _HOLD.sub("your complaint to be settled", _CHOICES.sub("", words))
    return words.replace("the customer's", "your").replace("the customer", "you")
