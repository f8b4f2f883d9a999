"""Commands that intervene in journeys: in one, in some, in all that a search finds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands_look import (
    Attending,
    Customer,
    Days,
    Kind,
    Late,
    Owner,
    Stage,
    Stuck,
    standing_lines,
    view_of,
)
from api.options import AsJson, DataDir
from workflows.orders import MEANINGS, NEEDS, TAKES, Act

if TYPE_CHECKING:
    from api.operators import Line

ROOT = "root"
SHOWN_EVERY = 20
WHICH = ("kind", "stage", "owner", "customer", "view")

_OWN: Mapping[str, Any] = {
    "to": Annotated[str | None, typer.Option(metavar="NAME", help="The new owner.")],
    "until": Annotated[
        str | None, typer.Option(metavar="TIME", help="Such as 2027-01-31T12:00:00+01:00.")
    ],
    "choice": Annotated[str | None, typer.Option(metavar="WORD", help="The answer.")],
}
_ALL: Mapping[str, tuple[Any, object]] = {
    "journeys": (
        Annotated[
            list[str] | None,
            typer.Argument(metavar="[ID]...", help="As `tactful journeys list`."),
        ],
        None,
    ),
    "because": (
        Annotated[str, typer.Option(metavar="WHY", help="Kept with the journey.")],
        inspect.Parameter.empty,
    ),
    "author": (
        Annotated[str | None, typer.Option(metavar="NAME", help="Who. [your login name]")],
        None,
    ),
    "kind": (Kind, None),
    "stage": (Stage, None),
    "owner": (Owner, None),
    "customer": (Customer, None),
    "late": (Late, False),
    "stuck": (Stuck, False),
    "attention": (Attending, False),
    "days": (Days, None),
    "everything": (
        Annotated[bool, typer.Option("--all", help="Every journey that runs.")],
        False,
    ),
    "yes": (
        Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before more than one.")],
        False,
    ),
    "request_id": (
        Annotated[
            str | None,
            typer.Option(metavar="WORD", help="Send it again under the same: done once each."),
        ],
        None,
    ),
    "data_dir": (DataDir, None),
    "as_json": (AsJson, False),
}


def add_to(app: typer.Typer) -> None:
    """Add a command for each act to `tactful journeys`."""
    for act in Act:
        value = f" --{TAKES[act]} …" if act in NEEDS else ""
        example = f"tactful journeys {act} complaint:c1:4711{value} --because 'he called'"
        command = app.command(act.value, short_help=MEANINGS[act], epilog=f"Example: {example}")
        command(_command(act))


def _command(act: Act) -> Callable[..., None]:
    """The command of one act, with the options that it has use for."""
    own = {name: (_OWN[name], None) for name in (TAKES.get(act),) if name}
    options = {**_ALL, **own}

    def intervene(**given: Any) -> None:
        _intervene(act, given)

    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        inspect.Parameter(name, keyword, annotation=kind, default=default)
        for name, (kind, default) in options.items()
    ]
    parameters.sort(key=lambda one: one.default is not inspect.Parameter.empty)
    vars(intervene)["__signature__"] = inspect.Signature(parameters)
    intervene.__annotations__ = {name: kind for name, (kind, _) in options.items()}
    intervene.__doc__ = f"{MEANINGS[act]}\n\nOne journey, several, those of a search, or --all."
    return intervene


def _intervene(act: Act, given: Mapping[str, Any]) -> None:
    from api.operators import at_the_desk
    from api.settings import load_settings

    ids, which = given["journeys"] or (), _which(given)
    if bool(ids) == bool(which):
        raise typer.BadParameter("say which journeys: by ID, by a search such as --kind, or --all")
    order = _order(act, given)
    with at_the_desk(load_settings({"data_dir": given["data_dir"]})) as desk:
        count = len(ids) or desk.count(act, order, which)
        if count > 1 and not given["yes"]:
            typer.confirm(f"{act} {count} journeys?", abort=True, err=True)
        lines = desk.each(act, order, ids) if ids else desk.all(act, order, which)
        refused = told(act, lines, count, as_json=given["as_json"])
    if refused:
        raise typer.Exit(1)


def _which(given: Mapping[str, Any]) -> dict[str, object]:
    """What narrows the search, or that nothing does; empty where nothing was said."""
    view = view_of(**{name: given[name] for name in ("late", "stuck", "attention")})
    wanted = {**given, "view": view}
    narrowed: dict[str, object] = {name: wanted[name] for name in WHICH if wanted[name] is not None}
    if given["everything"]:
        return {**narrowed, "all": True}
    return {**narrowed, "days": given["days"]} if given["days"] is not None else narrowed


def _order(act: Act, given: Mapping[str, Any]) -> dict[str, object]:
    from uuid import uuid4

    name = TAKES.get(act)
    if name and act in NEEDS and given[name] is None:
        raise typer.BadParameter(f"{act} needs --{name}: {MEANINGS[act]}")
    own = {name: given[name]} if name and given[name] is not None else {}
    return {
        "author": author_of(given["author"]),
        "because": given["because"],
        "request_id": given["request_id"] or uuid4().hex,
        **own,
    }


def author_of(given: str | None) -> str:
    """Who intervenes: as was said, else who is logged in, unless that names no person."""
    import getpass

    if given is not None:
        return given
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = ROOT
    if name == ROOT:
        raise typer.BadParameter("say who you are: --author NAME (the login names nobody)")
    return name


def told(act: Act, lines: Iterator[Line], count: int, *, as_json: bool) -> int:
    """Tells what came of each journey, the refused ones last; answers how many those are."""
    import json

    refused: list[Line] = []
    done = 0
    for line in lines:
        done += line["done"]
        if not line["done"]:
            refused.append(line)
        if as_json:
            typer.echo(json.dumps(line))
        elif count == 1 and "words" in line:
            typer.echo("\n".join([f"{line['id']}: {act} done", *standing_lines(line)]))
        _progress(done + len(refused), count)
    if not as_json:
        typer.echo("\n".join(refused_lines(refused, done)))
    return len(refused)


def refused_lines(refused: Sequence[Line], done: int) -> Iterator[str]:
    """How many were done, and a table of those that were not."""
    width = max((len(line["id"]) for line in refused), default=0)
    for line in refused:
        because = line["because"].removeprefix(f"{line['id']}: ")
        yield f"{line['id']:<{width}}  {because}"
    yield f"{done} done, {len(refused)} refused"


def _progress(done: int, of: int) -> None:
    if of > 1 and (done % SHOWN_EVERY == 0 or done == of):
        typer.echo(f"\r{done} of {of}", nl=done == of, err=True)
