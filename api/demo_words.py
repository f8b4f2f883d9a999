"""How the demo's story is told: chapters, decisions, journeys, and where to look afterwards."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer

from api.commands_look import awaited
from api.settings import Settings
from engine.bundle_keys import COMMERCIAL_FACTS


def heading(text: str) -> None:
    """A chapter."""
    typer.echo(f"\n{text}")


def say(line: str) -> None:
    """A line of the story."""
    typer.echo(f"  {line}")


def offers(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All offers of an answer."""
    for placed in answer["placements"].values():
        yield from placed


def show(answer: Mapping[str, Any]) -> None:
    """A decision: what is offered, and on what ground."""
    for offer in offers(answer):
        said = [text for key, text in offer["content"].items() if key not in COMMERCIAL_FACTS]
        words = " ".join(" — ".join(said[:2]).split())
        chance = f"p={offer['propensity']:.3f}"
        say(f"{offer['purpose']:<9} {offer['treatment']}  {chance}  “{words}”")
    if not list(offers(answer)):
        say("nothing: the best thing to say now is nothing")
    why = f" ({'; '.join(answer['because'])})" if answer["because"] else ""
    took = f"{answer['took_ms']:.1f} ms"
    say(f"level {answer['level']}{why}, decision {answer['decision_id']}, {took}")


def show_journey(journey: Mapping[str, Any]) -> None:
    """A journey: where it stands, what it waits for, and its page in the Temporal UI."""
    say(f"{journey['kind']}: {journey['stage']}; owner {journey['owner']}")
    if waiting := awaited(journey):
        say(f"  {waiting}")
    say(f"  {journey['temporal_ui']}")


def show_ways_in(settings: Settings, customer: str) -> None:
    """What to look at while the stack is up, and commands to try on the story's customer."""
    api, place = settings.api, shlex.quote(str(near(settings.data_dir)))
    question = shlex.quote(json.dumps({"customer": customer, "channel": "web"}))
    heading("The end. The stack stays up until Ctrl-C. Look around:")
    say(f"Temporal UI     {settings.ui}")
    say(f"API             {api}/docs")
    say(f"all we know     {api}/v1/customers/{quote(customer, safe='')}")
    say(f"journeys        {api}/v1/journeys")
    heading("In another terminal:")
    say(f"{this_command()} decide {customer} --explain --data-dir {place}")
    say(f"curl -s {api}/v1/decisions -H 'Content-Type: application/json' -d {question}")


def near(folder: Path) -> Path:
    """A folder as it is called from here."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def this_command() -> str:
    """How this command was called, so that it can be called again."""
    called = Path(sys.argv[0])
    on_path = shutil.which("tactful") or called.name != "tactful"
    return "tactful" if on_path else shlex.quote(str(called))
