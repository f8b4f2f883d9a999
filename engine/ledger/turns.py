"""Whose turn it is to write the journal's file: the processes of a machine take turns."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path

_LOOK_SECONDS = 0.0005
_PATIENCE_SECONDS = 10.0


class Turns:
    """A courtesy between processes; SQLite's own lock is what protects the file.

    Who waits for that one sleeps up to a tenth of a second between two looks, and finds it taken
    again by a process that writes without a break: an event waited longer than a complaint may.
    So each process stands at a gate while somebody writes; who has written and wants to write
    again comes after it. The kernel gives back what a process held that died.
    """

    def __init__(self, journal: Path) -> None:
        """Opens `<journal>.turn` and `<journal>.gate` beside it."""
        self._turn, self._gate = (_open(journal, name) for name in ("turn", "gate"))

    @contextmanager
    def mine(self) -> Generator[None]:
        """Waits for the turn and keeps it. After ten seconds it carries on without."""
        end = time.monotonic() + _PATIENCE_SECONDS
        with _held(self._turn) if self._reach(end) else nullcontext():
            yield

    def _reach(self, end: float) -> bool:
        """Takes the turn, and leaves the gate to the next."""
        if not _take(self._gate, end):
            return False
        with _held(self._gate):
            return _take(self._turn, end)

    def close(self) -> None:
        """Closes both files."""
        for opened in (self._turn, self._gate):
            os.close(opened)


def _open(journal: Path, name: str) -> int:
    return os.open(f"{journal}.{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(opened: int, end: float) -> bool:
    """Whether it could be locked before `end`."""
    while True:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK_SECONDS)
        else:
            return True


@contextmanager
def _held(opened: int) -> Generator[None]:
    try:
        yield
    finally:
        fcntl.flock(opened, fcntl.LOCK_UN)
