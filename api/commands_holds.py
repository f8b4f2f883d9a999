"""Commands on holds: list what is held and what nobody looks after, end it as an operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from api.options import AsJson, DataDir, minutes, tell

holds_app = typer.Typer(
    help="List holds, above all those that nobody looks after any more; end one.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add `tactful holds` to the command line."""
    app.add_typer(holds_app, name="holds")


@holds_app.command(
    "list",
    short_help="List holds in force, and what to do about them.",
    epilog="Example: tactful holds list --orphaned",
)
def list_holds(
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="Only those whose journey was lost.")
    ] = False,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")
    ] = 100,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the holds in force, the oldest first: whom they silence, since when and why."""
    from api.client import call
    from api.settings import load_settings

    query = {"limit": str(limit)} | ({"state": "orphaned"} if orphaned else {})
    answer = call(load_settings({"data_dir": data_dir}), "GET", "/v1/holds", query=query)
    tell(answer, as_json, hold_lines)


def hold_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Holds for people, and below them what to do."""
    for hold in answer["holds"]:
        what = ", ".join((*hold["purposes"], *hold["tags"]))
        until = f" until {minutes(hold['until'])}" if hold["until"] else ""
        yield f"{hold['state']:<9} {hold['id']} of {hold['customer']}: no {what}{until}"
        yield f"{'':<9} {hold['because']}, owner {hold['owner']}"
    shown, total = len(answer["holds"]), answer["total"]
    more = f" of {total}: ask for a higher --limit" if shown < total else ""
    yield f"{shown} {'hold' if shown == 1 else 'holds'}{more}"
    yield from sorted({hold["todo"] for hold in answer["holds"] if hold["todo"]})


@holds_app.command(
    short_help="End a hold as an operator.",
    epilog="Example: tactful holds end 7590-VHVEG complaint:4711 --because 'settled in the shop'",
)
def end(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Your id of the customer.")],
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="As `tactful holds list`.")],
    because: Annotated[str, typer.Option(metavar="WORDS", help="Why; it is kept.")],
    author: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who you are. [your login name]")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """End an operator's hold, or one whose journey was lost; one that a journey owns stays."""
    from urllib.parse import quote

    from api.client import call
    from api.commands_operate import author_of
    from api.settings import load_settings

    path = f"/v1/customers/{quote(customer, safe='')}/holds/{quote(hold, safe='')}"
    query = {"author": author_of(author), "because": because}
    call(load_settings({"data_dir": data_dir}), "DELETE", path, query=query)
    typer.echo(f"{hold} of {customer} is ended")
