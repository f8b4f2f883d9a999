"""Commands that look at journeys: list them, those of a saved search, show one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from api.options import AsJson, DataDir, minutes, tell

journeys_app = typer.Typer(
    help="List journeys: stage, owner, what is awaited. Intervene in them. Draw their maps.",
    no_args_is_help=True,
)

Customer = Annotated[str | None, typer.Option(metavar="ID", help="Your id of the customer.")]
Kind = Annotated[str | None, typer.Option(metavar="KIND", help="onboarding, complaint, …")]
Stage = Annotated[str | None, typer.Option(metavar="STAGE", help="Only those at this stage.")]
Owner = Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this owner.")]
Days = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="With --stuck: for so many days. [7]")
]
Late = Annotated[bool, typer.Option("--late", help="Their deadline has passed.")]
Stuck = Annotated[bool, typer.Option("--stuck", help="Nothing moves them.")]
Attending = Annotated[
    bool, typer.Option("--attention", help="Paused, with an event set aside, or failed to send.")
]


def add_to(app: typer.Typer) -> None:
    """Add `tactful journeys` to the command line."""
    app.add_typer(journeys_app, name="journeys")


@journeys_app.command(
    "list",
    short_help="List journeys and what each waits for.",
    epilog="Example: tactful journeys list --kind complaint --late",
)
def list_journeys(
    customer: Customer = None,
    kind: Kind = None,
    stage: Stage = None,
    owner: Owner = None,
    late: Late = False,
    stuck: Stuck = False,
    attention: Attending = False,
    days: Days = None,
    is_open: Annotated[
        bool | None, typer.Option("--open/--closed", help="Only these; both without.")
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")
    ] = 100,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List journeys: stage, owner, what each waits for, and until when."""
    from api.client import call
    from api.settings import load_settings

    view = view_of(late=late, stuck=stuck, attention=attention)
    asked = {"customer": customer, "kind": kind, "stage": stage, "owner": owner, "view": view}
    query = {name: value for name, value in asked.items() if value is not None}
    query |= {"limit": str(limit)} | ({} if days is None else {"days": str(days)})
    if is_open is not None:
        query["open"] = str(is_open).lower()
    answer = call(load_settings({"data_dir": data_dir}), "GET", "/v1/journeys", query=query)
    tell(answer, as_json, journey_lines)
    if view and not as_json:
        typer.echo(f"The same in the Temporal UI: {answer['temporal_ui']}")


def view_of(**wanted: bool) -> str | None:
    """The saved search that was asked for, if one was."""
    views = [name for name, on in wanted.items() if on]
    if len(views) > 1:
        raise typer.BadParameter(f"say either --{views[0]} or --{views[1]}")
    return views[0] if views else None


def journey_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Journeys for people, one a line."""
    for journey in answer["journeys"]:
        owner = f", owner {journey['owner']}" if journey["owner"] else ""
        asks = f" [{journey['attention']}]" if journey["attention"] else ""
        standing = f"{journey['stage'] or 'no stage'}{owner}{awaited(journey, ', ')}{asks}"
        yield f"{journey['status']:<10} {journey['kind']} of {journey['customer']}: {standing}"
        yield f"{'':<10} {journey['id']}"
    count = len(answer["journeys"])
    more = ", and more: ask for a higher --limit" if answer["cursor"] else ""
    yield f"{count} {'journey' if count == 1 else 'journeys'}{more}"


def awaited(journey: Mapping[str, Any], before: str = "") -> str:
    """What a journey waits for and until when; nothing if it does not wait."""
    if not journey["waiting_for"]:
        return ""
    until = f" until {minutes(journey['due'])}" if journey["due"] else ""
    return f"{before}waits for {journey['waiting_for']}{until}"


@journeys_app.command(
    short_help="Show all that is to be seen of one journey.",
    epilog="Example: tactful journeys show complaint:cvuadnpa33gb2m7uj2mkl73jpcq:4711",
)
def show(
    journey: Annotated[str, typer.Argument(metavar="ID", help="As `tactful journeys list`.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one journey: where it stands, its milestones, what went wrong, what it asks."""
    from urllib.parse import quote

    from api.client import call
    from api.settings import load_settings

    path = f"/v1/journeys/{quote(journey, safe='')}"
    tell(call(load_settings({"data_dir": data_dir}), "GET", path), as_json, shown_lines)


def shown_lines(journey: Mapping[str, Any]) -> Iterator[str]:
    """One journey for people."""
    yield f"{journey['kind']} of {journey['customer']}, {journey['status']}"
    yield f"  {journey['id']}"
    yield from standing_lines(journey)
    for milestone in journey["milestones"]:
        reached = milestone["reached"]
        mark, when = ("x", reached) if reached else (" ", milestone["due"])
        yield f"  [{mark}] {milestone['name']}, {'' if reached else 'by '}{minutes(when)}" + (
            "" if reached else f", owner {milestone['owner']}"
        )
    for event in journey["aside"]:
        yield f"  set aside: {event}"
    for line in journey["words"]:
        yield f"  {line}"
    yield f"  {journey['temporal_ui']}"


def standing_lines(journey: Mapping[str, Any]) -> Iterator[str]:
    """Where a journey stands, for people."""
    owner = journey["owner"] or "nobody"
    yield f"  {journey['stage']}, owner {owner}{awaited(journey, ', ')}"
    if journey["paused"]:
        yield f"  paused by {journey['paused']}"
    if task := journey["task"]:
        choices = ", ".join(task["choices"])
        yield f"  asks {task['owner']}: {task['question']} ({choices}; else {task['default']})"
