"""Replies as they come in over a connection: put together, and checked."""

from __future__ import annotations

import json
from typing import Any, Protocol

PARSED_EVERY = 50
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length:"


class Failed(Exception):
    """An answer that is wrong, or a connection that was lost."""


class Replies(Protocol):
    """Puts bytes together to replies. `good`: whether the latest one is what was asked for."""

    good: bool

    def feed(self, data: bytes) -> bool:
        """Takes bytes in; whether a reply is complete now. Raises Failed for a wrong one."""
        ...


class HttpReplies:
    """Replies of a decision route. Good are those of level full with at least one offer."""

    def __init__(self) -> None:
        self.good = False
        self._buffer = b""
        self._seen = 0

    def feed(self, data: bytes) -> bool:
        """See Replies."""
        buffer = self._buffer = self._buffer + data
        head = buffer.find(END_OF_HEAD)
        if head < 0:
            return False
        start = buffer.lower().find(LENGTH, 0, head) + len(LENGTH)
        if start < len(LENGTH):
            raise Failed(f"no Content-Length: {buffer[:head]!r}")
        size = int(buffer[start : buffer.find(b"\r", start)])
        body = head + len(END_OF_HEAD)
        if len(buffer) < body + size:
            return False
        self._buffer = b""
        self._check(buffer[:body], buffer[body:])
        return True

    def _check(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Failed(f"{head.splitlines()[0].decode()}: {body[:300]!r}")
        self.good = b'"level":"full"' in body and b'"treatment":"' in body
        if (
            self.good
            and self._seen % PARSED_EVERY == 0
            and not any(json.loads(body)["placements"].values())
        ):
            raise Failed(f"no offer in any placement: {body[:600]!r}")
        self._seen += 1


class RedisReplies:
    """Three replies to three commands, none an error; the second one is a row, not empty."""

    def __init__(self) -> None:
        import hiredis

        self.good = True
        self._reader = hiredis.Reader()
        self._found: list[Any] = []

    def feed(self, data: bytes) -> bool:
        """See Replies."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._found.append(reply)
        if len(self._found) < 3:
            return False
        if any(isinstance(reply, Exception) for reply in self._found) or not self._found[1]:
            raise Failed(f"Redis answered {self._found!r}")
        self._found.clear()
        return True
