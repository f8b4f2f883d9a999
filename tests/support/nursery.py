"""Forks workers from a process that has imported all they need, so that killing them is cheap.

Each line on stdin says how to start one; its process id is the answer.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from api.processes import die_with_parent, import_path

PRELOADED = ("workflows.worker", "api.settings", "api.running", "feature_store.online")


class Nursery:
    """The process, from outside. Its workers end with it, and it ends with its maker's thread."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", "tests.support.nursery"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **import_path()},
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )

    def worker(self, log: Path, data_dir: Path, ready_file: Path, **variables: str) -> int:
        """Start a worker; its process id."""
        ready_file.unlink(missing_ok=True)
        wanted = {
            "log": str(log),
            "data_dir": str(data_dir),
            "ready_file": str(ready_file),
            "variables": variables,
        }
        self._pipe(self._process.stdin).write(json.dumps(wanted) + "\n")
        self._pipe(self._process.stdin).flush()
        return int(self._pipe(self._process.stdout).readline())

    def close(self) -> None:
        """End it, and all its workers with it."""
        with self._process:
            self._process.kill()

    def _pipe(self, pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def is_alive(pid: int) -> bool:
    """Whether there is such a process still."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Import, then fork whatever is asked for."""
    from api.cli import worker

    for module in PRELOADED:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to wait for those that die
    not_alone = die_with_parent(signal.SIGKILL)
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            not_alone()
            _become_worker(wanted, worker)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become_worker(wanted: Mapping[str, Any], worker: Any) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Path(wanted["log"]).open("ab") as log, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.update(wanted["variables"])
    worker(Path(wanted["data_dir"]), Path(wanted["ready_file"]))
    os._exit(0)


if __name__ == "__main__":
    main()
