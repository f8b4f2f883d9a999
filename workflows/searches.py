"""Searches for journeys: the same ones for HTTP, the command line and the Temporal UI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from workflows.search_attributes import ATTENTION, CUSTOMER, DUE, KIND, MOVED, OWNER, STAGE

RUNNING = "ExecutionStatus = 'Running'"
STUCK_DAYS = 7


class View(StrEnum):
    """The saved searches: what operators look for every morning. All of them run."""

    LATE = "late"
    STUCK = "stuck"
    ATTENTION = "attention"


MEANINGS = {
    View.LATE: "The deadline of what they wait for has passed.",
    View.STUCK: "Nothing has moved for days, and no deadline to come will move them.",
    View.ATTENTION: "Paused, with an event set aside, or with a message that failed.",
}
"""What each finds, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for; None stands for any. `customer` is the reference.

    `days` is for how long nothing must have moved in the view `stuck`.
    """

    kind: str | None = None
    stage: str | None = None
    customer: str | None = None
    owner: str | None = None
    attention: str | None = None
    open: bool | None = None
    view: View | None = None
    days: int = STUCK_DAYS

    def query(self, now: datetime) -> str:
        """The list filter of Temporal at this time of the stack.

        >>> Search(kind="complaint", open=True).query(datetime(2026, 3, 1, tzinfo=UTC))
        "JourneyKind = 'complaint' AND ExecutionStatus = 'Running'"
        >>> Search(view=View.LATE).query(datetime(2026, 3, 1, tzinfo=UTC))
        "JourneyKind IS NOT NULL AND ExecutionStatus = 'Running' AND Due < '2026-03-01T00:00:00Z'"
        """
        return " AND ".join(self._terms(now))

    def _terms(self, now: datetime) -> Iterator[str]:
        wanted = (
            (KIND, self.kind),
            (STAGE, self.stage),
            (CUSTOMER, self.customer),
            (OWNER, self.owner),
            (ATTENTION, self.attention),
        )
        if self.kind is None:
            yield f"{KIND.name} IS NOT NULL"
        yield from (f"{key.name} = {_quoted(value)}" for key, value in wanted if value is not None)
        if self.view is not None:
            yield RUNNING
            yield _condition(self.view, now, self.days)
        elif self.open is not None:
            yield RUNNING if self.open else RUNNING.replace("=", "!=")


def _condition(view: View, now: datetime, days: int) -> str:
    if view is View.ATTENTION:
        return f"{ATTENTION.name} IS NOT NULL"
    late = f"{DUE.name} < '{_moment(now)}'"
    if view is View.LATE:
        return late
    since = _moment(now - timedelta(days=days))
    return f"{MOVED.name} < '{since}' AND ({DUE.name} IS NULL OR {late})"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def link(ui: str, query: str) -> str:
    """The list of the Temporal UI with this filter; `ui` is its address of the namespace.

    >>> link("http://ui/namespaces/default", "Stage = 'open'")
    'http://ui/namespaces/default/workflows?query=Stage%20%3D%20%27open%27'
    """
    return f"{ui}/workflows?query={quote(query, safe='')}"
