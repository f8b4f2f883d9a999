"""Commands about the code of journeys: their maps."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import TactfulError

if TYPE_CHECKING:
    from workflows.maps.chart import Chart

Kind = Annotated[
    str | None, typer.Argument(metavar="KIND", help="onboarding, complaint, …  [all of them]")
]


class Format(StrEnum):
    """How a map is written."""

    MERMAID = "mermaid"
    SVG = "svg"


def add_to(app: typer.Typer) -> None:
    """Add these commands to `tactful journeys`."""
    app.command(
        "map",
        short_help="Draw journeys from their code.",
        epilog="Example: tactful journeys map complaint --format svg > complaint.svg",
    )(draw)


def draw(
    kind: Kind = None,
    form: Annotated[
        Format, typer.Option("--format", help="What is printed without --out.")
    ] = Format.MERMAID,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write pages there: Mermaid, and an SVG beside it."),
    ] = None,
) -> None:
    """Draw journeys from their code: steps, waits, deadlines, owners, holds, handoffs, ends."""
    from workflows.maps.pages import drawn, pages
    from workflows.worker import JOURNEYS

    wanted = [journey for journey in JOURNEYS if kind in (None, _kind(journey))]
    if not wanted:
        known = ", ".join(sorted(map(_kind, JOURNEYS)))
        raise typer.BadParameter(f"no journey is called {kind!r}; there are {known}")
    if out is None:
        for journey in wanted:
            typer.echo(_written(drawn(journey), form), nl=False)
        return
    _write(out, pages(wanted) if kind is None else _without_contents(pages(wanted)))


def _kind(journey: type) -> str:
    from workflows.maps.source import kind_of

    return kind_of(journey)


def _written(chart: Chart, form: Format) -> str:
    from workflows.maps.mermaid import mermaid
    from workflows.maps.svg import svg

    return svg(chart) if form is Format.SVG else mermaid(chart)


def _without_contents(files: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in files.items() if name != "README.md"}


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    except OSError as error:
        raise TactfulError(f"{folder} can't be written: {error.strerror}") from None
    typer.echo(f"Written to {folder}: {', '.join(files)}")
