"""Commands on models: list, history, rollback; evaluate, compile; learn, classify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api.commands_data import MODELS, tell
from api.options import AsJson, DataDir, JsonFile
from engine.errors import TactfulError
from engine.ledger.site import Site

models_app = typer.Typer(
    help="See, evaluate, compile and take back models; learn what texts are about.",
    no_args_is_help=True,
)
MOST_LIKELY = 3


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(models_app, name="models")


@models_app.command(
    "list", short_help="Which models are in use.", epilog="Example: tactful models list --json"
)
def list_models(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print the models of the stack: what is in use, since when, and how good it is."""
    from models.told import list_lines, models_of

    found = models_of(_site(data_dir))
    typer.echo(json.dumps(found) if as_json else "\n".join(list_lines(found)))


@models_app.command(
    "history",
    short_help="What became of each training, and why.",
    epilog="Example: tactful models history acceptance --last 3",
)
def show_history(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Without it all of them.")
    ] = None,
    last: Annotated[int, typer.Option(metavar="N", min=1, help="So many of each.")] = 10,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print what became of trainings, newest first: promoted, kept or refused, with the reason."""
    from models.history import history, told
    from models.registry import models_kept
    from models.told import history_lines

    place = _site(data_dir)
    for name in [model] if model else models_kept(place):
        if as_json:
            lines = [json.dumps({"model": name, **told(e)}) for e in history(place, name)[-last:]]
        else:
            lines = list(history_lines(place, name, last))
        typer.echo("\n".join(lines) or f"{name}: no training yet")


@models_app.command(
    "rollback",
    short_help="Put an earlier model in use again.",
    epilog="Example: tactful models rollback acceptance --because 'too many discounts'",
)
def rollback(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="churn or acceptance.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="This one, or how it begins. [the one before]"),
    ] = None,
    because: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; it stays on record.")
    ] = "by hand",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put an earlier model in use; running processes take it up within a second.

    A training that gives the model gone back from again does not promote it.
    """
    from models.gate import go_back
    from models.history import told
    from models.told import short

    if model not in MODELS:
        raise typer.BadParameter(f"{model!r} is none of {', '.join(MODELS)}")
    entry = go_back(_site(data_dir), model, to, because)
    if as_json:
        typer.echo(json.dumps(told(entry)))
    else:
        was = short(entry.before) if entry.before else "none"
        typer.echo(f"{model}: {short(entry.artefact)} is in use again, was {was}")


def _site(data_dir: Path | None) -> Site:
    from api.running import at_running_stack
    from api.settings import load_settings, site

    return site(at_running_stack(load_settings({"data_dir": data_dir})))


@models_app.command(
    "evaluate",
    short_help="Train on one table, measure on another.",
    epilog="Example: tactful models evaluate --train a.csv --test b.csv --target y --sep ';'",
)
def evaluate(
    train_file: Annotated[Path, typer.Option("--train", metavar="CSV", help="Learn from this.")],
    test_file: Annotated[Path, typer.Option("--test", metavar="CSV", help="Measure on this.")],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="What to predict.")],
    sep: Annotated[str, typer.Option(metavar="TEXT", help="What separates the columns.")] = ",",
    out: JsonFile = None,
) -> None:
    """Train the pipeline of our models on any table, and say how good it is on another."""
    from models.evaluate import evaluate as measure

    result = measure(train_file, test_file, target, sep)
    tell(result, out)


@models_app.command(
    "compile",
    short_help="Compile the current models for this processor.",
    epilog="Example: tactful models compile acceptance",
)
def compile_models(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="churn or acceptance; without it both.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Compile current models with lleaves (the extra `compiled`); a running stack picks them up.

    Only models that leaf masks can't express are scored by what is compiled.
    """
    from models.compiled import compile_current

    if model not in (None, *MODELS):
        raise typer.BadParameter(f"{model!r} is none of {', '.join(MODELS)}")
    place = _site(data_dir)
    for name in [model] if model else MODELS:
        typer.echo(compile_current(place, name))


@models_app.command(
    "learn",
    short_help="Learn to tell what texts are about.",
    epilog="Example: tactful models learn triage complaints.csv --text narrative --target product",
)
def learn(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name, such as triage.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file, may be gzipped.")],
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The texts.")],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="What each text is about.")],
    sep: Annotated[str, typer.Option(metavar="TEXT", help="What separates the columns.")] = ",",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train a model of texts: complaints to teams, messages to intents, words to moods.

    A fifth of the texts is set apart to judge it by. It takes over if it is as good on them as the
    model before.
    """
    from models.text_train import train_texts

    place = _site(data_dir)
    report = train_texts(place, name, file, text, target, sep)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        tell(report)


@models_app.command(
    "classify",
    short_help="Say what a text is about.",
    epilog="Example: tactful models classify triage 'They charged my card twice'",
)
def classify(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model that was learned.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What somebody wrote.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print the likeliest classes of a text, and how likely each is."""
    from models.text_train import text_model

    place = _site(data_dir)
    model = text_model(place, name)
    chances = model.probabilities([text])[0].tolist()
    found = sorted(zip(model.classes, chances, strict=True), key=lambda each: -each[1])
    if as_json:
        typer.echo(json.dumps(dict(found)))
    else:
        tell(dict(found[:MOST_LIKELY]))


@models_app.command(
    "report",
    short_help="Write a page on how the model in use does.",
    epilog="Example: tactful models report --out models.html --days 60",
)
def report(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page.")] = Path(
        "models.html"
    ),
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, help="How far back to look.")
    ] = 90,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page on the acceptance model: drift, calibration over time, a challenger.

    It is read off the archived decisions and their outcomes; /metrics tells the same numbers until
    the next report.
    """
    from api.running import at_running_stack
    from api.settings import load_settings, site
    from models.report import page
    from models.watch import watched

    found = watched(site(at_running_stack(load_settings({"data_dir": data_dir}))), days)
    try:
        out.write_text(page(found), encoding="utf-8")
    except OSError as error:
        raise TactfulError(f"{out} can't be written: {error.strerror}") from None
    typer.echo(json.dumps(found) if as_json else f"{out}: {found['answers']:,} answers watched")
