"""Service clocks in a journey: each step at its time, moved by what happens in the case."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from engine.service_clocks import ClockState
from tests.support.hours import ALWAYS
from tests.support.promises import a_promise
from tests.support.walks import Promising
from workflows.fakes import a_bundle
from workflows.journey import Happening, Mark, Step, Target
from workflows.service_clocks import Clocks, begun
from workflows.testing import Act, Customer, World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASE = "promising"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
SOLUTION = a_promise(Target.FIRST_RESOLUTION, labels=("promising",))
ELSEWHERE = a_promise(Target.FIRST_RESPONSE, timedelta(minutes=1), name="elsewhere")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    """An hour for each case of this kind, with two levels; and a promise for others."""
    async with a_world(journeys=(Promising,)) as one:
        hours = {"care": replace(ALWAYS, name="care")}
        one.bundle = replace(a_bundle(), business_hours=hours, service_clocks=(ELSEWHERE, SOLUTION))
        yield one


async def a_case(world: World) -> Customer:
    customer = world.customer()
    await customer.starts(CASE)
    await customer.in_stage(CASE, "open")
    return customer


async def test_each_step_comes_at_its_time_and_waiting_for_the_customer_moves_it(
    world: World,
) -> None:
    customer = await a_case(world)
    await world.pass_time(10 * MINUTE)
    await customer.tells(CASE, "agent.replied")
    standing = await customer.says(CASE, "with the customer")
    assert standing.due is None, "while the customer is awaited nothing is due"
    await world.pass_time(DAY)
    await customer.tells(CASE, "message.received")
    await customer.says(CASE, "with us")
    await world.pass_time(36 * MINUTE)
    assert (await customer.says(CASE, "warn")).owner == "desk"
    await world.pass_time(15 * MINUTE)
    standing = await customer.says(CASE, "escalate first")
    assert standing.owner == "team-lead"
    assert any("breach" in words for words in standing.words)
    await world.pass_time(30 * MINUTE)
    assert (await customer.says(CASE, "escalate second")).owner == "head-of-care"
    await customer.operator(CASE, Act.CANCEL)


async def test_paused_by_an_operator_the_case_goes_on_where_its_clock_is(world: World) -> None:
    customer = await a_case(world)
    await customer.operator(CASE, Act.PAUSE)
    await world.pass_time(DAY)
    assert (await customer.progress(CASE)).owner == "desk"
    await customer.operator(CASE, Act.RESUME)
    assert (await customer.says(CASE, "escalate second")).owner == "head-of-care"
    await customer.operator(CASE, Act.CANCEL)


async def test_what_is_promised_to_others_does_not_hold_for_a_journey_that_it_does_not_name(
    world: World,
) -> None:
    customer = await a_case(world)
    assert (await customer.says(CASE, "promised: first resolution")).owner == "desk"
    await customer.operator(CASE, Act.CANCEL)


# The value


def at(minutes: int) -> datetime:
    return datetime.fromisoformat("2026-03-02T08:00:00+00:00") + minutes * MINUTE


def some_clocks() -> Clocks:
    """An answer in an hour, a solution in an hour."""
    promises = (a_promise(Target.FIRST_RESOLUTION, name="b"), a_promise(name="a"))
    return begun(promises, lambda name: replace(ALWAYS, name=name), at(0))


async def test_the_earliest_step_of_all_clocks_comes_first_and_only_once() -> None:
    clocks, seen = some_clocks(), list[tuple[str, Step, str]]()
    while tick := clocks.next_tick(at(0)):
        assert clocks.is_last(tick, at(0)) == (tick.due.level == "second")
        seen.append((tick.promise.name, tick.due.step, tick.due.level))
        clocks = clocks.taken(tick)
    assert seen == [
        *(("a", Step.WARN, ""), ("b", Step.WARN, "")),
        *(("a", Step.BREACH, ""), ("a", Step.ESCALATE, "first")),
        *(("b", Step.BREACH, ""), ("b", Step.ESCALATE, "first")),
        *(("a", Step.ESCALATE, "second"), ("b", Step.ESCALATE, "second")),
    ]


async def test_a_reply_ends_the_clock_of_the_first_response_and_no_other() -> None:
    clocks = some_clocks().heard(Mark(at(5), Happening.HUMAN_REPLIED))
    response = clocks.reading(Target.FIRST_RESPONSE, at(10))
    solution = clocks.reading(Target.FIRST_RESOLUTION, at(10))
    assert response is not None
    assert solution is not None
    assert (response.state, solution.state) == (ClockState.MET, ClockState.RUNNING)
    assert clocks.reading(Target.NEXT_RESPONSE, at(10)) is None
    tick = clocks.next_tick(at(10))
    assert tick is not None
    assert tick.promise.name == "b"


async def test_the_first_promise_for_a_target_holds() -> None:
    promises = (a_promise(name="of the bundle"), a_promise(name="usual"))
    clocks = begun(promises, lambda name: replace(ALWAYS, name=name), at(0))
    assert [one.promise.name for one in clocks.each] == ["of the bundle"]
