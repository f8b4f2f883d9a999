"""The maps of all journeys as pages: what each says of itself, its Mermaid, its SVG beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from workflows.maps.chart import Chart
from workflows.maps.live import Live, table, with_counts
from workflows.maps.mermaid import mermaid
from workflows.maps.reading import chart_of
from workflows.maps.source import source_of
from workflows.maps.svg import svg
from workflows.routing import TABLE

COMMAND = "tactful journeys map --out docs/journeys"
_HEADS = re.compile(r"^(Owner|Promises|Fallbacks): ", re.MULTILINE)


def drawn(journey: type) -> Chart:
    """The chart of a journey, with the events that start it."""
    kind = source_of(journey).kind
    starts = [event for event, of, begins in TABLE if of == kind and begins]
    return chart_of(journey, starts or ["another journey"])


def pages(journeys: Sequence[type]) -> dict[str, str]:
    """The files of all journeys by name, and a page that lists them."""
    found = {"README.md": contents(journeys)}
    for journey in journeys:
        found |= files(journey, drawn(journey))
    return found


def files(journey: type, chart: Chart, live: Live | None = None) -> dict[str, str]:
    """The page of a journey and its picture, with what really happens if that was looked at."""
    chart = with_counts(chart, live) if live else chart
    more = ["", *table(live)] if live else ()
    page = "\n".join(_lines(journey, chart, more)) + "\n"
    return {f"{chart.kind}.md": page, f"{chart.kind}.svg": svg(chart)}


def _lines(journey: type, chart: Chart, more: Sequence[str]) -> Iterator[str]:
    summary, _, rest = source_of(journey).top.partition("\n\n")
    yield f"# {_title(chart.kind)}"
    yield ""
    yield _joined(summary)
    yield ""
    for part in _HEADS.sub(r"\n\1: ", rest).split("\n\n"):
        for paragraph in re.split(r"\n(?=(?:Owner|Promises|Fallbacks): )", part):
            if paragraph.strip():
                yield _HEADS.sub(r"**\1**: ", _joined(paragraph))
                yield ""
    yield "```mermaid"
    yield mermaid(chart).rstrip()
    yield "```"
    yield ""
    yield f"The same as a [picture]({chart.kind}.svg). " + (
        f"Both are drawn from the code, by `{COMMAND}`."
    )
    yield from more


def contents(journeys: Sequence[type]) -> str:
    """The page that lists the maps."""
    lines = ["# Maps of the journeys", "", "| journey | what it is |", "|---|---|"]
    for journey in journeys:
        source = source_of(journey)
        summary = _joined(source.top.partition("\n\n")[0])
        lines.append(f"| [{_title(source.kind)}]({source.kind}.md) | {summary} |")
    told = (
        "Blue boxes are stages, yellow ones wait, red ones place or end a hold, purple ones bring"
        " in people, green ones plan milestones; dashed lines lead back. With `--live` the maps"
        " also say how many are in each stage, and which ways they took."
    )
    return "\n".join([*lines, "", told, "", f"Drawn from the code, by `{COMMAND}`."]) + "\n"


def _title(kind: str) -> str:
    return kind.replace("_", " ").replace("-", " ").capitalize()


def _joined(paragraph: str) -> str:
    return " ".join(paragraph.split())
