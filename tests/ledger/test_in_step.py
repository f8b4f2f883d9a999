"""Decisions in step: nobody takes the second stage before all that are ready took the first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engine.ledger.in_step import InStep

Said = list[str]
_STAGES = ("decides", "records")


async def _decide(name: str, in_step: InStep, said: Said) -> None:
    with in_step.one_more():
        await asyncio.sleep(0)  # it reads
        async with in_step:
            said.append(f"{name} decides")
            await in_step.next_stage()
            said.append(f"{name} records")


def _run(play: Callable[[], Awaitable[None]]) -> None:
    async def within_time() -> None:
        async with asyncio.timeout(5):
            await play()

    asyncio.run(within_time())


def test_all_that_are_ready_decide_before_any_records():
    said = Said()

    async def play() -> None:
        in_step = InStep()
        await asyncio.gather(*(_decide(name, in_step, said) for name in "abc"))

    _run(play)
    assert said == [f"{name} {does}" for does in _STAGES for name in "abc"]


def test_so_many_at_once_the_others_behind_them_in_their_order():
    said = Said()

    async def play() -> None:
        in_step = InStep(at_once=2)
        await asyncio.gather(*(_decide(name, in_step, said) for name in "abcde"))

    _run(play)
    in_twos = [f"{name} {does}" for some in ("ab", "cd", "e") for does in _STAGES for name in some]
    assert said == in_twos


def test_one_that_is_alone_never_waits():
    said = Said()

    async def play() -> None:
        in_step = InStep()
        task = asyncio.ensure_future(_decide("a", in_step, said))
        for _ in ("it reads", "it does all the rest"):
            await asyncio.sleep(0)
        assert task.done()

    _run(play)
    assert said == ["a decides", "a records"]


@pytest.mark.parametrize("turns", range(6))
def test_one_that_is_given_up_leaves_its_place_to_others(turns: int):
    said = Said()

    async def play() -> None:
        in_step = InStep(at_once=1)
        first, given_up, last = (
            asyncio.ensure_future(_decide(name, in_step, said)) for name in ("a", "b", "c")
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(first, last)
        await asyncio.wait([given_up])
        await _decide("d", in_step, said)

    _run(play)
    assert [each for each in said if each[0] != "b"] == [
        f"{name} {does}" for name in "acd" for does in _STAGES
    ]


def test_one_that_fails_leaves_its_place_to_others():
    said = Said()

    async def fail(in_step: InStep) -> None:
        with in_step.one_more():
            async with in_step:
                raise ValueError("a rule is wrong")

    async def play() -> None:
        in_step = InStep(at_once=1)
        failed = await asyncio.gather(fail(in_step), return_exceptions=True)
        assert isinstance(failed[0], ValueError)
        await asyncio.gather(*(_decide(name, in_step, said) for name in "ab"))

    _run(play)
    assert said == [f"{name} {does}" for name in "ab" for does in _STAGES]
