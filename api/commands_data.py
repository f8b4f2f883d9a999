"""Commands on data: load, train, bench; what they print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from api.options import AsJson, DataDir, JsonFile
from engine.errors import TactfulError

load_app = typer.Typer(help="Bring customers in.", no_args_is_help=True)
MODELS = ("churn", "acceptance")
EVERYTHING = "everything"
BENCHMARKS = (EVERYTHING, "decisions", "journeys", "loop", "models", "off_policy")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(load_app, name="load")
    app.command(
        short_help="Train models and promote the good ones.", epilog="Example: tactful train churn"
    )(train)
    app.command(
        short_help="Measure decisions, journeys and models on this machine.",
        epilog="Example: tactful bench decisions --json numbers.json",
    )(bench)


@load_app.command(
    "customers",
    short_help="Load a table of customers, or make some up.",
    epilog="Example: tactful load customers customers.csv --mapping mapping.yaml --sep ';'",
)
def load_customers(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A CSV file, may be gzipped.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML: which column is which feature. [IBM Telco]"),
    ] = None,
    sep: Annotated[str, typer.Option(metavar="TEXT", help="What separates the columns.")] = ",",
    examples: Annotated[
        int, typer.Option(metavar="N", min=1, help="Without a file: how many customers to make up.")
    ] = 1000,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Without a file: the same seed, the same ones.")
    ] = 1,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Load customers into the feature store, offline and online, with their consents.

    Finds the stack of its data directory, running or not. A bad row is reported, the rest loaded.
    """
    import asyncio

    from api.loading import load_table
    from api.running import redis_of
    from api.settings import load_settings, site

    table = file or _made_up(examples, seed)
    settings = load_settings({"data_dir": data_dir})
    with redis_of(settings) as redis_url:
        place = site(settings.model_copy(update={"redis_url": redis_url}))
        summary = asyncio.run(
            load_table(place, table, mapping=mapping, separator=sep, progress=_count)
        )
    typer.echo("", err=True)
    if as_json:
        problems = [{"line": each.line, "reason": each.reason} for each in summary.problems]
        counts = {"loaded": summary.loaded, "rejected": summary.rejected}
        typer.echo(json.dumps({**counts, "problems": problems}))
    else:
        typer.echo("\n".join(summary.words()))


def _made_up(count: int, seed: int) -> Any:
    from feature_store.generate import customers_table

    return customers_table(count, seed)


def _count(loaded: int) -> None:
    typer.echo(f"\r{loaded} customers", nl=False, err=True)


def train(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="churn or acceptance; without it both.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train, evaluate and register models; each is promoted if it passes the gate."""
    from api.running import at_running_stack
    from api.settings import load_settings, site
    from models.train import train as train_one

    if model not in (None, *MODELS):
        raise typer.BadParameter(f"{model!r} is none of {', '.join(MODELS)}")
    place = site(at_running_stack(load_settings({"data_dir": data_dir})))
    for name in [model] if model else MODELS:
        typer.echo(f"training {name}", err=True)
        report = train_one(place, name)
        if as_json:
            typer.echo(json.dumps(report))
        else:
            tell(report)


def bench(
    what: Annotated[str, typer.Argument(metavar="WHAT", help=", ".join(BENCHMARKS))] = EVERYTHING,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter, and less exact.")] = False,
    out: JsonFile = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curves there, as SVG.")
    ] = None,
) -> None:
    """Measure this machine; prints a table and, with --json, writes the numbers to a file."""
    import importlib
    import sys

    if what not in BENCHMARKS:
        known = ", ".join(BENCHMARKS)
        raise typer.BadParameter(f"there is no benchmark {what!r}, only {known}")
    sys.path.append(str(Path(__file__).parents[1]))  # an installed package has no benchmarks
    try:
        benchmark = importlib.import_module(f"benchmarks.{what}")
    except ModuleNotFoundError as error:
        if error.name != "benchmarks":
            raise
        reason = "benchmarks are part of the source tree: run `make bench` there"
        raise TactfulError(reason) from None
    if plot is not None and not hasattr(benchmark, "picture"):
        raise typer.BadParameter(f"{what} has no curves to draw")
    result = benchmark.run(quick=quick)
    typer.echo("\n".join(benchmark.lines(result)))
    _write(result, out)
    if plot is not None:
        _keep(plot, benchmark.picture(result))


def tell(result: Any, out: Path | None = None) -> None:
    """Prints a result, a line for each value, and keeps it as JSON where asked to."""
    for name, value in _flat(result):
        shown = f"{value:.4f}" if isinstance(value, float) else value
        typer.echo(f"{name:<40} {shown}")
    _write(result, out)


def _write(result: Any, out: Path | None) -> None:
    if out is not None:
        _keep(out, json.dumps(result, indent=1) + "\n")


def _keep(out: Path, text: str) -> None:
    try:
        out.write_text(text)
    except OSError as error:
        raise TactfulError(f"{out} can't be written: {error.strerror}") from None


def _flat(result: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = []
    for name, value in result.items():
        if isinstance(value, Mapping):
            lines += _flat(cast(Mapping[str, Any], value), f"{prefix}{name}.")
        else:
            lines.append((prefix + name, value))
    return lines
