"""POST /v1/decisions, answered in front of the framework: the one route that many wait for."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from api.admission import InFlight
from api.errors import (
    BROKEN_INSIDE,
    PROBLEM_TYPE,
    RETRY_AFTER_SECONDS,
    BodyTooLarge,
    problem,
    problem_of,
)
from api.parsing import refuse_unless_json
from api.security import BODY_BYTES, too_large
from engine.errors import TactfulError

PATH = "/v1/decisions"
JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
ARRIVED = "tactful.arrived"
"""Under this name a scope tells when its request had arrived, by time.perf_counter()."""

Headers = list[tuple[bytes, bytes]]
Reply = tuple[int, Headers, bytes]

log = logging.getLogger("tactful.api")


class DecisionsFirst:
    """Answers decisions as the route in api/decisions.py would, refusals included.

    Everything else goes on to the app, which also describes this route in its OpenAPI document.
    """

    def __init__(
        self,
        app: ASGIApp,
        answer: Callable[[bytes, float], Awaitable[bytes]],
        in_flight: InFlight,
    ) -> None:
        self._app = app
        self._answer = answer
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        arrived = scope.get(ARRIVED) or time.perf_counter()
        try:
            raw = await _body(scope["headers"], receive)
            self._in_flight.enter()
            try:
                body = await self._answer(raw, arrived)
            finally:
                self._in_flight.leave()
            status, headers = 200, [JSON]
        except Exception as error:
            status, headers, body = refusal(error)
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def refusal(error: Exception) -> Reply:
    """The reply to a request that failed; what broke inside is logged."""
    if isinstance(error, TactfulError):
        told = problem_of(error)
    else:
        log.error("a decision failed", exc_info=error)
        told = problem(500, "Internal error", TactfulError.code, BROKEN_INSIDE)
    headers = [(b"content-type", PROBLEM_TYPE.encode())]
    if isinstance(error, BodyTooLarge):
        headers.append((b"connection", b"close"))
    if told["status"] == 503:
        headers.append((b"retry-after", RETRY_AFTER_SECONDS.encode()))
    return told["status"], headers, orjson.dumps(told)


async def _body(headers: Headers, receive: Receive) -> bytes:
    """The whole body of JSON. Raises UnsupportedMediaType and BodyTooLarge.

    The latter at once where the length is declared.
    """
    kind = b""
    for name, value in headers:
        if name == b"content-type":
            kind = kind or value
        elif name == b"content-length" and value.isdigit() and int(value[:18]) > BODY_BYTES:
            raise too_large(BODY_BYTES)
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False) and len(body) <= BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
    if len(body) > BODY_BYTES:
        raise too_large(BODY_BYTES)
    if kind != b"application/json":
        refuse_unless_json(kind.decode("latin-1"))
    return body
