"""POST /v1/decisions, answered in front of the framework: the one route that many wait for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from api.decisions import WHAT, DecisionRequest
from api.errors import (
    BROKEN_INSIDE,
    PROBLEM_TYPE,
    RETRY_AFTER_SECONDS,
    BodyTooLarge,
    problem,
    problem_of,
)
from api.metrics import InFlight
from api.parsing import as_model
from api.security import BODY_BYTES, too_large
from engine.errors import TactfulError

PATH = "/v1/decisions"
JSON = b"application/json"

log = logging.getLogger("tactful.api")


class DecisionsFirst:
    """Answers decisions as the route in api/decisions.py would, refusals included.

    Everything else goes on to the app, which also describes this route in its OpenAPI document.
    """

    def __init__(
        self,
        app: ASGIApp,
        answer: Callable[[DecisionRequest], Awaitable[bytes]],
        in_flight: InFlight,
    ) -> None:
        self._app = app
        self._answer = answer
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        self._in_flight.count += 1
        try:
            status, headers, body = await self._respond(scope, receive)
        finally:
            self._in_flight.count -= 1
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _respond(
        self, scope: Scope, receive: Receive
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        try:
            headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
            kind = next((value for name, value in headers if name == b"content-type"), b"")
            raw = await _body(headers, receive)
            asked = as_model(raw, kind.decode("latin-1"), DecisionRequest, WHAT)
            return 200, [(b"content-type", JSON)], await self._answer(asked)
        except TactfulError as error:
            told, close = problem_of(error), isinstance(error, BodyTooLarge)
        except Exception:
            log.exception("a decision failed")
            told, close = problem(500, "Internal error", TactfulError.code, BROKEN_INSIDE), False
        return _refusal(told, close=close)


def _refusal(
    told: Mapping[str, Any], *, close: bool
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    headers = [(b"content-type", PROBLEM_TYPE.encode())]
    if close:
        headers.append((b"connection", b"close"))
    if told["status"] == 503:
        headers.append((b"retry-after", RETRY_AFTER_SECONDS.encode()))
    return told["status"], headers, orjson.dumps(told)


async def _body(headers: list[tuple[bytes, bytes]], receive: Receive) -> bytes:
    """The whole body. Raises BodyTooLarge, at once where its length is declared."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value[:18]) > BODY_BYTES:
            raise too_large(BODY_BYTES)
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            break
    if len(body) > BODY_BYTES:
        raise too_large(BODY_BYTES)
    return body
