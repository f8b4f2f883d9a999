"""Stacks in processes of their own, for tests that start, break and stop them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.processes import import_path, tactful
from api.running import Running, running_stack

STAND_IN = Path(__file__).parent.parent / "api" / "stand_in.py"


@dataclass(slots=True, kw_only=True)
class StackProcess:
    """A supervisor that a test started, and all that it is known to have run."""

    data_dir: Path
    process: subprocess.Popen[str]
    addresses: dict[str, Any] = field(default_factory=dict[str, Any])
    seen: set[int] = field(default_factory=set[int])

    def await_ready(self) -> dict[str, Any]:
        """Its addresses, once everything is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it did not start: {self.end()}"
        self.addresses = json.loads(line)
        self.parts()
        return self.addresses

    def parts(self) -> Mapping[str, int]:
        """The process ids of its parts now."""
        running = self.running()
        self.seen.update(running.parts.values())
        return running.parts

    def running(self) -> Running:
        """What it tells other commands about itself."""
        running = running_stack(self.data_dir)
        assert running is not None, "it told nobody where it is"
        return running

    def end(self, how: signal.Signals = signal.SIGTERM) -> str:
        """End it, and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.communicate(timeout=60)[1]


def start_up(data_dir: Path, *options: str, variables: Mapping[str, str] = {}) -> StackProcess:
    """`tactful up --json` on free ports, whole."""
    ports = [f"--{name}-port=0" for name in ("api", "temporal", "temporal-ui", "redis")]
    command = tactful("up", "--json", "--data-dir", str(data_dir), *ports, *options)
    return _start(data_dir, command, variables)


def start_stand_in(
    data_dir: Path,
    *,
    ports: Sequence[int] = (0, 0, 0, 0),
    code: Sequence[str] = (),
    variables: Mapping[str, str] = {},
) -> StackProcess:
    """The real servers with parts that only sleep. `ports`: API, Temporal, its UI, Redis."""
    command = [sys.executable, str(STAND_IN), str(data_dir), *map(str, ports), *code]
    return _start(data_dir, command, variables)


def _start(data_dir: Path, command: Sequence[str], variables: Mapping[str, str]) -> StackProcess:
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("TACTFUL_")}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited, **import_path(), **variables},
        start_new_session=True,
    )
    return StackProcess(data_dir=data_dir, process=process)


def alive(pid: int) -> bool:
    """Whether a process of this id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in _status(pid)


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something becomes true soon enough."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def processes_naming(text: str) -> list[int]:
    """The ids of all processes with this text in their command line (Linux)."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in command and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found
