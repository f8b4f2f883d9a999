"""The HTTP server of one API process: a socket that is ours, uvicorn on uvloop, a clean end."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.front import ARRIVED
from engine.errors import StackError

BACKLOG = 2048
GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 30


class TellsArrival(HttpToolsProtocol):
    """Uvicorn's protocol that notes when a request had arrived, however long it then waits."""

    def on_message_complete(self) -> None:
        """The last byte of a request is here."""
        cast("dict[str, object]", self.scope)[ARRIVED] = time.perf_counter()
        super().on_message_complete()


class Server(uvicorn.Server):
    """Uvicorn that says when it listens, and leaves signals to its caller: parts close after it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """End on SIGTERM and SIGINT without raising them again, as uvicorn would."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises StackError with one line where that is impossible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StackError(f"the API can't listen on {host}:{port}: {error.strerror}") from None


async def run(app: ASGIApp, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way."""
    config = uvicorn.Config(
        app,
        http=TellsArrival,
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    await Server(config, ready).serve(sockets=[listening])
