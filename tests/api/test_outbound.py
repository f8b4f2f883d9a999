"""`tactful decide --file`: a file of customers in, a line for each of them out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from api.cli import app
from api.outbound import requests_of
from engine.errors import InvalidInput, TactfulError
from engine.ledger.references import reference
from tests.support.builders import KEY
from tests.support.doors import FakeStack
from tests.support.served import served

USUAL = {"channel": "web"}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeStack]:
    """A stack that the command line finds."""
    stack = FakeStack()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path))
    with served(stack) as address:
        monkeypatch.setenv("TACTFUL_API_URL", address)
        yield stack


def ran(text: str | bytes, *options: str) -> Any:
    """What the command did with a file of this text."""
    path = Path("customers.txt")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CliRunner().invoke(app, ["decide", "--file", str(path), *options])


def asked_of(text: str) -> list[Any]:
    """The requests that a file of this text becomes, without the usual channel."""
    found = [orjson.loads(request) for _, request in requests_of(text.splitlines(), USUAL)]
    assert {each.pop("channel") for each in found} <= {"web"}
    return found


@pytest.mark.parametrize(
    ("text", "customers"),
    [
        ("a\nb\n", ["a", "b"]),
        ("\n a \n\nb", ["a", "b"]),
        ("customer_id,age\na,4\nb,5\n", ["a", "b"]),
        ('ID\n"a, b"\n', ["a, b"]),
        ("a\nid\n", ["a", "id"]),
        (",4\na,5", ["a"]),
        ("", []),
    ],
)
def test_a_list_or_the_first_column_of_a_table_names_the_customers(
    text: str, customers: list[str]
) -> None:
    assert asked_of(text) == [{"customer": customer} for customer in customers]


def test_a_request_of_its_own_keeps_what_it_says() -> None:
    text = '{"customer": "a", "channel": "email"}\n{"customer": {"type": "email", "id": "x"}}\nb'
    requests = [orjson.loads(request) for _, request in requests_of(text.splitlines(), USUAL)]
    assert [one["channel"] for one in requests] == ["email", "web", "web"]
    assert requests[1]["customer"] == {"type": "email", "id": "x"}


def test_a_line_that_is_no_json_is_named() -> None:
    with pytest.raises(InvalidInput, match="line 2 is not JSON"):
        asked_of('a\n{"customer": ')


def test_all_customers_of_a_file_are_decided_for_in_order(stack: FakeStack) -> None:
    names = [f"c{n}" for n in range(1_203)]
    done = ran("\n".join(names), "--json", "--placement", "hero:2")
    assert done.exit_code == 0, done.stderr
    told = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [one["customer"] for one in told] == names
    assert {ask.customer for ask in stack.changes} == {reference(KEY, name) for name in names}
    assert {place.name for ask in stack.changes for place in ask.placements} == {"hero"}
    assert "1000 of 1203" in done.stderr
    assert "1203 decided, 0 refused" in done.stderr


def test_what_is_refused_is_told_with_its_line_and_the_rest_is_decided(stack: FakeStack) -> None:
    lines = ["a"] * 700 + ['{"customer": "b", "chanel": "web"}', "", "c"]
    done = ran("\n".join(lines))
    assert done.exit_code == 1
    told = done.stdout.splitlines()
    assert told[700].startswith("line 701: chanel is not a field of a decision request")
    assert told[701] == "c: full, main: upgrade-fiber.web.hero"
    assert "701 decided, 1 refused" in done.stderr
    assert len(stack.changes) == 701


def test_a_file_that_is_not_there_or_no_text_decides_nothing(stack: FakeStack) -> None:
    missing = CliRunner().invoke(app, ["decide", "--file", "absent"])
    garbled = ran(b"\xff\xfe")
    for done, words in ((missing, "can't be read"), (garbled, "not text in UTF-8")):
        assert isinstance(done.exception, InvalidInput)
        assert words in str(done.exception)
    assert stack.changes == []


@pytest.mark.parametrize("arguments", [[], ["a", "--file", "b"]])
def test_either_a_customer_or_a_file_is_asked_about(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["decide", *arguments]).exit_code == 2


def test_without_a_stack_the_error_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TACTFUL_API_URL", "http://127.0.0.1:9")
    done = ran("a")
    assert isinstance(done.exception, TactfulError)
    assert "tactful up" in str(done.exception)


def test_a_file_waits_until_there_is_room_for_its_batches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Crowded(FakeStack):
        def parts(self) -> Any:
            parts = FakeStack.parts(self)
            parts.metrics.batches.most = 0
            self.metrics = parts.metrics
            return parts

    stack = Crowded()
    monkeypatch.chdir(tmp_path)
    waits: list[float] = []

    def make_room(seconds: float) -> None:
        waits.append(seconds)
        stack.metrics.batches.most = 1

    monkeypatch.setattr("api.outbound.sleep", make_room)
    with served(stack) as address:
        monkeypatch.setenv("TACTFUL_API_URL", address)
        done = ran("a\nb")
    assert (done.exit_code, waits) == (0, [1.0])
