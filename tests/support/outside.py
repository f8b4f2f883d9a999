"""Tactful seen from outside: a running stack over HTTP, and a receiver that notes each message."""

from __future__ import annotations

import csv
import gzip
import http.server
import itertools
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from api.processes import import_path, tactful
from api.stack import stack_of
from tests.support.customers import TELCO_CSV

DEFAULT_PATIENCE_SECONDS = 30.0
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it reached the receiver, in wall time, and the status that was its answer."""

    at: float
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    answered: int = 200


@dataclass(slots=True)
class Receiver:
    """A webhook endpoint that answers as told and remembers everything."""

    url: str
    received: list[Received] = field(default_factory=list[Received])
    status: Callable[[Mapping[str, Any]], int] = lambda _: 200
    delay_seconds: float = 0.0

    def about(self, customer: str) -> list[Received]:
        """What was delivered to one customer."""
        return [one for one in self.received if one.body["customer"] == customer]


@contextmanager
def receiver() -> Generator[Receiver]:
    """A receiver on a free port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.time()
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = found.status(body)
            found.received.append(Received(at=at, body=body, headers=headers, answered=status))
            time.sleep(found.delay_seconds)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}/messages")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A stack as its callers see it."""

    api: str
    data_dir: Path
    addresses: Mapping[str, Any]
    http: httpx.Client

    # -- calls

    def decide(self, customer: str, channel: str = "web", **more: object) -> dict[str, Any]:
        """A decision."""
        body = {"customer": customer, "channel": channel, "deadline_ms": 2000, **more}
        return self.post("/v1/decisions", body)

    def event(
        self, kind: str, customer: str, *, event_id: str | None = None, **data: object
    ) -> Any:
        """An event, accepted."""
        reply = self.post_event(event(kind, customer, event_id=event_id, **data))
        assert reply.status_code == 202, reply.text
        return reply.json()

    def post_event(self, body: Mapping[str, Any]) -> httpx.Response:
        """The reply to an event in structured mode."""
        headers = {"content-type": "application/cloudevents+json"}
        return self.http.post("/v1/events", content=json.dumps(body), headers=headers)

    def journeys(self, customer: str, kind: str, **filters: str) -> list[dict[str, Any]]:
        """A customer's journeys of a kind."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        path = f"/v1/journeys?customer={quote(customer, safe='')}&kind={kind}&{query}"
        return self.get(path)["journeys"]

    def post(self, path: str, body: object) -> dict[str, Any]:
        """The JSON of a successful POST."""
        reply = self.http.post(path, json=body)
        assert reply.is_success, reply.text
        return reply.json()

    def get(self, path: str) -> dict[str, Any]:
        """The JSON of a successful GET."""
        reply = self.http.get(path)
        assert reply.is_success, reply.text
        return reply.json()

    # -- processes

    def pid(self, part: str) -> int:
        """The process of a part, as the stack tells it."""
        return int(json.loads((self.data_dir / "stack.json").read_text())["parts"][part])

    def kill(self, part: str) -> None:
        """`kill -9` of a part."""
        os.kill(self.pid(part), signal.SIGKILL)

    @contextmanager
    def stopped(self, part: str) -> Generator[None]:
        """The block passes without this part: it is stopped, and continued afterwards."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def event(
    kind: str, customer: str, *, event_id: str | None = None, **data: object
) -> dict[str, Any]:
    """An event in structured form, with an id of its own unless one is given."""
    return {
        "specversion": "1.0",
        "id": event_id or f"test-{os.getpid()}-{next(_numbers)}",
        "source": "tests",
        "type": kind,
        "subject": customer,
        "data": data,
    }


@contextmanager
def outside(
    data_dir: Path, *, lapse: float | None = None, webhook: str | None = None
) -> Generator[Outside]:
    """A stack on free ports, which it finds itself."""
    options = ["--data-dir", str(data_dir)]
    for name in ("--api-port", "--temporal-port", "--temporal-ui-port", "--redis-port"):
        options += [name, "0"]
    if lapse is not None:
        options += ["--lapse", f"{lapse:g}"]
    if webhook is not None:
        options += ["--webhook", webhook]
    with (
        stack_of(*options) as addresses,
        httpx.Client(base_url=str(addresses["api"]), timeout=30.0, trust_env=False) as client,
    ):
        yield Outside(
            api=str(addresses["api"]), data_dir=data_dir, addresses=addresses, http=client
        )


def load(data_dir: Path, count: int) -> list[str]:
    """Loads real customers where they are, made-up ones elsewhere; their ids."""
    command = ["load", "customers", "--data-dir", str(data_dir), "--json"]
    environment = {**os.environ, **import_path()}
    if not TELCO_CSV.exists():
        subprocess.run(
            tactful(*command, "--examples", str(count)),
            check=True,
            stdout=subprocess.DEVNULL,
            env=environment,
        )
        from feature_store.generate import customers_table

        return [line.cells["customerID"] for line in customers_table(count, 1).lines]
    file = data_dir / "customers.csv"
    with gzip.open(TELCO_CSV, "rt", newline="") as source, file.open("w", newline="") as target:
        rows = list(itertools.islice(csv.reader(source), count + 1))
        csv.writer(target).writerows(rows)
    subprocess.run(
        tactful(*command, str(file)), check=True, stdout=subprocess.DEVNULL, env=environment
    )
    return [row[0] for row in rows[1:]]


def until(
    look: Callable[[], Any],
    done: Callable[[Any], bool] = bool,
    *,
    seconds: float = DEFAULT_PATIENCE_SECONDS,
    what: str = "it",
) -> Any:
    """Looks until it is done; what was seen last."""
    end = time.monotonic() + seconds
    while not done(seen := look()):
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}: {seen}"
        time.sleep(0.1)
    return seen


def offers(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All offers of an answer."""
    return [offer for placed in answer["placements"].values() for offer in placed]


def commercial(offered: Iterable[Mapping[str, Any]]) -> list[str]:
    """Those that sell."""
    return [
        one["action"] for one in offered if one["purpose"] == "sales" or "commercial" in one["tags"]
    ]


def sells(answer: Mapping[str, Any]) -> bool:
    """Whether an answer sells anything."""
    return bool(commercial(offers(answer)))
