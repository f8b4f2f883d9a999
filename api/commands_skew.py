"""The command that compares what decisions were told with what training would see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import AsJson, DataDir

if TYPE_CHECKING:
    from models.skew import Skew


def add_to(app: typer.Typer) -> None:
    """Add this command to those on models."""
    app.command(
        "skew",
        short_help="Compare what decisions were told with what training would see.",
        epilog="Example: tactful models skew --decisions 5000",
    )(skew)


def skew(
    decisions: Annotated[
        int, typer.Option("--decisions", metavar="N", min=1, help="The newest N of the log.")
    ] = 1_000,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare the features in the records of decisions with a point-in-time join by Feast.

    Where both took the same row, every value has to be the same: exit code 1 if one is not.
    Rows that only one way knows are counted. See docs/models.md.
    """
    from api.running import at_running_stack
    from api.settings import load_settings, site
    from models.skew import skew as compare

    found = compare(site(at_running_stack(load_settings({"data_dir": data_dir}))), decisions)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(asdict(found), option=orjson.OPT_NON_STR_KEYS).decode())
    else:
        typer.echo("\n".join(lines(found)))
    if found.differing:
        raise typer.Exit(1)


def lines(found: Skew) -> Iterator[str]:
    """What was found, for people."""
    from models.skew import Row

    yield f"{found.decisions:,} decisions, {found.values:,} values of the same rows compared."
    yield ""
    yield f"{'view':<12}" + "".join(f"{row.value:>10}" for row in Row)
    for view, counts in found.rows.items():
        yield f"{view:<12}" + "".join(f"{counts.get(row, 0):>10,}" for row in Row)
    yield ""
    if not found.differing:
        yield "No value differs." if found.values else "No row was known both ways."
    for feature, count in found.differing.items():
        yield f"{feature} differs {count:,} times"
    for one in found.differences:
        yield f"  {one.decision_id}: {one.feature} served {one.served!r}, trained {one.trained!r}"
