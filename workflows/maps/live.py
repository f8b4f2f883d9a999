"""What really happens on a journey: how many are in each stage now, and the ways people took."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from statistics import median

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from engine.errors import JourneysUnavailable
from workflows import histories
from workflows.maps.chart import Box, Chart, Shape
from workflows.maps.scope import span
from workflows.search_attributes import KIND, STAGE

FIRST = "started"
"""The stage of a journey that no worker has looked at yet."""

LISTED_MAXIMUM = 1_000
RUNS_MAXIMUM = 20
"""So many runs of one journey are read, its latest ones, where it continued as new."""
WAYS_SHOWN = 10
ARROW = " → "

Way = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What was found of one kind of journey.

    `stages` counts the running ones; `ways` counts the stages one after the other of those whose
    histories were read, `read` of `all` that are there. A way that goes on ends with `…`.
    `stays`: how long those that left a stage had been in it, by the stack's clock.
    """

    kind: str
    running: int
    all: int
    read: int
    stages: Mapping[str, int]
    ways: Mapping[Way, int]
    stays: Mapping[str, Sequence[timedelta]] = field(default_factory=dict[str, Sequence[timedelta]])

    def usual_stay(self, stage: str) -> timedelta | None:
        """The median of how long people stay in a stage; None if nobody has left it."""
        seconds = [stay.total_seconds() for stay in self.stays.get(stage, ())]
        return timedelta(seconds=median(seconds)) if seconds else None

    def came_through(self, stage: str) -> int:
        """How many of those that were read have been in a stage."""
        return sum(count for way, count in self.ways.items() if stage in way)


async def look(client: Client, chart: Chart, *, sample: int, lapse: float = 1.0) -> Live:
    """Count the journeys of a chart by stage, and read the histories of up to `sample` of them.

    Half of them are closed, the latest first, where there are enough. `lapse`: how many times
    faster the stack's clock runs than those of the histories. Raises JourneysUnavailable.
    """
    kind = f"{KIND.name} = '{chart.kind}'"
    running = f"{kind} AND ExecutionStatus = 'Running'"
    ended = f"{kind} AND ExecutionStatus != 'Running' AND ExecutionStatus != 'ContinuedAsNew'"
    try:
        counts = [(await client.count_workflows(query)).count for query in (running, ended)]
        closed = [run async for run in _first(client, ended, sample - min(sample // 2, counts[0]))]
        still = [run async for run in _first(client, running, sample - len(closed))]
        walks = [await _walk(client, run) for run in (*closed, *still)]
        stages = await _stages(client, chart, running, counts[0])
    except RPCError as error:
        raise JourneysUnavailable(f"Temporal did not show its journeys: {error.message}") from error
    return Live(
        kind=chart.kind,
        running=counts[0],
        all=sum(counts),
        read=len(walks),
        stages=stages,
        ways=Counter(walk.way for walk in walks),
        stays=_stays(walks, lapse),
    )


def _stays(walks: Sequence[_Walk], lapse: float) -> Mapping[str, Sequence[timedelta]]:
    found: dict[str, list[timedelta]] = {}
    for walk in walks:
        for here, following in pairwise(walk.entered):
            found.setdefault(here.stage, []).append((following.at - here.at) * lapse)
    return found


async def _first(client: Client, query: str, count: int) -> AsyncIterator[WorkflowExecution]:
    if count > 0:
        async for run in client.list_workflows(query, limit=count, page_size=min(count, 1_000)):
            yield run


async def _stages(client: Client, chart: Chart, running: str, total: int) -> Mapping[str, int]:
    """The running journeys by stage: counted where the code names it, else listed."""
    named = sorted({FIRST, *(name for box in chart.stages() for name in _names(box))})
    found: dict[str, int] = {}
    for name in named:
        found[name] = (
            await client.count_workflows(f"{running} AND {STAGE.name} = '{_quoted(name)}'")
        ).count
    if total > sum(found.values()):
        others = ", ".join(f"'{_quoted(name)}'" for name in named)
        query = f"{running} AND {STAGE.name} NOT IN ({others})"
        runs = [run async for run in _first(client, query, LISTED_MAXIMUM)]
        found |= Counter(run.typed_search_attributes.get(STAGE) or "" for run in runs)
    return {name: count for name, count in found.items() if count}


def _names(box: Box) -> Iterator[str]:
    """The names of a stage that its code spells out."""
    for pattern in box.pattern.split("|"):
        if ".+" not in pattern:
            yield re.sub(r"\\(.)", r"\1", pattern)


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")


@dataclass(frozen=True, slots=True)
class _Walk:
    """The stages of one journey as they were entered, and what it came to."""

    entered: Sequence[histories.Entered]
    end: Way

    @property
    def way(self) -> Way:
        return (*(one.stage for one in self.entered), *self.end)


async def _walk(client: Client, run: WorkflowExecution) -> _Walk:
    """The stages of a journey, one after the other, through all runs that continued as new."""
    parts: list[list[histories.Entered]] = []
    run_id = run.run_id
    while run_id and len(parts) < RUNS_MAXIMUM:
        try:
            history = await client.get_workflow_handle(run.id, run_id=run_id).fetch_history()
        except RPCError as error:  # the run before it may be forgotten by now
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            break
        parts.append(list(histories.stages(history.events)))
        started = history.events[0].workflow_execution_started_event_attributes
        run_id = started.continued_execution_run_id
    entered: list[histories.Entered] = []
    for one in (each for part in reversed(parts) for each in part):
        if not entered or entered[-1].stage != one.stage:
            entered.append(one)
    return _Walk(entered, _last(run.status))


def _last(status: WorkflowExecutionStatus | None) -> Way:
    """What a way ends with when its last stage is not its end."""
    if status is WorkflowExecutionStatus.COMPLETED or status is None:
        return ()
    if status is WorkflowExecutionStatus.RUNNING:
        return ("…",)
    return (f"({status.name.lower().replace('_', ' ')})",)


def with_counts(chart: Chart, live: Live) -> Chart:
    """The chart with what was counted in its stages and ends."""
    return replace(chart, boxes=tuple(_counted(box, live) for box in chart.boxes))


def _counted(box: Box, live: Live) -> Box:
    pattern = FIRST if box.shape is Shape.START else box.pattern
    if not pattern:
        return box
    known = {*live.stages, *(stage for way in live.ways for stage in way)}
    names = sorted(name for name in known if re.fullmatch(pattern, name))
    told = [_told(name, live, alone=names == [box.title]) for name in names]
    return replace(box, details=(*box.details, *told))


def _told(name: str, live: Live, *, alone: bool) -> str:
    now, came = live.stages.get(name, 0), live.came_through(name)
    counts = f"{now} now, {came} of {live.read} came through"
    if (stay := live.usual_stay(name)) is not None:
        counts += f", usually for {_rounded(stay)}"
    return counts if alone else f"{name}: {counts}"


def _rounded(stay: timedelta) -> str:
    """A time in words, without the seconds of a week.

    >>> _rounded(timedelta(days=2, hours=3, seconds=9)), _rounded(timedelta(seconds=70.4))
    ('51 hours', '70 seconds')
    """
    for unit in (timedelta(hours=1), timedelta(minutes=1)):
        if stay >= 2 * unit:
            return span(round(stay / unit) * unit)
    return span(timedelta(seconds=round(stay.total_seconds())))


def lines(live: Live) -> Iterator[str]:
    """What was found, for people: where they are now, and the ways they took."""
    yield f"{live.kind}: {live.running} running; {live.read} of {live.all} histories read"
    for stage, count in sorted(live.stages.items(), key=lambda one: (-one[1], one[0])):
        yield f"  {count:>6} now in {stage}"
    for stage in live.stays:
        if (stay := live.usual_stay(stage)) is not None:
            yield f"  usually {_rounded(stay)} in {stage}"
    for way, count in _most_taken(live.ways):
        yield f"  {count:>6} went {ARROW.join(way)}"
    if len(live.ways) > WAYS_SHOWN:
        yield f"  and {len(live.ways) - WAYS_SHOWN} other ways"


def table(live: Live) -> Iterator[str]:
    """The same in Markdown."""
    yield "## Live"
    yield ""
    yield f"{live.running} are running. {live.read} of {live.all} histories were read."
    yield ""
    yield "| taken by | way |"
    yield "|---|---|"
    for way, count in _most_taken(live.ways):
        yield f"| {count} | {ARROW.join(way)} |"
    if len(live.ways) > WAYS_SHOWN:
        yield ""
        yield f"And {len(live.ways) - WAYS_SHOWN} other ways."


def _most_taken(ways: Mapping[Way, int]) -> Sequence[tuple[Way, int]]:
    return sorted(ways.items(), key=lambda one: (-one[1], one[0]))[:WAYS_SHOWN]
