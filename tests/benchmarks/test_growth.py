"""Curves compare with their first size, round by round; the picture shows all of them."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks import cores, growth, plot
from benchmarks.load import Measured


def measured(per_second: float, *, poor: int = 0) -> Measured:
    return Measured(
        answers=100,
        poor=poor,
        asked=120,
        per_second=per_second,
        p50_ms=1000 / per_second,
        p99_ms=2000 / per_second,
        client_busy=0.1,
        server_us=1e6 / per_second,
    )


def test_a_size_is_compared_with_the_first_one_of_the_same_round() -> None:
    slow_and_fast = [measured(100), measured(1000), measured(1000)]
    points = growth.curve({24: slow_and_fast, 1000: [measured(50), measured(500), measured(100)]})
    assert [point.times for point in points] == [1.0, 2.0]
    assert points[1].per_second == 100


def test_a_size_that_was_not_measured_has_no_number() -> None:
    points = growth.curve({1000: [measured(100)], 10_000: [measured(90)]})
    assert growth.at(points, 1_000_000) is None
    assert growth.at(points, 10_000) == pytest.approx(100 / 90)


def test_poor_answers_are_told_with_their_size() -> None:
    points = growth.curve({0: [measured(100)] * 2, 50: [measured(90, poor=3), measured(90)]})
    assert [point.poor for point in points] == [0, 3]


def test_the_picture_has_every_curve_with_every_size() -> None:
    rounds = [measured(100), measured(110)]
    sizes = {"actions": (24, 100, 1000), "customers": (1000, 1_000_000), "connections": (1, 64)}
    curves = {name: growth.curve(dict.fromkeys(some, rounds)) for name, some in sizes.items()}
    picture = ElementTree.fromstring(plot.picture(growth.plain(curves)))
    dots = [one for one in picture.iter() if one.tag.endswith("circle")]
    texts = {one.text for one in picture.iter() if one.tag.endswith("text")}
    assert len(dots) == 7
    assert {"24", "1000", "1M", "64"} <= texts


def test_a_curve_of_one_point_is_no_curve() -> None:
    curves = {"actions": growth.curve({24: [measured(100)]})}
    assert "circle" not in plot.picture(growth.plain(curves))


@pytest.mark.parametrize(
    ("available", "servers", "others"),
    [
        ((0,), [()], ()),
        ((0, 1), [(0,)], (1,)),
        ((4, 5, 6), [(4,)], (5, 6)),
        ((0, 1, 2, 3), [(0,), (1,)], (2, 3)),
    ],
)
def test_no_server_shares_its_core_with_redis_or_the_client(
    available: tuple[int, ...], servers: list[tuple[int, ...]], others: tuple[int, ...]
) -> None:
    found = cores.split(frozenset(available))
    assert [tuple(sorted(one)) for one in found.servers] == servers
    assert tuple(sorted(found.others)) == others


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux pins processes")
def test_pinning_ends_with_its_block() -> None:
    before = os.sched_getaffinity(0)
    with cores.only_on(frozenset({min(before)})):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
