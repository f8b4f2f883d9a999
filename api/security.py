"""What stands before the routes: limits of bodies, and paths left as they were sent."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.cloud_events import BATCHED
from api.errors import BodyTooLarge, problem_of, respond

BODY_BYTES = 64 * 1024
EVENT_BATCH_BYTES = 1024 * 1024
BY_THE_LINE = "/v1/decisions:batch"
"""A body of any length: it is limited line by line, and read as it is answered."""


class BodyLimit:
    """Refuses bodies over the limit of their route: at once if declared, else when bytes arrive.

    The second case raises BodyTooLarge where the route reads the body, before it did anything.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] in ("GET", "HEAD")
            or scope["path"] == BY_THE_LINE
        ):
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        limit = body_limit(scope["path"], headers)
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:18]) > limit:
            refusal = respond(problem_of(too_large(limit)), {"Connection": "close"})
            return await refusal(scope, receive, send)
        return await self.app(scope, counted(receive, limit), send)


def body_limit(path: str, headers: Mapping[str, str]) -> int:
    """How many bytes the body of a request may have."""
    batched = headers.get("content-type", "").strip().lower().startswith(BATCHED)
    return EVENT_BATCH_BYTES if batched and path == "/v1/events" else BODY_BYTES


def too_large(limit: int) -> BodyTooLarge:
    """The refusal of a body over this limit."""
    return BodyTooLarge(f"The body has more than the {limit} bytes that this route takes.")


def counted(receive: Receive, limit: int) -> Receive:
    """The same stream of messages; raises BodyTooLarge once more than `limit` bytes came."""
    left = limit

    async def receive_counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large(limit)
        return message

    return receive_counted


class RawPath:
    """Keeps `/` and `%` encoded until a route has its parts: a customer's id may hold both."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%" in raw:
            scope = {**scope, "path": "/".join(map(_segment, raw.decode("latin-1").split("/")))}
        await self.app(scope, receive, send)


def _segment(raw: str) -> str:
    try:
        return unquote(raw, errors="strict").replace("%", "%25").replace("/", "%2F")
    except UnicodeDecodeError:
        return raw  # the route refuses it, in words
