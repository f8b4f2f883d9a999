"""What several commands share: options, and how an answer is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where the stack keeps what it knows. [TACTFUL_DATA_DIR, else .tactful]",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result there as JSON too.")
]
ApiPort = Annotated[
    int | None,
    typer.Option("--api-port", metavar="N", min=0, max=65535, help="[8000] 0 takes a free one."),
]
TemporalPort = Annotated[
    int | None, typer.Option("--temporal-port", metavar="N", min=0, max=65535, help="[7233]")
]
UiPort = Annotated[
    int | None, typer.Option("--temporal-ui-port", metavar="N", min=0, max=65535, help="[8233]")
]
RedisPort = Annotated[
    int | None, typer.Option("--redis-port", metavar="N", min=0, max=65535, help="[6399]")
]
Lapse = Annotated[
    float | None,
    typer.Option(
        "--lapse",
        metavar="N",
        help="The stack's clock runs N times faster; fixed at a directory's first start. [1]",
    ),
]
Webhook = Annotated[
    str | None,
    typer.Option("--webhook", metavar="URL", help="All outbound channels deliver there."),
]
ReadyFile = Annotated[Path | None, typer.Option("--ready-file", hidden=True)]


def tell(answer: Any, as_json: bool, lines: Callable[[Mapping[str, Any]], Iterable[str]]) -> None:
    """An answer of the stack: as it came for programs, in lines for people."""
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for line in lines(answer):
        typer.echo(line)


def minutes(time: str) -> str:
    """A time of an answer, for people.

    >>> minutes("2026-11-30T09:00:12+00:00")
    '2026-11-30 09:00'
    """
    return time[:16].replace("T", " ")
