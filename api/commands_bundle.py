"""Commands on bundles: check, test, diff, schema."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import AsJson, DataDir
from engine.errors import InvalidBundle, TactfulError

if TYPE_CHECKING:
    from engine.catalog import Bundle
    from engine.coverage import Item

ARCHIVE = "bundles"
CURRENT = "current"
Folder = Annotated[
    Path | None, typer.Argument(metavar="FOLDER", help="[the bundle of the settings]")
]
_SIDE = "A folder, the hash of a bundle that was in force, or `current`."

bundle_app = typer.Typer(
    help="Check, test and compare what the business decided.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(bundle_app, name="bundle")


@bundle_app.command(
    "check",
    short_help="Check a bundle, list every problem.",
    epilog="Example: tactful bundle check my-bundle",
)
def check(folder: Folder = None, as_json: AsJson = False) -> None:
    """Check a bundle; every problem is a line `file:line: what, and what would be right`."""
    from workflows.worker import hours_missing

    try:
        bundle = _read(folder)
        missing = hours_missing(bundle)
        if missing:
            raise InvalidBundle(missing)
    except InvalidBundle as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"bundle": None, "problems": error.problems}))
        raise typer.Exit(1) from None
    if as_json:
        counts = {"bundle": bundle.hash, "actions": len(bundle.actions)}
        typer.echo(json.dumps({**counts, "problems": list[str]()}))
    else:
        typer.echo(f"{bundle.hash}: {len(bundle.actions)} actions, no problems")


@bundle_app.command(
    "test",
    short_help="Run the golden cases of a bundle.",
    epilog="Example: tactful bundle test my-bundle --complete",
)
def run_cases(
    folder: Folder = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Fail as well if a case is missing for anything.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the cases in the folder `cases` of a bundle, and say what no case exercises.

    A failure is a line `file:line: case: what should be, and what is`.
    """
    from engine.case_files import load_cases
    from engine.cases import play
    from engine.coverage import coverage
    from feature_store.schema import FEATURES

    bundle = _read(folder)
    cases = load_cases(_folder(folder), bundle, features=FEATURES)
    seen = [each for case in cases for each in play(case, bundle)]
    failures = [failure for each in seen for failure in each.failures]
    items = coverage(bundle, seen)
    missing = [item for item in items if item.missing]
    if as_json:
        told = {"cases": len(cases), "failures": failures, "coverage": [asdict(i) for i in items]}
        typer.echo(json.dumps({"bundle": bundle.hash, **told}))
    else:
        lines = [*failures, *_coverage(items), "", _verdict(len(cases), failures, missing)]
        typer.echo("\n".join(lines))
    if failures or (complete and missing):
        raise typer.Exit(1)


def _coverage(items: tuple[Item, ...]) -> list[str]:
    """A line for each kind of thing, and below it what is not exercised."""
    lines: list[str] = []
    for kind in dict.fromkeys(item.kind for item in items):
        of_kind = [item for item in items if item.kind == kind]
        missing = [item for item in of_kind if item.missing]
        lines.append(f"{kind:<22} {len(of_kind) - len(missing)} of {len(of_kind)} exercised")
        lines += [f"    {item.name}: {item.missing}" for item in missing]
    return lines


def _verdict(cases: int, failures: list[str], missing: list[Item]) -> str:
    right = "all as expected" if not failures else f"{len(failures)} not as expected"
    covered = "everything is exercised" if not missing else f"{len(missing)} not exercised"
    return f"{cases} cases: {right}; {covered}"


@bundle_app.command(
    "diff",
    short_help="Say what changes from one bundle to another.",
    epilog="Example: tactful bundle diff current my-bundle",
)
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=_SIDE)],
    after: Annotated[str, typer.Argument(metavar="AFTER", help=_SIDE)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say in words what changes from one bundle to another, the most important first.

    `current` is the bundle of the settings; a hash names one that was in force in the stack of the
    data directory. Comments, and the order in which things are written, change nothing.
    """
    from engine.bundle_diff import differences

    old, new = _one_of(before, data_dir), _one_of(after, data_dir)
    changes = differences(*_with_models(old, new))
    if as_json:
        typer.echo(json.dumps({"changes": [asdict(change) for change in changes]}))
    elif changes:
        typer.echo("\n".join(change.words for change in changes))
    else:
        typer.echo("nothing changes")


@bundle_app.command(
    "schema",
    short_help="Print the JSON Schema of a bundle's files.",
    epilog="Example: tactful bundle schema > bundle.schema.json",
)
def schema() -> None:
    """Print the JSON Schema of a bundle's files, for editors that complete and check YAML."""
    from engine.bundle_schema import schema_text

    typer.echo(schema_text(), nl=False)


def _folder(folder: Path | None) -> Path:
    from api.settings import load_settings

    return folder or load_settings().bundle


def _read(folder: Path | None) -> Bundle:
    from datetime import UTC, datetime

    from engine.bundle import load_bundle
    from feature_store.schema import FEATURES, PUSHED

    return load_bundle(
        _folder(folder),
        features=FEATURES,
        pushed=[view.name for view in PUSHED],
        today=datetime.now(UTC).date(),
    )


def _one_of(named: str, data_dir: Path | None) -> Bundle:
    from api.settings import load_settings
    from engine.bundle import load_bundle
    from engine.ledger.bundles import archived_bundle
    from feature_store.schema import FEATURES

    settings = load_settings({"data_dir": data_dir})
    if named.startswith("sha256:"):
        return archived_bundle(settings.data_dir / ARCHIVE, named)
    if named != CURRENT and not Path(named).is_dir():
        what = "neither a folder, nor a hash such as sha256:045e…, nor `current`"
        raise TactfulError(f"{named!r} is {what}")
    return load_bundle(settings.bundle if named == CURRENT else Path(named), features=FEATURES)


def _with_models(old: Bundle, new: Bundle) -> tuple[Bundle, Bundle]:
    """Files say nothing of models: a bundle that was read from them has those of the other."""
    return (
        replace(old, models=old.models or new.models),
        replace(new, models=new.models or old.models),
    )
