"""Every error as `application/problem+json` (RFC 9457), with one table of statuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from engine import errors

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "1"
BROKEN_INSIDE = "Something broke inside; nothing you sent was wrong. It is in the log of the API."


class MalformedJson(errors.InvalidInput):
    """A body that is not JSON."""

    code = "malformed_json"


class BodyTooLarge(errors.InvalidInput):
    """A body beyond the limit of its route."""

    code = "body_too_large"


class UnsupportedMediaType(errors.InvalidInput):
    """A body of a type that the route does not read."""

    code = "unsupported_media_type"


class UnknownField(errors.InvalidInput):
    """A field that the contract does not have."""

    code = "unknown_field"


class MissingField(errors.InvalidInput):
    """A field that the contract asks for."""

    code = "missing_field"


class InvalidField(errors.InvalidInput):
    """A field whose value is of the wrong kind or out of bounds."""

    code = "invalid_field"


class Busy(errors.Unavailable):
    """A request on top of as many as a process answers at the same time."""

    code = "busy"


STATUSES: Mapping[type[errors.TactfulError], tuple[int, str]] = {
    errors.TactfulError: (500, "Internal error"),
    errors.InvalidInput: (422, "Invalid input"),
    errors.UnknownChannel: (422, "Unknown channel"),
    errors.UnknownPurpose: (422, "Unknown purpose"),
    errors.UnknownTreatment: (422, "Unknown treatment"),
    errors.InvalidEvent: (422, "Invalid event"),
    errors.RuleError: (422, "Invalid rule"),
    errors.NotFound: (404, "Not found"),
    errors.UnknownDecision: (404, "Unknown decision"),
    errors.UnknownCustomer: (404, "Unknown customer"),
    errors.UnknownHold: (404, "Unknown hold"),
    errors.UnknownAction: (404, "Unknown action"),
    errors.UnknownBundle: (404, "Unknown bundle"),
    errors.Conflict: (409, "Conflict"),
    errors.RequestIdReused: (409, "Request id reused"),
    errors.HoldOwnedByJourney: (409, "Hold owned by a journey"),
    errors.Unavailable: (503, "Unavailable"),
    errors.JournalUnavailable: (503, "Journal unavailable"),
    errors.LiveStateUnavailable: (503, "Live state unavailable"),
    errors.JourneysUnavailable: (503, "Journeys unavailable"),
    errors.InvalidBundle: (500, "Invalid bundle"),
    errors.InvalidModel: (500, "Invalid model"),
    errors.StackError: (500, "Stack error"),
    Busy: (503, "Too many requests at once"),
    MalformedJson: (400, "Malformed JSON"),
    BodyTooLarge: (413, "Body too large"),
    UnsupportedMediaType: (415, "Unsupported media type"),
    UnknownField: (422, "Unknown field"),
    MissingField: (422, "Missing field"),
    InvalidField: (422, "Invalid field"),
}

FRAMEWORK_CODES = {404: "unknown_route", 405: "method_not_allowed"}


def problem(status: int, title: str, code: str, detail: str) -> dict[str, Any]:
    """The members of a problem. `type` is a name, not an address: nothing needs to be looked up."""
    readable = detail.encode("utf-8", "replace").decode()
    kind = f"urn:tactful:problem:{code}"
    return {"type": kind, "title": title, "status": status, "detail": readable, "code": code}


def problem_of(error: errors.TactfulError) -> dict[str, Any]:
    """The problem of an error. What broke inside is not shown outside."""
    kind = next(kind for kind in type(error).__mro__ if kind in STATUSES)
    status, title = STATUSES[kind]
    return problem(status, title, error.code, BROKEN_INSIDE if status == 500 else str(error))


def respond(members: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a response; what may be repeated says when."""
    status: int = members["status"]
    extra = dict(headers or {})
    if status == 503:
        extra["Retry-After"] = RETRY_AFTER_SECONDS
    return Response(orjson.dumps(members), status, extra, media_type=PROBLEM_TYPE)


async def _tactful(_request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.TactfulError)
    return respond(problem_of(error))


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = FRAMEWORK_CODES.get(error.status_code, "http_error")
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"There is no {request.url.path}; /openapi.json lists what there is."
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{request.method} is not possible here; {allowed} is."
    title = code.replace("_", " ").capitalize()
    return respond(problem(error.status_code, title, code, detail), error.headers)


async def _query(_request: Request, error: Exception) -> Response:
    from api.parsing import refusal_of_query

    assert isinstance(error, RequestValidationError)
    return respond(problem_of(refusal_of_query(error.errors())))


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _broken(_request: Request, _error: Exception) -> Response:
    return respond(problem(500, "Internal error", errors.TactfulError.code, BROKEN_INSIDE))


def install(app: FastAPI) -> None:
    """Every error of this app becomes a problem."""
    app.add_exception_handler(errors.TactfulError, _tactful)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _query)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _broken)
