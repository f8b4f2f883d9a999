"""A real HTTP server over a fake stack, for tests of commands that call it."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from api.app import create_door
from api.server import listen
from tests.support.doors import FakeStack


@contextmanager
def served(stack: FakeStack) -> Generator[str]:
    """The address of a real server over this stack."""
    with listen("127.0.0.1", 0) as listening:
        config = uvicorn.Config(create_door(stack.parts()), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
