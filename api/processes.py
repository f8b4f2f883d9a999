"""Child processes: they die with their parent, write to a log, and leave nothing behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import StackError

LOG_LIMIT_BYTES = 50_000_000
REASON_LIMIT = 300
BEHIND_BY = 5
"""The niceness of those who go behind: a quarter of a processor that a door wants, too; all of it
where none does.
"""
_PR_SET_PDEATHSIG = 1
_TELLING = re.compile(r"error|fatal|fail|bad |invalid|can't|cannot|refus", re.IGNORECASE)
_VALKEY_PREFIX = re.compile(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ [#*.-] ")
_libc: ctypes.CDLL | None = ctypes.CDLL(None) if os.uname().sysname == "Linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process of a stack. It is ready once `ready_file` exists or `probe` says so.

    `behind`: it works while customers wait for nobody, so on a busy machine others go first.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    probe: Callable[[], bool] | None = None
    ready_file: Path | None = None
    ports: tuple[int, ...] = ()
    behind: bool = False
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def tactful(*arguments: str) -> tuple[str, ...]:
    """The command line of another `tactful`, on this interpreter and these packages."""
    code = "import sys; del sys.argv[0]; from api.cli import main; main()"
    return (sys.executable, "-P", "-c", code, "tactful", *arguments)


def import_path() -> dict[str, str]:
    """The environment in which a child finds the packages of this process."""
    here = str(Path(__file__).parent.parent)
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {"PYTHONPATH": os.pathsep.join([here, *(path for path in others if path != here)])}


def die_with_parent(how: signal.Signals, *, behind: bool = False) -> Callable[[], None]:
    """What a child runs before its program, so that even `kill -9` of the parent ends it (Linux).

    The kernel watches the thread that started the child: start children in a thread that stays.
    """
    parent = os.getpid()

    def ask_the_kernel() -> None:
        if behind:
            os.nice(BEHIND_BY)
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(how))
            if os.getppid() != parent:  # it died before the kernel knew
                os._exit(1)

    return ask_the_kernel


class Child:
    """A running part, in a session of its own so that Ctrl-C reaches the supervisor only."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._process: subprocess.Popen[bytes] | None = None
        self._log_starts_at = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Run the program. Raises StackError when the system can't."""
        if self.part.ready_file:
            self.part.ready_file.unlink(missing_ok=True)
        _rotate(self.part.log)
        try:
            with self.part.log.open("ab") as log:
                self._log_starts_at = log.tell()
                self._process = subprocess.Popen(
                    self.part.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(self.part.environment) or None,
                    start_new_session=True,
                    preexec_fn=die_with_parent(signal.SIGKILL, behind=self.part.behind),
                )
        except (OSError, subprocess.SubprocessError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StackError(f"{self.part.name} can't be started: {reason}") from None

    def ready(self) -> bool:
        """Whether it answers."""
        part = self.part
        if part.ready_file is not None and not part.ready_file.exists():
            return False
        return part.probe is None or part.probe()

    def how_it_ended(self) -> str:
        """`killed by SIGKILL` or `exit code 1`, and what its log says last."""
        code = self._process.returncode if self._process else None
        if code is None:
            return "still running"
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        said = self.last_words()
        return f"exit code {code}" + (f": {said}" if said else "")

    def last_words(self) -> str:
        """The line of its log that tells most about its end."""
        with self.part.log.open("rb") as log:
            log.seek(self._log_starts_at)
            written = log.read()[-20_000:].decode(errors="replace")
        lines = [_VALKEY_PREFIX.sub("", line.strip()) for line in written.splitlines()]
        spoken = [line for line in lines if line.strip("* ")]
        telling = [line for line in spoken if _TELLING.search(line) and "WARNING Mem" not in line]
        return (telling or spoken or [""])[-1][:REASON_LIMIT]

    def ask_to_stop(self) -> None:
        """SIGTERM, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, grace_seconds: float) -> None:
        """Wait for it to stop, then end what is left of its session."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self.sweep()
        self._process.wait()

    def sweep(self) -> None:
        """SIGKILL to whatever is left in its session: its own children."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def stop(children: list[Child], grace_seconds: float) -> None:
    """Stop these together: all are asked first, then each gets what is left of the time."""
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + grace_seconds
    for child in children:
        child.end(max(0.0, deadline - time.monotonic()))


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
