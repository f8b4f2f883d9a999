"""A decision as a grid: each action against each stage of the funnel, passed or dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.types import Candidate, Decision, Stage, Status

PASSED, DROPPED, NOT_REACHED = "passed", "dropped", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One stage: how many actions entered it, how many passed, and which rules dropped how many."""

    stage: str
    entered: int
    passed: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One action: a cell for each stage, and its first drop.

    Cells: `passed`, `dropped`, or empty where it did not come so far. Where all reasons were asked
    for, several cells are `dropped`.
    """

    action: str
    treatment: str
    status: Status
    cells: tuple[str, ...]
    rule: str | None = None
    detail: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All actions against all stages, in the order of the funnel."""

    stages: tuple[Column, ...]
    rows: tuple[Row, ...]


def grid(decision: Decision) -> Grid:
    """The grid of a decision, by the first drop of each action."""
    rows = tuple(_row(one) for one in decision.candidates)
    return Grid(stages=tuple(_columns(decision.candidates)), rows=rows)


def _columns(candidates: Sequence[Candidate]) -> Iterator[Column]:
    left = len(candidates)
    first: dict[Stage, dict[str, int]] = {}
    for one in candidates:
        if one.status is Status.DROPPED and one.drops:
            rules = first.setdefault(one.drops[0].stage, {})
            rules[one.drops[0].rule] = rules.get(one.drops[0].rule, 0) + 1
    for stage in Stage:
        dropped = first.get(stage, {})
        gone = sum(dropped.values())
        yield Column(stage=stage.value, entered=left, passed=left - gone, dropped=dropped)
        left -= gone


def _row(one: Candidate) -> Row:
    drop = one.drops[0] if one.drops and one.status is Status.DROPPED else None
    return Row(
        action=one.action,
        treatment=one.treatment,
        status=one.status,
        cells=tuple(_cells(one, drop.stage if drop else None)),
        rule=drop.rule if drop else None,
        detail=drop.detail if drop else None,
        until=drop.until if drop else None,
    )


def _cells(one: Candidate, first: Stage | None) -> Iterator[str]:
    dropping = {drop.stage for drop in one.drops} if first is not None else set[Stage]()
    reached = True
    for stage in Stage:
        if stage in dropping:
            yield DROPPED
            reached = False
        else:
            yield PASSED if reached else NOT_REACHED
