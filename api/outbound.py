"""`tactful decide --file`: decisions for many customers, through the batch route of the stack."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from time import sleep
from typing import Any

import httpx
import orjson

from api.client import problem_in, unreachable
from api.running import at_running_stack
from api.settings import Settings
from engine.errors import InvalidInput, TactfulError

PATH = "/v1/decisions:batch"
HEADERS = frozenset({"customer", "customer_id", "customerid", "id"})
LINES_AT_ONCE = 500
BATCHES_AT_ONCE = 2
"""While one is being written and read here, the other is being decided there."""
PATIENCE_SECONDS = 300.0
MOST_REFUSALS = 30


@dataclass(slots=True)
class Run:
    """What became of a file so far."""

    decided: int = 0
    refused: int = 0

    @property
    def done(self) -> int:
        """How many answers there are."""
        return self.decided + self.refused


Numbered = tuple[int, bytes]
"""A request, and the number of its line in the file."""


def requests_of(lines: Iterable[str], usual: Mapping[str, Any]) -> Iterator[Numbered]:
    """One request for each line that is not blank.

    A line is a JSON request, in which `usual` fills in what it does not say, or a row of a table
    whose first column is the customer. A first row that names that column is left out.
    """
    first = True
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff")
        if not text:
            continue
        if text.startswith("{"):
            yield number, orjson.dumps({**usual, **_parsed(text, number)})
        elif (customer := next(csv.reader([text]))[0].strip()) and not (
            first and customer.lower() in HEADERS
        ):
            yield number, orjson.dumps({**usual, "customer": customer})
        first = False


def _parsed(text: str, number: int) -> dict[str, Any]:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"line {number} is not JSON: {error}") from None


def answers(settings: Settings, requests: Iterator[Numbered], run: Run) -> Iterator[bytes]:
    """The answers in the order of the requests; an error is a problem in the place of its answer.

    Raises TactfulError when the stack can't be reached, or gives up.
    """
    api = at_running_stack(settings).api
    limits = httpx.Timeout(PATIENCE_SECONDS)
    with (
        httpx.Client(base_url=api, timeout=limits, trust_env=False) as client,
        ThreadPoolExecutor(BATCHES_AT_ONCE) as senders,
    ):
        under_way: deque[Future[list[bytes]]] = deque()
        while True:
            while len(under_way) < BATCHES_AT_ONCE and (some := [*islice(requests, LINES_AT_ONCE)]):
                under_way.append(senders.submit(_post, settings, client, some))
            if not under_way:
                return
            for answer in under_way.popleft().result():
                if is_decided(answer):
                    run.decided += 1
                else:
                    run.refused += 1
                yield answer


def _post(settings: Settings, client: httpx.Client, requests: list[Numbered]) -> list[bytes]:
    body = b"\n".join(request for _, request in requests)
    try:
        reply = _admitted(client, body)
    except httpx.HTTPError as error:
        raise unreachable(settings, str(client.base_url), error) from None
    if reply.is_error:
        raise problem_in(reply)
    answers = reply.content.splitlines()
    if len(answers) != len(requests):
        raise TactfulError(f"{len(requests)} were asked for, {len(answers)} answers came")
    numbered = zip(requests, answers, strict=True)
    return [_of_line(number, answer) for (number, _), answer in numbered]


def _admitted(client: httpx.Client, body: bytes) -> httpx.Response:
    """The reply, once there is room for a batch: what is refused before has done nothing."""
    headers = {"content-type": "application/x-ndjson"}
    reply = client.post(PATH, content=body, headers=headers)
    for _ in range(MOST_REFUSALS):
        if reply.status_code != 503:
            break
        sleep(float(reply.headers.get("retry-after", "1")))
        reply = client.post(PATH, content=body, headers=headers)
    return reply


def _of_line(number: int, answer: bytes) -> bytes:
    """The answer; a problem tells the line of the file, not that of the batch it was sent in."""
    if is_decided(answer):
        return answer
    return orjson.dumps({**orjson.loads(answer), "line": number})


def is_decided(answer: bytes) -> bool:
    """Whether an answer is a decision, and no problem."""
    return answer.startswith(b'{"decision_id":')


def in_words(answer: bytes) -> str:
    """One answer for people, in one line."""
    told = orjson.loads(answer)
    if not is_decided(answer):
        return f"line {told['line']}: {told['detail']} ({told['code']})"
    offered = "; ".join(
        f"{name}: {', '.join(offer['treatment'] for offer in offers) or 'nothing to offer'}"
        for name, offers in told["placements"].items()
    )
    known = told["customer"]
    return f"{known if isinstance(known, str) else known['id']}: {told['level']}, {offered}"
