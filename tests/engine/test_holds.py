"""Which holds cover what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.holds import commercial, covering, covers, in_force
from tests.support.builders import DAY, NOW, a_hold, an_action


@pytest.mark.parametrize(
    ("purpose", "tags", "sells"),
    [
        ("sales", (), True),
        ("retention", ("commercial",), True),
        ("service", ("complaint", "commercial"), True),
        ("service", ("complaint",), False),
        ("retention", (), False),
    ],
)
def test_sales_and_whatever_is_tagged_commercial_sell(
    purpose: str, tags: tuple[str, ...], sells: bool
) -> None:
    assert commercial(purpose, tags) is sells
    assert covers(a_hold(), purpose, tags) is sells


def test_a_hold_of_purposes_or_of_tags_alone_covers_just_these() -> None:
    assert covers(a_hold(tags=[]), "sales", ())
    assert not covers(a_hold(tags=[]), "retention", ("commercial",))
    assert covers(a_hold(purposes=[]), "retention", ("commercial",))
    assert not covers(a_hold(purposes=[]), "sales", ())


def test_holds_end_at_their_end() -> None:
    moment = timedelta(microseconds=1)
    open_end, past, ahead = a_hold("1"), a_hold("2", until=NOW), a_hold("3", until=NOW + moment)
    assert in_force([open_end, past, ahead], NOW) == (open_end, ahead)


@pytest.mark.parametrize("exempt", ["service", "legal", "safety", "transactional"])
def test_an_exempt_action_passes_unless_it_sells(exempt: str) -> None:
    everything = a_hold(purposes=["service", "sales"], tags=["commercial", "x"])
    free = an_action("one", purpose="service", tags=["x"], exempt=exempt)
    assert covering([everything], free) == ()
    priced = an_action("one", purpose="service", tags=["commercial"], exempt=exempt)
    assert covering([everything], priced) == (everything,)
    sale = an_action("one", tags=[], exempt=exempt)
    assert covering([everything], sale) == (everything,)


def test_the_hold_that_silences_is_named() -> None:
    other = a_hold("1", purposes=["survey"], tags=[])
    ours = a_hold("2")
    assert covering([other, ours], an_action("one")) == (ours,)


def test_of_several_holds_the_one_that_ends_last_is_named_first() -> None:
    short, long = a_hold("1", until=NOW + DAY), a_hold("2", until=NOW + 2 * DAY)
    endless = a_hold("3")
    assert covering([short, endless, long], an_action("one")) == (endless, long, short)
