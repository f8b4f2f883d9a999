"""Commands that ask a running stack: decide, rebuild."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import AsJson, DataDir, tell
from engine.errors import InvalidInput

if TYPE_CHECKING:
    from api.settings import Settings

Placements = Annotated[
    list[str] | None,
    typer.Option("--placement", metavar="NAME[:LIMIT]", help="Repeat for several. [main:1]"),
]
Contexts = Annotated[
    list[str] | None,
    typer.Option(
        "--context", metavar="NAME=VALUE", help="What rules may ask for, e.g. page=billing."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(epilog="Example: tactful decide 7590-VHVEG --channel web --explain")(decide)
    app.command(
        short_help="Recreate Redis from the journal and Temporal.",
        epilog="Example: tactful rebuild --data-dir shop",
    )(rebuild)


def decide(
    customer: Annotated[
        str | None, typer.Argument(metavar="CUSTOMER", help="Your id of the customer.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="Many customers instead: a table with the customer in its first column,"
            " or a JSON request a line.",
        ),
    ] = None,
    channel: Annotated[
        str, typer.Option(metavar="NAME", help="Where the answer is shown.")
    ] = "web",
    placement: Placements = None,
    context: Contexts = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what was dropped, and why.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Record and count nothing.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask for the next best action for one customer, or for each in a file."""
    from api.client import call
    from api.settings import load_settings

    if (customer is None) == (file is None):
        raise typer.BadParameter("say either CUSTOMER or --file FILE")
    request: dict[str, object] = {
        "channel": channel,
        "context": dict(_pair(each, "=") for each in context or ()),
        "explain": explain,
        "dry_run": dry_run,
    }
    if placement:
        request["placements"] = [_placement(each) for each in placement]
    settings = load_settings({"data_dir": data_dir})
    if file is not None:
        return _decide_all(settings, file, request, as_json)
    request["customer"] = customer
    answer = call(settings, "POST", "/v1/decisions", json=request)
    tell(answer, as_json, decision_lines)


def _decide_all(settings: Settings, file: Path, usual: Mapping[str, object], as_json: bool) -> None:
    """Decide for all of a file; exit code 1 if anything in it was refused."""
    from api.outbound import LINES_AT_ONCE, Run, answers, in_words, requests_of

    run = Run()
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InvalidInput(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not text in UTF-8") from None
    for answer in answers(settings, requests_of(lines, usual), run):
        typer.echo(answer if as_json else in_words(answer))
        if run.done % LINES_AT_ONCE == 0:
            _say(f"{run.done} of {len(lines)}")
    _say(f"{run.decided} decided, {run.refused} refused")
    if run.refused:
        raise typer.Exit(1)


def _pair(text: str, separator: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not found or not name:
        raise typer.BadParameter(f"{text!r} is not NAME{separator}VALUE")
    return name, value


def _placement(text: str) -> dict[str, object]:
    name, _, limit = text.partition(":")
    if limit and not limit.isdecimal():
        raise typer.BadParameter(f"{text!r} is not NAME or NAME:LIMIT")
    return {"name": name, "limit": int(limit or 1)}


def decision_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """A decision for people."""
    because = f" ({'; '.join(answer['because'])})" if answer["because"] else ""
    yield f"{answer['customer']}: {answer['level']}{because}, {answer['took_ms']} ms"
    for placement, offers in answer["placements"].items():
        yield f"{placement}:" + ("" if offers else " nothing to offer")
        for offer in offers:
            chances = f"propensity {offer['propensity']:.3f}, priority {offer['priority']:.3f}"
            yield f"  {offer['rank']}. {offer['treatment']} ({offer['purpose']}), {chances}"
    for hold in answer["holds"]:
        purposes = (f"purpose {one}" for one in hold["purposes"])
        covered = " or ".join([*purposes, *(f"tag {one}" for one in hold["tags"])])
        yield f"held: nothing with {covered}: {hold['because']} ({hold['id']})"
    for candidate in answer.get("candidates") or ():
        yield from _candidate_lines(candidate)


def _candidate_lines(candidate: Mapping[str, Any]) -> Iterator[str]:
    from engine.reasons import drop_in_words
    from engine.types import Drop, Stage

    yield f"{candidate['status']:<8} {candidate['treatment']}"
    for told in candidate["drops"]:
        until = datetime.fromisoformat(told["until"]) if told["until"] else None
        drop = Drop(
            stage=Stage(told["stage"]), rule=told["rule"], detail=told["detail"], until=until
        )
        yield f"         {drop_in_words(drop)}"


def _say(line: str) -> None:
    typer.echo(line, err=True)


def rebuild(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Recreate Redis from the journal, Temporal and the archive. Needs a running stack."""
    import asyncio
    import json
    from dataclasses import asdict

    from api.rebuilding import rebuild_site
    from api.running import running_site

    rebuilt = asyncio.run(rebuild_site(running_site(data_dir), _say))
    if as_json:
        typer.echo(json.dumps(asdict(rebuilt)))
        return
    counts = asdict(rebuilt) | {"feature rows": rebuilt.features}
    del counts["features"]
    typer.echo(f"Rebuilt, {', '.join(f'{what}: {count}' for what, count in counts.items())}")
