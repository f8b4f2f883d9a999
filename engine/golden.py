"""What a golden case is: a situation, a question, what is right, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from engine.catalog import Action
from engine.logic import Lookup
from engine.types import (
    Answers,
    Arm,
    Decision,
    Drop,
    Level,
    Request,
    Scalar,
    Scores,
    Snapshot,
    Stage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the models say in a case: scores of the customer, and acceptance by action.

    `evidence` is that of each action, under `*` that of all others. `scored`: only so many actions
    are scored before the time is over; `missing`: models that can't say anything.
    """

    customer: Mapping[str, float] = field(default_factory=dict[str, float])
    acceptance: Mapping[str, float] = field(default_factory=dict[str, float])
    evidence: Mapping[str, Answers] = field(default_factory=dict[str, Answers])
    scored: int | None = None
    missing: tuple[str, ...] = ()

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        """The scores of the customer alone."""
        return Scores(customer=self.customer, because=tuple(f"no {m} model" for m in self.missing))

    def acceptance_of(self, pairs: Sequence[tuple[Action, str]]) -> Scores:
        """Acceptance by action, as far as the time goes."""
        asked = [action.name for action, _ in pairs][: self.scored]
        usual = self.evidence.get("*", (0, 0))
        evidence = tuple(self.evidence.get(name, usual) for name in asked)
        return Scores(
            acceptance=tuple(self.acceptance.get(name) for name in asked),
            evidence=evidence if self.evidence else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDrop:
    """Where an action must be stopped, and by what and until when where the case says so."""

    stage: Stage
    rule: str | None = None
    until: datetime | None = None

    def is_met_by(self, drop: Drop) -> bool:
        """Whether this is the expected drop; `hold:complaint:4711` may be written `complaint`."""
        if drop.stage is not self.stage or (self.until and drop.until != self.until):
            return False
        return self.rule is None or f":{self.rule}:" in f":{drop.rule}:"

    def words(self, clock: tzinfo) -> str:
        """As a case writes it, on this clock."""
        until = f"until {on_clock(self.until, clock)}" if self.until else ""
        return " ".join(part for part in (self.stage.value, self.rule, until) if part)


def on_clock(at: datetime, clock: tzinfo) -> str:
    """A moment as a case writes it."""
    return f"{at.astimezone(clock):%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is right: offers by placement in order, drops, and actions that must not be dropped.

    An offer is named by its action, or by its treatment. What is not mentioned is not checked.
    """

    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    drops: Mapping[str, ExpectedDrop] = field(default_factory=dict[str, ExpectedDrop])
    passes: tuple[str, ...] = ()
    level: Level | None = None
    arm: Arm | None = None
    exemptions: Mapping[str, str] = field(default_factory=dict[str, str])
    may_start: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One situation, asked on each of `requests`' channels.

    Instead of a question it may be that a journey `sends` an action there, or that a journey of the
    kind `starts`, which `began` before. `used` says how much of each volume is used, `kept` which
    action keeps a unit of it for the customer. `clock`: that of the business.
    """

    name: str
    place: str
    who: str
    requests: tuple[Request, ...]
    snapshot: Snapshot
    said: Said
    expected: Expected
    used: Mapping[str, int] = field(default_factory=dict[str, int])
    kept: Mapping[str, str] = field(default_factory=dict[str, str])
    sends: str | None = None
    starts: str | None = None
    began: tuple[datetime, ...] = ()
    clock: tzinfo = UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What happened in a case on one channel: all drops by action, and the decision, or whether the
    journey may start, where that was the question.
    """

    case: Case
    channel: str
    lookup: Lookup
    drops: Mapping[str, tuple[Drop, ...]]
    decision: Decision | None = None
    may_start: bool | None = None
    failures: tuple[str, ...] = ()
