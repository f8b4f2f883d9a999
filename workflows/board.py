"""What operators see of a journey: stage, owner, what is awaited, the last decision in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from temporalio.common import SearchAttributeUpdate

from engine.types import JourneyState, Planned
from workflows import search_attributes
from workflows.life import Kept, Milestone
from workflows.offers import DecisionView, Proposal, Sent, SentStatus
from workflows.orders import Task

WORDS_MAXIMUM = 5
KEYWORD_MAXIMUM = 200
"""Characters of a search attribute: PostgreSQL and MySQL take no more than 255."""
ASIDE_SHOWN_MAXIMUM = 3
PAUSED = "paused"
SET_ASIDE = "set aside"
FAILED = "failed"
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
    attention: str = ""

    def staged(self, stage: str, owner: str | None, now: datetime) -> Board:
        """In a stage; the time of entry changes only with the stage."""
        if stage == self.stage:
            return replace(self, owner=owner or self.owner)
        return replace(self, stage=stage, owner=owner or self.owner, since=now, before=self.stage)

    def awaiting(self, what: str, due: datetime | None) -> Board:
        """Waiting for something, until `due` if there is a limit."""
        return replace(self, waiting_for=what, due=due)

    def attending(self, kept: Kept) -> Board:
        """With what an operator has to look at: what is paused, was set aside, or failed."""
        failed = kept.failed is not None and kept.failed.status is SentStatus.FAILED
        reasons = ((kept.paused, PAUSED), (kept.aside, SET_ASIDE), (failed, FAILED))
        return replace(self, attention=next((name for there, name in reasons if there), ""))

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
        """The part that decisions read: not what it waits for, which changes with each step."""
        return JourneyState(
            id=journey,
            kind=kind,
            stage=self.stage,
            since=self.since,
            before=self.before,
            planned=self.planned,
        )

    def details(
        self,
        title: str,
        milestones: Sequence[Milestone] = (),
        kept: Kept | None = None,
        task: Task | None = None,
    ) -> str:
        """The board as the Temporal UI shows it, in Markdown."""
        until = f" until {self.due.strftime(MINUTES)}" if self.due else ""
        heads = (
            f"**{title}: {self.stage}**, owner: {self.owner or 'nobody'}",
            f"Paused by {kept.paused.signed}" if kept and kept.paused else "",
            f"Waiting for {self.waiting_for}{until}" if self.waiting_for else "",
            f"If nobody answers: {task.default}" if task else "",
            f"Last: {self.last}" if self.last else "",
            _aside_lines(kept) if kept else "",
            "\n".join(f"- {words}" for words in self.words),
            "\n".join(_checklist_line(milestone) for milestone in milestones),
        )
        return "\n\n".join(head for head in heads if head)

    def updates(self, posted: Board, now: datetime) -> list[SearchAttributeUpdate[Any]]:
        """The search attributes that differ from what was posted; with them, that it moved now."""
        changes: list[SearchAttributeUpdate[Any]] = []
        texts = (
            (search_attributes.STAGE, self.stage, posted.stage),
            (search_attributes.OWNER, self.owner, posted.owner),
            (search_attributes.WAITING_FOR, self.waiting_for, posted.waiting_for),
            (search_attributes.ATTENTION, self.attention, posted.attention),
        )
        for key, value, before in texts:
            if value != before:
                changes.append(
                    key.value_set(value[:KEYWORD_MAXIMUM]) if value else key.value_unset()
                )
        if self.due != posted.due:
            due = search_attributes.DUE
            changes.append(due.value_set(self.due) if self.due else due.value_unset())
        if changes:
            changes.append(search_attributes.MOVED.value_set(now))
        return changes


NOT_SHOWN = Board(stage="?", owner="?", waiting_for="?", since=EPOCH, due=EPOCH)
"""Differs from every board in what is always shown."""


def _aside_lines(kept: Kept) -> str:
    if not kept.aside:
        return ""
    lines = [f"- {one.heard.type}: {one.reason}" for one in kept.aside[-ASIDE_SHOWN_MAXIMUM:]]
    return "\n".join((f"Events set aside: {len(kept.aside)}", *lines))


def _checklist_line(milestone: Milestone) -> str:
    if milestone.reached:
        return f"- [x] {milestone.name}, {milestone.reached.strftime(MINUTES)}"
    seen = f", seen by {milestone.metric}" if milestone.metric else ""
    due = milestone.due.strftime(MINUTES)
    return f"- [ ] {milestone.name} by {due}{seen}, owner: {milestone.owner}"
