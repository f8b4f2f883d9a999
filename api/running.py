"""Which stack runs on a data directory: its lock, its addresses, and its Redis for a command."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from api.ports import free_port
from api.processes import Child, stop
from api.servers import valkey
from api.settings import Settings, load_settings, site
from engine.errors import StackError
from engine.ledger.site import Site

LOCK_SECONDS = 1.0
START_SECONDS = 120.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that runs: where it is, and the process ids of its parts."""

    pid: int
    api: str
    temporal: str
    temporal_ui: str
    redis_url: str
    parts: Mapping[str, int] = field(default_factory=dict[str, int])

    def addresses(self) -> dict[str, object]:
        """What `tactful up --json` prints."""
        return {
            "ready": True,
            "api": self.api,
            "temporal": self.temporal,
            "temporal_ui": self.temporal_ui,
            "redis": urlsplit(self.redis_url).netloc.rpartition("@")[2],
        }


def make_folders(data_dir: Path) -> None:
    """The data directory with what every stack has in it. Raises StackError when it can't be."""
    try:
        for folder in (data_dir, data_dir / "logs", data_dir / "run"):
            folder.mkdir(parents=True, exist_ok=True)
        (data_dir / "run" / "writable").write_text("")
    except OSError as error:
        raise StackError(f"data directory {data_dir} can't be used: {error.strerror}") from None


@contextmanager
def locked(data_dir: Path, who: str) -> Generator[None]:
    """The only one who runs servers on this directory. Raises StackError while another does."""
    make_folders(data_dir)
    path = data_dir / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock(descriptor, fcntl.LOCK_EX, LOCK_SECONDS):
            raise StackError(
                f"data directory {data_dir} is in use by {path.read_text().strip() or 'another'}: "
                "stop that, or use another --data-dir"
            )
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{who} (pid {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int, patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def is_locked(data_dir: Path) -> bool:
    """Whether someone runs servers on this directory."""
    try:
        descriptor = os.open(data_dir / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(descriptor, fcntl.LOCK_SH, 0.0)
    finally:
        os.close(descriptor)


def announce(data_dir: Path, running: Running) -> None:
    """Tell other commands where the stack is; only its owner may read it."""
    path = data_dir / "stack.json"
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(running), file, indent=1)
    temporary.replace(path)


def withdraw(data_dir: Path) -> None:
    """The stack is about to stop."""
    (data_dir / "stack.json").unlink(missing_ok=True)


def end_leftovers(data_dir: Path) -> bool:
    """End what a killed stack left running; whether the last one was killed. Ask under the lock.

    On Linux its parts die with it, a moment later; elsewhere they may still be there.
    """
    killed = _announced(data_dir)
    for pid in killed.parts.values() if killed else ():
        if str(data_dir) in command_of(pid):  # another process may have the number by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return killed is not None


def command_of(pid: int) -> str:
    """The command line of a process, empty when there is none."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""
    asked = ["ps", "-p", str(pid), "-o", "args="]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout


def running_stack(data_dir: Path) -> Running | None:
    """The stack that runs on this directory, if one does and is ready."""
    return _announced(data_dir) if is_locked(data_dir) else None


def _announced(data_dir: Path) -> Running | None:
    try:
        return Running(**json.loads((data_dir / "stack.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def at_running_stack(settings: Settings, patience_seconds: float = 0.0) -> Settings:
    """The settings with the addresses of the stack that runs; what was set on purpose stays.

    `patience_seconds`: how long a stack that is about to start is waited for.
    """
    deadline = time.monotonic() + patience_seconds
    running = running_stack(settings.data_dir)
    while running is None and is_locked(settings.data_dir) and time.monotonic() < deadline:
        time.sleep(0.2)
        running = running_stack(settings.data_dir)
    if running is None:
        return settings
    found = {
        "api_url": running.api,
        "redis_url": running.redis_url,
        "temporal_address": running.temporal,
        "temporal_ui": running.temporal_ui,
    }
    new = {name: at for name, at in found.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=new)


def running_site(data_dir: Path | None) -> Site:
    """The site of the stack that runs on a data directory. Raises StackError when none does."""
    settings = at_running_stack(load_settings({"data_dir": data_dir}))
    if settings.temporal_address is None:
        raise StackError(
            f"no stack runs on {settings.data_dir}: start one by `tactful up`, or say which by"
            " --data-dir"
        )
    return site(settings)


@contextmanager
def redis_of(settings: Settings) -> Generator[str]:
    """The address of the Redis of this data directory, for the time of a command.

    One's own or the running stack's if there is one; else Valkey is started on a free port.
    Raises StackError while another command has the directory.
    """
    settings = at_running_stack(settings, patience_seconds=START_SECONDS)
    if settings.redis_url:
        yield settings.redis_url
        return
    with locked(settings.data_dir, "a command that needs Redis"):
        end_leftovers(settings.data_dir)
        port = free_port()
        server = Child(valkey(settings, port))
        server.start()
        try:
            await_ready(server)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stop([server], STOP_SECONDS)


def await_ready(child: Child) -> None:
    """Wait until it answers. Raises StackError when it stops instead, or takes for ever."""
    deadline = time.monotonic() + START_SECONDS
    while not child.ready():
        check_starting(child, deadline)
        time.sleep(0.02)


def check_starting(child: Child, deadline: float) -> None:
    """Raises StackError with one line when a child stopped while starting, or is too late."""
    name, log = child.part.name, child.part.log
    if not child.running:
        raise StackError(f"{name} stopped while starting, {child.how_it_ended()} (see {log})")
    if time.monotonic() > deadline:
        raise StackError(f"{name} is not ready after {START_SECONDS:g} seconds (see {log})")
