"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
