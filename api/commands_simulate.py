"""The command that says what a changed bundle would have done to the decisions of the archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import AsJson, DataDir

if TYPE_CHECKING:
    from engine.catalog import Bundle
    from engine.ledger.site import Site
    from engine.record import Record

_SHOWN_EVERY = 20
RIVALS = {
    "random_action": "a random allowed action",
    "propensity_only": "the likeliest action",
    "no_levers": "the same without levers",
    "eligibility_only": "eligibility rules alone",
    "random_propensity": "a random propensity",
}


def add_to(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        short_help="Estimate what a changed bundle would have done.",
        epilog="Example: tactful simulate --bundle my-bundle --decisions 5000",
    )(simulate)


def simulate(
    bundle: Annotated[
        str, typer.Option("--bundle", metavar="BUNDLE", help="current, sha256:…, or a folder.")
    ],
    decisions: Annotated[
        int, typer.Option("--decisions", metavar="N", min=1, help="The newest N of the archive.")
    ] = 2_000,
    wait: Annotated[
        float,
        typer.Option(
            "--wait",
            metavar="DAYS",
            min=0,
            help="How old decisions have to be.",
        ),
    ] = 7.0,
    control: Annotated[
        bool, typer.Option("--control", help="By the control slice: it tells of any bundle.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Estimate acceptance, value and contacts of a bundle on archived decisions.

    Next to what happened, by several estimators, with 95 % intervals; where the log can't tell, it
    says why. The more a bundle explores, the more its log can tell. See docs/off-policy.md.
    """
    from api.commands_proof import bundle_of
    from api.replaying import bundles_of
    from api.running import at_running_stack
    from api.settings import load_settings, site

    place = site(at_running_stack(load_settings({"data_dir": data_dir})))
    asked = bundle_of(bundle, place, bundles_of(place))
    found = {
        "bundle": asked.hash,
        **_simulated(place, asked, decisions, timedelta(days=wait), control),
    }
    if as_json:
        import orjson

        typer.echo(orjson.dumps(found).decode())
    else:
        typer.echo("\n".join(lines(found)))


def _simulated(
    place: Site, bundle: Bundle, most: int, wait: timedelta, control: bool
) -> dict[str, Any]:
    from engine.errors import InvalidInput
    from models.archived import accepted_offers, settled_records
    from models.what_if import Row, of_control, rows_of, simulated

    records: Sequence[Record] = settled_records(place, wait, most)
    if control:
        records, bundle = of_control(records, bundle)
    if not records:
        raise InvalidInput(
            f"no such archived decision is older than {wait / timedelta(days=1):g} days"
        )
    rows: list[Row] = []
    for row in rows_of(records, bundle, accepted_offers(place)):
        rows.append(row)
        if len(rows) % _SHOWN_EVERY == 0:
            typer.echo(f"\r{len(rows)} places", nl=False, err=True)
    typer.echo(f"\r{len(rows)} places", err=True)
    return simulated(rows)


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What was found, for people."""
    yield (
        f"{found['places']} places of {found['customers']} customers; under {found['bundle']} "
        f"{found['changed']:.1%} of them would show something else."
    )
    for channel, counts in found["contacts"].items():
        told = f"{counts['happened']:,.0f}; they would be {counts['would']:,.0f}"
        yield f"offers on {channel}: {told}"
    for name, unit in (("accepted", "accepted, of all places"), ("value", "value of a place")):
        yield ""
        yield f"{unit:<26}{'value':>10}{'low':>10}{'high':>10}"
        yield from _outcome(found[name])
    yield ""
    yield (
        f"{'what the bundle gains over':<26}{'accepted':>10}{'low':>10}{'high':>10}{'lift':>9}"
        + (f"{'value':>10}{'low':>10}{'high':>10}{'lift':>9}")
    )
    for rival in found["accepted"]["impact"]:
        told = [found[name]["impact"][rival] for name in ("accepted", "value")]
        yield _compared(RIVALS[rival], told)


def _compared(name: str, told: Sequence[Mapping[str, Any]]) -> str:
    refused = next((one["refused"] for one in told if "refused" in one), None)
    if refused:
        return f"{name:<26}no estimate ({refused['reason']}): {refused['words']}"
    return f"{name:<26}" + "".join(map(_gain, told))


def _gain(one: Mapping[str, Any]) -> str:
    lift = "-" if one["lift"] is None else f"{one['lift']:+.1%}"
    return "".join(f"{one['gain'][key]:>10.4f}" for key in ("value", "low", "high")) + f"{lift:>9}"


def _outcome(told: Mapping[str, Any]) -> Iterator[str]:
    yield _row("as it happened", told["happened"])
    if "refused" in told:
        yield f"no estimate ({told['refused']['reason']}): {told['refused']['words']}"
        return
    for method, one in told["estimates"].items():
        if "refused" in one:
            yield f"{method:<26}no estimate ({one['refused']['reason']}): {one['refused']['words']}"
        else:
            yield _row(method, one)
    yield _row("dr, less what happened", told["change"])


def _row(name: str, one: Mapping[str, float]) -> str:
    return f"{name:<26}" + "".join(f"{one[key]:>10.4f}" for key in ("value", "low", "high"))
