"""Stages are read from what Prometheus reads, and batches count only what was decided."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from api.metrics import Metrics
from benchmarks import stages
from benchmarks.batches import ask_batch
from benchmarks.replies import Failed
from engine.timings import Timings


def test_a_stage_is_its_mean_between_two_looks() -> None:
    metrics = Metrics()
    slow = Timings(read=0.5, score=0.5, decide=0.5, commit=0.5)
    metrics.decisions.add("full", "web", 9.0, slow)
    before = stages.read(metrics.exposition().decode())
    for _ in range(4):
        quick = Timings(read=0.000_1, score=0.000_02, decide=0.000_1, commit=0.000_2)
        metrics.decisions.add("full", "web", 0.000_5, quick)
    found = stages.between(before, stages.read(metrics.exposition().decode()))
    means = {"read": 100, "score": 20, "decide": 100, "commit": 200, "rest": 80, "whole": 500}
    assert found == pytest.approx(means, abs=0.01)


@contextmanager
def answering(line: bytes) -> Generator[int]:
    """A server that answers every line of a batch with this one."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            body = line * len(asked.splitlines())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is said."""

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_batch_counts_customers() -> None:
    with answering(b'{"decision_id":"1","level":"full"}\n') as port:
        assert ask_batch(port, ["a", "b", "c"]) > 0


def test_answers_below_full_count_for_nothing() -> None:
    with answering(b'{"decision_id":"1","level":"partial"}\n') as port:
        assert ask_batch(port, ["a", "b", "c"]) == 0


@pytest.mark.parametrize("line", [b'{"status":503,"line":1}\n', b""])
def test_a_batch_in_which_a_customer_is_not_decided_does_not_count(line: bytes) -> None:
    with answering(line) as port, pytest.raises(Failed):
        ask_batch(port, ["a", "b", "c"])
