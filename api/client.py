"""Commands that talk to a running stack: one call over HTTP, and its problem in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from api.running import at_running_stack
from api.settings import Settings
from engine.errors import TactfulError, Unavailable

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 30.0


def call(
    settings: Settings,
    method: str,
    path: str,
    *,
    json: object | None = None,
    query: dict[str, str] | None = None,
    media_type: str = "application/json",
) -> Any:
    """The parsed reply of the API of the running stack. Raises TactfulError with its problem."""
    import httpx

    api = at_running_stack(settings).api
    try:
        # a proxy of the environment has no business between a command and its own stack
        with httpx.Client(base_url=api, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            body = None if json is None else orjson.dumps(json)
            headers = {"content-type": media_type} if body else {}
            reply = client.request(method, path, content=body, params=query, headers=headers)
    except httpx.HTTPError as error:
        raise unreachable(settings, api, error) from None
    if reply.is_error:
        raise problem_in(reply)
    try:
        return reply.json()
    except ValueError:
        raise _not_json(reply) from None


def unreachable(settings: Settings, api: str, error: Exception) -> Unavailable:
    """The error that says how to reach a stack."""
    return Unavailable(
        f"no stack answers at {api} ({_plain(error)}): start one by `tactful up`, "
        f"or say which by --data-dir (now {settings.data_dir}) or TACTFUL_API_URL"
    )


def problem_in(reply: httpx.Response) -> TactfulError:
    """The error that a problem from the API tells of."""
    try:
        answer = reply.json()
    except ValueError:
        return _not_json(reply)
    detail = answer.get("detail") or answer.get("title") or f"status {reply.status_code}"
    return TactfulError(f"{detail.rstrip('.')} ({answer.get('code', reply.status_code)})")


def _not_json(reply: httpx.Response) -> TactfulError:
    return TactfulError(f"{reply.request.url} answered {reply.status_code} without JSON")


def _plain(error: Exception) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
