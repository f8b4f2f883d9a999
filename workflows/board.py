"""What operators see of a journey: stage, owner, what is awaited, the last decision in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from temporalio.common import SearchAttributeUpdate

from engine.types import JourneyState, Planned
from workflows import search_attributes
from workflows.steps import DecisionView, Milestone, Proposal, Sent

WORDS_MAXIMUM = 5
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTES = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One state of the board. Each change makes a new one, so that what has changed can be seen."""

    stage: str
    owner: str
    since: datetime
    waiting_for: str = ""
    due: datetime | None = None
    last: str = ""
    words: tuple[str, ...] = ()
    before: str = ""
    planned: Planned | None = None

    def staged(self, stage: str, owner: str | None, now: datetime) -> Board:
        """In a stage; the time of entry changes only with the stage."""
        if stage == self.stage:
            return replace(self, owner=owner or self.owner)
        return replace(self, stage=stage, owner=owner or self.owner, since=now, before=self.stage)

    def awaiting(self, what: str, due: datetime | None) -> Board:
        """Waiting for something, until `due` if there is a limit."""
        return replace(self, waiting_for=what, due=due)

    def saying(self, words: str, now: datetime) -> Board:
        """With one more line of what happened; the latest few are kept."""
        line = f"{now.strftime(MINUTES)}: {words}"
        return replace(self, words=(*self.words, line)[-WORDS_MAXIMUM:])

    def decided(self, channel: str, view: DecisionView) -> Board:
        """With the last decision in words."""
        offered = ", ".join(proposal.offer.action for proposal in view.proposals) or "nothing"
        held = f", held by {', '.join(hold.id for hold in view.holds)}" if view.holds else ""
        return replace(self, last=f"{offered} on {channel} (level {view.level}{held})")

    def sent(self, proposal: Proposal, sent: Sent) -> Board:
        """With what became of the last message."""
        reason = f": {sent.reason}" if sent.reason else ""
        return replace(
            self, last=f"{proposal.offer.action} on {proposal.channel} {sent.status}{reason}"
        )

    def state(self, journey: str, kind: str) -> JourneyState:
        """The part that decisions read."""
        return JourneyState(
            id=journey,
            kind=kind,
            stage=self.stage,
            since=self.since,
            due=self.due,
            waiting_for=self.waiting_for,
            before=self.before,
            planned=self.planned,
        )

    def details(self, title: str, milestones: Sequence[Milestone]) -> str:
        """The board as the Temporal UI shows it, in Markdown."""
        until = f" until {self.due.strftime(MINUTES)}" if self.due else ""
        heads = (
            f"**{title}: {self.stage}**, owner: {self.owner or 'nobody'}",
            f"Waiting for {self.waiting_for}{until}" if self.waiting_for else "",
            f"Last: {self.last}" if self.last else "",
            "\n".join(f"- {words}" for words in self.words),
            "\n".join(_checklist_line(milestone) for milestone in milestones),
        )
        return "\n\n".join(head for head in heads if head)

    def updates(self, shown: Board) -> list[SearchAttributeUpdate[Any]]:
        """The search attributes that differ from what is shown."""
        changes: list[SearchAttributeUpdate[Any]] = []
        texts = (
            (search_attributes.STAGE, self.stage, shown.stage),
            (search_attributes.OWNER, self.owner, shown.owner),
            (search_attributes.WAITING_FOR, self.waiting_for, shown.waiting_for),
        )
        for key, value, before in texts:
            if value != before:
                changes.append(key.value_set(value) if value else key.value_unset())
        if self.due != shown.due:
            due = search_attributes.DUE
            changes.append(due.value_set(self.due) if self.due else due.value_unset())
        return changes


NOT_SHOWN = Board(stage="?", owner="?", waiting_for="?", since=EPOCH, due=EPOCH)
"""Differs from every board in every part."""


def _checklist_line(milestone: Milestone) -> str:
    if milestone.reached:
        return f"- [x] {milestone.name}, {milestone.reached.strftime(MINUTES)}"
    return f"- [ ] {milestone.name} by {milestone.due.strftime(MINUTES)}, owner: {milestone.owner}"
