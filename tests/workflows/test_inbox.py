"""Events come in any order and more than once; a journey reads each once, the earliest first."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from workflows.inbox import SEEN_MAXIMUM, Inbox
from workflows.steps import Heard

AT = datetime(2026, 3, 1, tzinfo=UTC)


def heard(seq: int, event_type: str = "a") -> Heard:
    return Heard(key=f"k{seq}", type=event_type, at=AT, seq=seq)


@given(st.lists(st.integers(1, 30), max_size=60))
def test_whatever_the_order_and_the_repeats_each_is_read_once_and_in_order(
    seqs: list[int],
) -> None:
    inbox = Inbox(("a",))
    for seq in seqs:
        inbox.take_in(heard(seq))
    read: list[int] = []
    while (one := inbox.first(("a",))) is not None:
        read.append(one.seq)
    assert read == sorted(set(seqs))
    assert inbox.highest_seq == max(seqs, default=0)


@given(st.lists(st.integers(1, 9), max_size=20), st.lists(st.integers(1, 9), max_size=20))
def test_carried_over_it_still_knows_what_it_has_seen(before: list[int], after: list[int]) -> None:
    first = Inbox(("a",))
    for seq in before:
        first.take_in(heard(seq))
    second = Inbox(("a",), seen=first.seen, waiting=first.waiting, highest_seq=first.highest_seq)
    for seq in after:
        second.take_in(heard(seq))
    assert [one.seq for one in second.waiting] == sorted({*before, *after})


def test_what_nobody_listens_to_is_not_kept_but_counts_as_seen() -> None:
    inbox = Inbox(("a",))
    assert not inbox.take_in(heard(5, "b"))
    assert not inbox.has(("b",))
    assert inbox.highest_seq == 5


def test_reading_one_type_leaves_the_others() -> None:
    inbox = Inbox(("a", "b"))
    inbox.take_in(heard(1, "a"))
    inbox.take_in(heard(2, "b"))
    assert inbox.first(("b",)) == heard(2, "b")
    assert inbox.has(("a",))


def test_memory_of_what_was_seen_is_bounded() -> None:
    inbox = Inbox(())
    for seq in range(SEEN_MAXIMUM + 100):
        inbox.take_in(heard(seq))
    assert len(inbox.seen) == SEEN_MAXIMUM


def test_news_without_a_journal_position_come_after_those_with_one() -> None:
    inbox = Inbox(("a",))
    inbox.take_in(Heard(key="news", type="a", at=AT))
    inbox.take_in(heard(3))
    assert [one.seq for one in inbox.waiting] == [3, 0]
