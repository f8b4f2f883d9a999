"""The command that says what each rule cost by what it alone kept back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import AsJson, DataDir

if TYPE_CHECKING:
    from engine.ledger.site import Site
    from models.silence import Price

_COUNTS = ("decisions", "customers", "places", "alike")
_VALUES = ("forgone", "low", "high")


def add_to(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        short_help="Say what each rule cost by what it kept back.",
        epilog="Example: tactful silence --decisions 5000",
    )(silence)


def silence(
    decisions: Annotated[
        int, typer.Option("--decisions", metavar="N", min=1, help="The newest N of the log.")
    ] = 2_000,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="DAYS", min=0, help="How old decisions have to be."),
    ] = 7.0,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what each rule, limit, policy and hold cost in each week by what it alone kept back.

    With 95 % intervals; where the log has nobody like those it silenced, it says so instead. See
    docs/silence.md for what the estimate takes for granted.
    """
    from api.running import at_running_stack
    from api.settings import load_settings, site

    place = site(at_running_stack(load_settings({"data_dir": data_dir})))
    found = _priced(place, decisions, timedelta(days=wait))
    if as_json:
        import orjson

        told = [{**asdict(one), "stage": one.rule[0].value, "rule": one.rule[1]} for one in found]
        typer.echo(orjson.dumps(told).decode())
    else:
        typer.echo("\n".join(lines(found)))


def _priced(place: Site, most: int, wait: timedelta) -> Sequence[Price]:
    from api.replaying import bundles_of
    from engine.errors import InvalidInput
    from models.archived import accepted_offers, settled_records
    from models.score import ModelScorer
    from models.silence import prices

    records = settled_records(place, wait, most)
    if not records:
        days = wait / timedelta(days=1)
        raise InvalidInput(f"no archived decision is older than {days:g} days")
    scorer = ModelScorer(place)
    scorer.refresh()
    return prices(records, bundles_of(place), scorer, accepted_offers(place))


def lines(found: Sequence[Price]) -> Iterator[str]:
    """What was found, for people: the rules that took a first place from something."""
    told = [one for one in found if one.places]
    if told:
        width = max(len(_name(one)) for one in told)
        head = "".join(f"{name:>11}" for name in (*_COUNTS, *_VALUES))
        yield f"{'week of':<11}{'rule':<{width}}{head}"
        yield from (_line(one, width) for one in told)
        yield ""
    others = len({one.rule for one in found} - {one.rule for one in told})
    yield f"{others} other rules kept back nothing that would have come first."


def _line(one: Price, width: int) -> str:
    counts = "".join(f"{getattr(one, name):>11,}" for name in _COUNTS)
    told = f"{one.week!s:<11}{_name(one):<{width}}{counts}"
    if one.forgone is None:
        return f"{told}  no estimate ({one.reason}): {one.words}"
    values = (one.forgone.value, one.forgone.low, one.forgone.high)
    return told + "".join(f"{value:>11,.2f}" for value in values)


def _name(one: Price) -> str:
    stage, rule = one.rule
    return rule if rule.startswith(f"{stage}:") else f"{stage}: {rule}"
