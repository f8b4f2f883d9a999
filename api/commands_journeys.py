"""Commands about the code of journeys: maps, what new code would break, builds of the worker."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from api.options import AsJson, DataDir
from engine.errors import TactfulError

if TYPE_CHECKING:
    from temporalio.client import Client

    from engine.ledger.site import Site
    from workflows.checking import Checked
    from workflows.maps.chart import Chart
    from workflows.maps.live import Live

Answer = TypeVar("Answer")

_SHOWN_EVERY = 10

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
    app.command(
        short_help="Find running journeys that this code would break.",
        epilog="Example: tactful journeys check --limit 200",
    )(check)
    app.command(
        short_help="List the builds of the worker, and what runs on each.",
        epilog="Example: tactful journeys builds",
    )(builds)
    app.command(
        short_help="Let new journeys start on a build of the worker.",
        epilog="Example: tactful journeys deploy 1.4.0 --share 10",
    )(deploy)


def draw(
    kind: Kind = None,
    form: Annotated[
        Format, typer.Option("--format", help="What is printed without --out.")
    ] = Format.MERMAID,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write pages there: Mermaid, and an SVG beside it."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="With counts and the ways people took, from the stack.")
    ] = False,
    sample: Annotated[
        int, typer.Option(metavar="N", min=0, help="With --live: read so many histories a kind.")
    ] = 200,
    data_dir: DataDir = None,
) -> None:
    """Draw journeys from their code: steps, waits, deadlines, owners, holds, handoffs, ends."""
    from workflows.maps.pages import contents, drawn, files
    from workflows.worker import JOURNEYS

    wanted = [journey for journey in JOURNEYS if kind in (None, _kind(journey))]
    if not wanted:
        known = ", ".join(sorted(map(_kind, JOURNEYS)))
        new = "a new one needs a line in KINDS of workflows/routing.py"
        raise typer.BadParameter(f"no journey is called {kind!r}; there are {known}; {new}")
    charts = {journey: drawn(journey) for journey in wanted}
    found = _looked(charts.values(), sample, data_dir) if live else {}
    if out is None:
        for chart in charts.values():
            typer.echo(_written(chart, found.get(chart.kind), form), nl=False)
        return
    written = {} if kind else {"README.md": contents(wanted)}
    for journey, chart in charts.items():
        written |= files(journey, chart, found.get(chart.kind))
    _write(out, written)


def _looked(charts: Iterable[Chart], sample: int, data_dir: Path | None) -> dict[str, Live]:
    """What the running stack tells of these charts."""
    from workflows.maps.live import lines, look

    place = _site(data_dir)
    lapse = place.clock.lapse

    async def question(client: Client) -> dict[str, Live]:
        return {
            chart.kind: await look(client, chart, sample=sample, lapse=lapse) for chart in charts
        }

    found = _answer(place, question)
    for live in found.values():
        for line in lines(live):
            typer.echo(line, err=True)
    return found


def _kind(journey: type) -> str:
    from workflows.maps.source import kind_of

    return kind_of(journey)


def _written(chart: Chart, live: Live | None, form: Format) -> str:
    from workflows.maps.live import with_counts
    from workflows.maps.mermaid import mermaid
    from workflows.maps.svg import svg

    chart = with_counts(chart, live) if live else chart
    return svg(chart) if form is Format.SVG else mermaid(chart)


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    except OSError as error:
        raise TactfulError(f"{folder} can't be written: {error.strerror}") from None
    typer.echo(f"Written to {folder}: {', '.join(files)}")


def check(
    limit: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="At most so many, of each kind and stage in turn."),
    ] = 500,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replay the histories of running journeys against this code, and list what would break.

    Run it with the new code before its workers start. Exit code 1: something would break.
    """
    import json
    import logging
    from dataclasses import asdict

    from workflows import checking

    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # it would tell each failure twice
    checked = _answer(
        _site(data_dir), lambda client: checking.check(client, limit=limit, progress=_progress)
    )
    if as_json:
        typer.echo(json.dumps(asdict(checked)))
    else:
        for line in checked_lines(checked):
            typer.echo(line)
    if checked.broken:
        raise typer.Exit(1)


def _site(data_dir: Path | None) -> Site:
    from api.running import running_site

    return running_site(data_dir)


def _answer(place: Site, question: Callable[[Client], Coroutine[Any, Any, Answer]]) -> Answer:
    """What Temporal answers to a question."""
    import asyncio

    from workflows.connection import connected

    async def asked() -> Answer:
        async with connected(place) as client:
            return await question(client)

    return asyncio.run(asked())


def _progress(done: int, of: int) -> None:
    if done % _SHOWN_EVERY == 0 or done == of:
        typer.echo(f"\r{done} of {of} histories", nl=done == of, err=True)


def checked_lines(checked: Checked) -> Iterator[str]:
    """What was found, for people."""
    for broken in checked.broken:
        yield f"{broken.kind} in stage {broken.stage!r}: {broken.journey}"
        yield f"  where  {broken.where}"
        yield f"  why    {broken.why}"
        yield f"  do     {broken.remedy}"
    told = f"{checked.replayed} of {checked.running} running journeys replayed"
    yield f"{told}, {len(checked.broken) or 'none'} would break"


def builds(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the builds of the worker: where new journeys start, how many run on each.

    A draining build needs its workers until nothing runs on it any more.
    """
    import json
    from dataclasses import asdict

    from workflows import deployments

    place = _site(data_dir)
    found = _answer(place, lambda client: deployments.builds(client, place.worker_deployment))
    if as_json:
        typer.echo(json.dumps([asdict(build) for build in found]))
        return
    width = max(len(build.id) for build in found)
    for build in found:
        share = f"{build.share:3g} % of new journeys" if build.share else " " * 21
        typer.echo(f"{build.id:<{width}}  {build.status:<8} {share}  {build.journeys} running")


def deploy(
    build: Annotated[str, typer.Argument(metavar="BUILD", help="As `tactful journeys builds`.")],
    share: Annotated[
        float, typer.Option(metavar="PERCENT", min=0, max=100, help="Only so many, to try it.")
    ] = 100.0,
    data_dir: DataDir = None,
) -> None:
    """Let new journeys start on a build; running ones move to it when they continue as new."""
    from workflows import deployments

    place = _site(data_dir)
    name = place.worker_deployment
    if share == 100.0:
        _answer(place, lambda client: deployments.make_current(client, name, build))
    else:
        _answer(place, lambda client: deployments.ramp(client, name, build, share))
    told = "all new journeys" if share == 100.0 else f"{share:g} % of the new journeys"
    typer.echo(f"{build} takes {told}")
