"""The load generator believes nothing: what is cut, wrong or empty never counts as an answer."""

from __future__ import annotations

import json

import pytest

from benchmarks.load import at_share, commands_in
from benchmarks.replies import Failed, HttpReplies, RedisReplies

OFFER = {"treatment": "a.web"}


def a_reply(
    level: str = "full", status: str = "200 OK", **placements: list[dict[str, str]]
) -> bytes:
    body = json.dumps(
        {"level": level, "placements": placements or {"main": [OFFER]}}, separators=(",", ":")
    ).encode()
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_a_reply_that_comes_in_pieces_is_one_reply() -> None:
    replies, whole = HttpReplies(), a_reply()
    found = [replies.feed(whole[at : at + 1]) for at in range(len(whole))]
    assert found == [False] * (len(whole) - 1) + [True]
    assert replies.feed(whole)


@pytest.mark.parametrize(
    "wrong",
    [
        a_reply(status="503 Service Unavailable"),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
def test_a_wrong_reply_ends_the_measurement(wrong: bytes) -> None:
    with pytest.raises(Failed):
        HttpReplies().feed(wrong)


@pytest.mark.parametrize(
    ("reply", "good"),
    [(a_reply(), True), (a_reply(level="partial"), False), (a_reply(hero=[], rail=[]), False)],
)
def test_only_full_answers_with_an_offer_are_good(reply: bytes, good: bool) -> None:
    replies = HttpReplies()
    assert replies.feed(reply)
    assert replies.good is good


def test_three_replies_of_redis_are_one_answer() -> None:
    replies = RedisReplies()
    assert not replies.feed(b"$-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n")
    assert replies.feed(b"*0\r\n")


@pytest.mark.parametrize("wrong", [b"+OK\r\n-ERR no\r\n+OK\r\n", b"+OK\r\n*0\r\n+OK\r\n"])
def test_an_error_or_an_empty_row_ends_the_measurement(wrong: bytes) -> None:
    with pytest.raises(Failed):
        RedisReplies().feed(wrong)


def test_commands_are_read_back_from_their_bytes() -> None:
    assert commands_in(b"*1\r\n$4\r\nPING\r\n" * 2) == [[b"PING"], [b"PING"]]


def test_a_share_is_a_value_that_was_measured() -> None:
    taken = [float(number) for number in range(1, 101)]
    assert at_share(taken, 0.99) == 99.0
    assert at_share([7.0], 0.5) == 7.0
