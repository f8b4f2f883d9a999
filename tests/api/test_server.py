"""The API as a process of its own on real Valkey and a real journal, with no Temporal at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.ports import free_port
from api.server import listen
from engine.errors import StackError
from tests.support.doors import a_cloud_event
from tests.support.servers import valkey

CODE = "from api.app import serve; from api.settings import load_settings; serve(load_settings())"
ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 30.0


@contextmanager
def api(
    folder: Path, redis_url: str, **variables: str
) -> Generator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """An API process that listens, and a client of it."""
    port = free_port()
    environment = {
        name: each for name, each in os.environ.items() if not name.startswith("TACTFUL")
    }
    environment |= {
        "TACTFUL_DATA_DIR": str(folder / "data"),
        "TACTFUL_API_PORT": str(port),
        "TACTFUL_REDIS_URL": redis_url,
        "TACTFUL_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        **variables,
    }
    process = subprocess.Popen([sys.executable, "-c", CODE], cwd=ROOT, env=environment)
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False
        ) as client:
            _await_health(client, process)
            yield client, process
    finally:
        process.kill()
        process.wait()


def _await_health(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            client.get("/healthz").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the API did not start: {process.poll()}")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API on a new stack."""
    folder = tmp_path_factory.mktemp("api")
    with valkey(folder / "redis") as redis, api(folder, redis.url) as (client, _):
        yield client


def post_event(door: httpx.Client, **changes: Any) -> httpx.Response:
    """The reply to one event."""
    headers = {"Content-Type": "application/cloudevents+json"}
    return door.post("/v1/events", json=a_cloud_event(**changes), headers=headers)


def test_it_is_alive_but_not_ready_before_the_live_state_was_reconciled(door: httpx.Client) -> None:
    reply = door.get("/readyz")
    assert reply.status_code == 503
    [missing] = reply.json()["missing"]
    assert missing.startswith("live state")
    assert any(line.startswith("temporal") for line in reply.json()["degraded"])


def test_an_event_is_accepted_without_temporal_and_says_that_its_journey_waits(
    door: httpx.Client,
) -> None:
    reply = post_event(door, id="waits")
    assert (reply.status_code, reply.json()["accepted"]) == (202, 1)
    assert reply.json()["routing"] == "pending"


def test_the_same_event_counts_once(door: httpx.Client) -> None:
    told = [post_event(door, id="twice", subject="twice").json() for _ in range(2)]
    assert [one["accepted"] for one in told] == [1, 0]
    assert [one["duplicates"] for one in told] == [0, 1]


def test_a_decision_before_the_reconciliation_sells_nothing(door: httpx.Client) -> None:
    asked = {"customer": "7590-VHVEG", "channel": "web", "explain": True}
    reply = door.post("/v1/decisions", json=asked)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert told["level"] != "full"
    assert told["because"]
    offers = [offer for offers in told["placements"].values() for offer in offers]
    assert all("commercial" not in offer["tags"] for offer in offers)


def test_a_decision_can_be_read_again_in_words(door: httpx.Client) -> None:
    post_event(door, id="named", subject="named")
    made = door.post("/v1/decisions", json={"customer": "named", "channel": "web"}).json()
    reply = door.get(f"/v1/decisions/{made['decision_id']}")
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert told["customer"] == "named"
    assert told["decision"]["level"] == made["level"]
    assert told["words"]


@pytest.mark.parametrize("decision_id", ["0" * 26, "0" * 25, "nothing"])
def test_a_decision_that_was_never_made_is_not_found(door: httpx.Client, decision_id: str) -> None:
    for reply in (
        door.get(f"/v1/decisions/{decision_id}"),
        door.post(
            f"/v1/decisions/{decision_id}/outcomes",
            json={"treatment": "t", "outcome": "click", "id": "1"},
        ),
    ):
        assert (reply.status_code, reply.json()["code"]) == (404, "unknown_decision")


def test_an_outcome_of_a_treatment_that_was_not_offered_is_refused(door: httpx.Client) -> None:
    made = door.post("/v1/decisions", json={"customer": "c", "channel": "web"}).json()
    outcome = {"treatment": "nothing.web", "outcome": "click", "id": "1"}
    reply = door.post(f"/v1/decisions/{made['decision_id']}/outcomes", json=outcome)
    assert (reply.status_code, reply.json()["code"]) == (422, "unknown_treatment")


def test_an_operators_hold_is_placed_seen_and_ended(door: httpx.Client) -> None:
    customer = "/v1/customers/acme%2F42"
    wanted = {"purposes": ["sales"], "because": "lawyer", "author": "ann"}
    placed = door.post(f"{customer}/holds", json=wanted)
    assert placed.status_code == 201, placed.text
    parameters = {"author": "ann", "because": "settled"}
    path = f"{customer}/holds/{placed.json()['id']}"
    assert door.delete(path, params=parameters).status_code == 200
    again = door.delete(path, params=parameters)
    assert (again.status_code, again.json()["code"]) == (404, "unknown_hold")


def test_a_consent_is_taken_and_the_customer_shown(door: httpx.Client) -> None:
    consent = {"purpose": "sales", "channel": "email", "granted": True, "source": "form"}
    assert door.put("/v1/customers/bob/consents", json=consent).status_code == 200
    reply = door.get("/v1/customers/bob")
    assert (reply.status_code, reply.json()["reconciled"]) == (200, False)


def test_journeys_without_temporal_are_a_503(door: httpx.Client) -> None:
    reply = door.get("/v1/journeys")
    assert (reply.status_code, reply.json()["code"]) == (503, "journeys_unavailable")


def test_a_body_that_never_says_how_long_it_is_is_cut_off(door: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 8192

    headers = {"Content-Type": "application/json"}
    reply = door.post("/v1/decisions", content=endless(), headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
    assert door.get("/healthz").status_code == 200


def test_a_batch_of_decisions_comes_back_whole(door: httpx.Client) -> None:
    line = b'{"customer": "c", "channel": "web"}\n'
    headers = {"Content-Type": "application/x-ndjson"}
    reply = door.post("/v1/decisions:batch", content=line * 200, headers=headers)
    assert reply.status_code == 200
    assert len(reply.content.splitlines()) == 200


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_told_to(tmp_path: Path, how: signal.Signals) -> None:
    with valkey(tmp_path / "redis") as redis, api(tmp_path, redis.url) as (_, process):
        process.send_signal(how)
        assert process.wait(20) == 0


def test_a_taken_port_is_one_clear_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"can't listen on 127\.0\.0\.1:{port}"):
            listen("127.0.0.1", port)
