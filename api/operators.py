"""What `tactful journeys pause` and its like send: to journeys by id, or to all that are found."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from api.client import problem_in, unreachable
from api.running import at_running_stack
from api.settings import Settings
from engine.errors import TactfulError

MANY = "/v1/journeys:intervene"
PATIENCE_SECONDS = 60.0
"""Until the next line: a journey that nobody runs takes a while to be given up."""
AWAY = 503

Order = Mapping[str, object]
Line = Mapping[str, Any]


class Operator:
    """One operator's connection to a running stack."""

    def __init__(self, settings: Settings, client: httpx.Client) -> None:
        self._settings = settings
        self._client = client

    def count(self, act: str, order: Order, which: Order) -> int:
        """How many running journeys these are. Raises TactfulError."""
        asked = {**order, **which, "act": act, "dry_run": True}
        (line,) = self._streamed(asked)
        return line["counts"]["journeys"]

    def each(self, act: str, order: Order, journeys: Sequence[str]) -> Iterator[Line]:
        """One journey after the other: what came of it, as a line. Raises TactfulError."""
        for journey in journeys:
            path = f"/v1/journeys/{quote(journey, safe='')}/{act}"
            try:
                reply = self._client.post(path, json=order)
            except httpx.HTTPError as error:
                raise unreachable(self._settings, str(self._client.base_url), error) from None
            if reply.is_success:
                yield {**reply.json(), "done": True}
            elif reply.status_code < 500 or reply.status_code == AWAY:
                problem = reply.json()
                why = {"code": problem["code"], "because": problem["detail"]}
                yield {"id": journey, "done": False, **why}
            else:
                raise problem_in(reply)

    def all(self, act: str, order: Order, which: Order) -> Iterator[Line]:
        """All journeys that are found, a line each, as they are done. Raises TactfulError."""
        for line in self._streamed({**order, **which, "act": act}):
            if "counts" not in line:
                yield line

    def _streamed(self, asked: Order) -> Iterator[Line]:
        try:
            with self._client.stream("POST", MANY, json=asked) as reply:
                if reply.is_error:
                    reply.read()
                    raise problem_in(reply)
                yield from map(orjson.loads, reply.iter_lines())
        except httpx.HTTPError as error:
            if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.ReadTimeout):
                raise TactfulError(f"the API broke off ({error}): the rest is not done") from None
            raise unreachable(self._settings, str(self._client.base_url), error) from None


@contextmanager
def at_the_desk(settings: Settings) -> Generator[Operator]:
    """An operator of the stack that runs."""
    api = at_running_stack(settings).api
    timeout = httpx.Timeout(PATIENCE_SECONDS)
    with httpx.Client(base_url=api, timeout=timeout, trust_env=False) as client:
        yield Operator(settings, client)
