"""One table says which error gets which status; nothing falls through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api import errors as door_errors
from api.errors import STATUSES, problem_of
from engine import errors
from tests.support.doors import FakeStack, door


def _tree(root: type[errors.TactfulError]) -> Iterator[type[errors.TactfulError]]:
    yield root
    for branch in root.__subclasses__():
        yield from _tree(branch)


def _named() -> list[type[errors.TactfulError]]:
    homes = (errors.__name__, door_errors.__name__)
    return [kind for kind in _tree(errors.TactfulError) if kind.__module__ in homes]


def test_every_class_of_the_error_tree_has_a_status() -> None:
    assert {kind.__name__ for kind in _named()} == {kind.__name__ for kind in STATUSES}


def test_every_class_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in _named()]
    assert len(codes) == len(set(codes))


def test_an_error_that_another_part_derives_gets_the_status_of_its_kind() -> None:
    class DeliveryPending(errors.Unavailable):
        """Retry later."""

        code = "delivery_pending"

    problem = problem_of(DeliveryPending("later"))
    assert (problem["status"], problem["code"]) == (503, "delivery_pending")


def test_what_is_wrong_inside_is_not_told_outside() -> None:
    problem = problem_of(errors.InvalidBundle(["/secret/path/business.yaml:3: wrong"]))
    assert problem["status"] == 500
    assert "secret" not in problem["detail"]


def test_a_problem_can_always_be_written_even_of_broken_text() -> None:
    assert problem_of(errors.InvalidInput("half a \ud83d character"))["detail"].isascii()


@pytest.mark.parametrize("path", ["/", "/v2/decisions", "/v1/decisions/", "/v1/decisions/a/b/c"])
async def test_a_path_that_is_not_there_is_a_problem(path: str) -> None:
    async with door(FakeStack()) as client:
        reply = await client.get(path)
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_route")
    assert path in reply.json()["detail"]
    assert reply.headers["content-type"] == "application/problem+json"


async def test_a_method_that_is_not_possible_is_a_problem_that_says_which_is() -> None:
    async with door(FakeStack()) as client:
        reply = await client.delete("/v1/events")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
    assert (reply.headers["allow"], "POST" in reply.json()["detail"]) == ("POST", True)
