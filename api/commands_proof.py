"""Commands that prove decisions: replay one or all, and ask why something is not offered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import AsJson, DataDir
from engine.errors import TactfulError

if TYPE_CHECKING:
    from api.replaying import Named, Replay
    from api.settings import Settings
    from engine.catalog import Bundle
    from engine.ledger.site import Site

_SHOWN_EVERY = 100
_EXAMPLES = 10

Bundled = Annotated[
    str | None,
    typer.Option(
        "--bundle",
        metavar="BUNDLE",
        help="current, sha256:…, or a folder: what would change. [its own]",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(
        short_help="Make a recorded decision again, and compare.",
        epilog="Example: tactful replay 01M9ASHPYD80A64CEWZVPW9BVA --bundle current",
    )(replay)
    app.command(
        "why-not",
        short_help="Say why an action is not offered, and when it is.",
        epilog="Example: tactful why-not 7590-VHVEG upgrade-fiber --channel web",
    )(why_not)


def replay(
    decision: Annotated[
        str | None, typer.Argument(metavar="DECISION", help="The id of a decision.")
    ] = None,
    bundle: Bundled = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every archived decision; prints counts.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="With --all: from this day on: 2026-03-01.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a decision again from its record, with the stack running or not.

    Says whether it comes out the same, byte for byte, whether the record was tampered with, and
    under another bundle what changes at which stage. Exit code 1: it differs from its record.
    """
    from api.replaying import bundles_of
    from api.running import at_running_stack
    from api.settings import load_settings, site

    if (decision is None) is not every or (since is not None and not every):
        raise typer.BadParameter("give either the id of one decision, or --all")
    settings = at_running_stack(load_settings({"data_dir": data_dir}))
    place = site(settings)
    named = bundles_of(place)
    other = None if bundle is None else bundle_of(bundle, place, named)
    if decision is None:
        _replay_all(place, named, other, _day(since), as_json)
        return
    found = _replay_one(decision, settings, place, named, other)
    _print(found.told(), as_json, found.words)
    if found.own and not found.identical:
        raise typer.Exit(1)


def _day(since: str | None) -> date:
    try:
        return date.min if since is None else date.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter(f"{since!r} is not a day such as 2026-03-01") from None


def bundle_of(asked: str, place: Site, named: Named) -> Bundle:
    """The bundle that is asked for: the one in force, one by its hash, or one in a folder."""
    from api.replaying import CURRENT
    from engine.bundle import load_bundle
    from feature_store.schema import FEATURES
    from models import registry

    if asked.startswith("sha256:"):
        return named(asked)
    folder = place.bundle if asked == CURRENT else Path(asked)
    if not folder.is_dir():
        what = "neither `current`, nor a hash such as sha256:045e…, nor a folder"
        raise TactfulError(f"{asked!r} is {what}")
    return load_bundle(folder, models=registry.current(place), features=set(FEATURES))


def _replay_one(
    decision: str, settings: Settings, place: Site, named: Named, other: Bundle | None
) -> Replay:
    import asyncio
    from dataclasses import replace as changed

    from api.replaying import replay as made_again
    from api.replaying import with_scores
    from api.running import redis_of

    with redis_of(settings) as redis_url:
        record = asyncio.run(_record(changed(place, redis_url=redis_url), decision))
    found = made_again(decision, record, named, place, other)
    return with_scores(found, record, named, place) if found.own else found


async def _record(place: Site, decision: str) -> bytes:
    from engine.ledger import open_ledger

    async with open_ledger(place) as ledger:
        return await ledger.raw_record(decision)


def _replay_all(
    place: Site, named: Named, other: Bundle | None, since: date, as_json: bool
) -> None:
    from api.replaying import Tally

    tally = Tally()
    examples: dict[str, list[str]] = {}
    for decision, found in _replays(place, named, other, since):
        for wrong in tally.count(found):
            ids = examples.setdefault(wrong, [])
            if len(ids) < _EXAMPLES:
                ids.append(decision)
        if tally.decisions % _SHOWN_EVERY == 0:
            typer.echo(f"\r{tally.decisions} decisions", nl=False, err=True)
    typer.echo(f"\r{tally.decisions} decisions", err=True)
    _print({**tally.told(), "examples": examples}, as_json, _tally_lines(tally.told(), examples))
    if tally.tampered or tally.without_bundle or (tally.different and other is None):
        raise typer.Exit(1)


def _replays(
    place: Site, named: Named, other: Bundle | None, since: date
) -> Iterator[tuple[str, Replay | None]]:
    from api.replaying import replay as made_again
    from engine.errors import UnknownBundle
    from engine.ledger.archive import records_by_day

    for day in records_by_day(place.archive, since):
        for decision, record in day.items():
            try:
                yield decision, made_again(decision, record, named, place, other)
            except UnknownBundle:
                yield decision, None


def _tally_lines(counts: Mapping[str, int], examples: Mapping[str, list[str]]) -> Iterator[str]:
    for name, count in counts.items():
        yield f"{name.replace('_', ' '):<16} {count}"
    for wrong, ids in examples.items():
        yield f"{wrong.replace('_', ' ')}: {', '.join(ids)}"


def why_not(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Your id of the customer.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="The name of the action.")],
    channel: Annotated[str, typer.Option(metavar="NAME", help="Where it is missed.")] = "web",
    placement: Annotated[
        str | None, typer.Option(metavar="NAME", help="In which placement. [main]")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say what stops an action now, the smallest change that lets it win, the earliest time."""
    from urllib.parse import quote

    from api.client import call
    from api.settings import load_settings

    path = f"/v1/customers/{quote(customer, safe='')}/why-not/{quote(action, safe='')}"
    query = {"channel": channel} | ({"placement": placement} if placement else {})
    answer = call(load_settings({"data_dir": data_dir}), "GET", path, query=query)
    _print(answer, as_json, answer["words"])


def _print(answer: Any, as_json: bool, lines: Any) -> None:
    import orjson

    if as_json:
        typer.echo(orjson.dumps(answer).decode())
        return
    for line in lines:
        typer.echo(line)
