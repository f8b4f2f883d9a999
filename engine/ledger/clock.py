"""The one clock of a stack: `anchor + (wall - anchor) x lapse`, kept in the data directory."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.errors import StackError


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Stack time from wall time; with `lapse` 1 it is the wall clock.

    `anchor` is in seconds since 1970.

    >>> Clock(anchor=1000.0, lapse=60.0).at(1010.0).timestamp()
    1600.0
    """

    anchor: float = 0.0
    lapse: float = 1.0

    def at(self, wall: float) -> datetime:
        """The stack's time at a wall time in seconds since 1970."""
        return datetime.fromtimestamp(self.anchor + (wall - self.anchor) * self.lapse, UTC)

    def now(self) -> datetime:
        """The stack's time now."""
        return self.at(time.time())

    def wall_seconds(self, wait: timedelta) -> float:
        """How many seconds of wall time a wait of the stack takes."""
        return wait.total_seconds() / self.lapse


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970: the unit of time inside Redis."""
    return round(at.timestamp() * 1000)


def from_milliseconds(at: float) -> datetime:
    """The inverse of `milliseconds`."""
    return datetime.fromtimestamp(at / 1000, UTC)


def open_clock(data_dir: Path, lapse: float | None = None) -> Clock:
    """The clock of a data directory, made at first use.

    Raises StackError when the directory was made with another lapse: its running journeys carry the
    old one.
    """
    path = data_dir / "clock.json"
    if path.exists():
        clock = _kept(path)
        if lapse is not None and lapse != clock.lapse:
            raise StackError(
                f"{data_dir} was made with --lapse {clock.lapse:g}, not {lapse:g}: leave --lapse"
                " out, or use another --data-dir"
            )
        return clock
    clock = Clock(anchor=time.time() if (lapse or 1.0) != 1.0 else 0.0, lapse=lapse or 1.0)
    temporary = path.with_suffix(f".{secrets.token_hex(4)}")
    temporary.write_text(json.dumps({"anchor": clock.anchor, "lapse": clock.lapse}) + "\n")
    try:
        os.link(temporary, path)  # the first of several processes wins
    except FileExistsError:
        return open_clock(data_dir, lapse)
    finally:
        temporary.unlink()
    return clock


def _kept(path: Path) -> Clock:
    try:
        kept = json.loads(path.read_text())
        return Clock(anchor=float(kept["anchor"]), lapse=float(kept["lapse"]))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise StackError(f"{path} can't be read as a clock: {error!r}") from error
