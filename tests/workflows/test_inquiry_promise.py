"""Two minutes on WhatsApp, asked for at the worst moments: a weekend, a holiday, another clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from engine.business_hours import holidays_in
from tests.support.hours import ALWAYS, office
from tests.support.inquiries import PROMISES
from workflows.fakes import a_bundle
from workflows.inquiry import LEAD
from workflows.testing import Customer, World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

BERLIN = ZoneInfo("Europe/Berlin")
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
FRIDAY = 4
ONE_TO_SIX = time(17, 59)
"""The desk closes at six."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    """A desk in Berlin, from nine to six on working days."""
    async with a_world() as one:
        care = replace(office(holidays="DE"), name="care")
        one.bundle = replace(
            a_bundle(),
            business_hours={"care": care, "around-the-clock": ALWAYS},
            service_clocks=PROMISES,
        )
        yield one


def on(day: date, clock: time) -> datetime:
    """A moment in Berlin, in UTC."""
    return datetime.combine(day, clock, BERLIN).astimezone(UTC)


def is_holiday(day: date) -> bool:
    return day in holidays_in("DE", day.year)


def fridays(after: datetime) -> list[date]:
    """The working Fridays of the next years."""
    days = [(after + number * DAY).astimezone(BERLIN).date() for number in range(1, 1_000)]
    return [day for day in days if day.weekday() == FRIDAY and not is_holiday(day)]


def before_a_holiday(after: datetime) -> tuple[datetime, datetime]:
    """17:59 on the next Friday with a holiday on Monday; and when the desk opens after it."""
    friday = next(day for day in fridays(after) if is_holiday(day + 3 * DAY))
    later = (friday + number * DAY for number in range(4, 9))
    return on(friday, ONE_TO_SIX), on(next(day for day in later if not is_holiday(day)), time(9))


def before_clocks_change(after: datetime) -> tuple[datetime, datetime]:
    """17:59 on a Friday before clocks are changed; and Monday, nine o'clock."""
    for friday in fridays(after):
        closes, opens = on(friday, time(18)), on(friday + 3 * DAY, time(9))
        changed = opens - closes != timedelta(days=2, hours=15)
        if changed and not is_holiday(friday + 3 * DAY):
            return on(friday, ONE_TO_SIX), opens
    raise AssertionError("clocks are no longer changed")


Find = Callable[[datetime], tuple[datetime, datetime]]
weekends = pytest.mark.parametrize("find", [before_a_holiday, before_clocks_change])


async def asked_at_the_last_minute(world: World, find: Find) -> tuple[Customer, datetime]:
    """A customer who wrote at 17:59, and when the desk opens again."""
    at, opens = find(await world.now())
    await world.pass_time(at - await world.now())
    customer = world.customer()
    await customer.has("message.received", channel="whatsapp", text="are you there?")
    (reply,) = (await customer.in_stage("inquiry", "open")).milestones
    late_by = reply.due - (opens + 60 * SECOND)
    assert abs(late_by) < 5 * SECOND, "a minute on Friday, a minute when they are back"
    assert customer.got == [], "somebody is still there"
    return customer, opens


async def pass_until(world: World, moment: datetime) -> None:
    await world.pass_time(moment - await world.now())


@weekends
async def test_nobody_is_late_over_the_weekend_and_a_reply_in_the_first_minute_is_in_time(
    world: World, find: Find
) -> None:
    customer, opens = await asked_at_the_last_minute(world, find)
    await pass_until(world, opens - 3_600 * SECOND)
    assert (await customer.progress("inquiry")).owner == "care desk"
    await pass_until(world, opens + 20 * SECOND)
    await customer.in_stage("inquiry", "due soon")
    await customer.has("agent.replied", channel="whatsapp")
    await customer.in_stage("inquiry", "with the customer")
    await world.pass_time(600 * SECOND)
    standing = await customer.progress("inquiry")
    assert not any("not kept" in words for words in standing.words)
    assert "inquiry-late" not in customer.got


@weekends
async def test_a_reply_that_is_not_there_a_minute_after_opening_is_late(
    world: World, find: Find
) -> None:
    customer, opens = await asked_at_the_last_minute(world, find)
    await pass_until(world, opens + 90 * SECOND)
    assert (await customer.in_stage("inquiry", "escalated")).owner == LEAD
    assert customer.got == ["inquiry-late"]


@weekends
async def test_who_writes_after_six_is_told_honestly_when_somebody_will_be_there(
    world: World, find: Find
) -> None:
    at, opens = find(await world.now())
    await world.pass_time(at + 120 * SECOND - await world.now())
    customer = world.customer()
    await customer.has("message.received", channel="whatsapp", text="are you there?")
    await customer.in_stage("inquiry", "open")
    assert customer.got == ["inquiry-out-of-hours"]
    asked = [one for one in world.engine.asked if one.customer == customer.reference]
    local = opens.astimezone(BERLIN)
    there = f"{local:%A} {local.day} {local:%B, 09:00 (%Z)}"
    assert asked[-1].context == {"somebody_there": there}
    await customer.has("message.received", channel="whatsapp", text="hello?")
    await world.pass_time(DAY)
    assert customer.got == ["inquiry-out-of-hours"], "once for each closing is enough"
    (reply,) = (await customer.progress("inquiry")).milestones
    assert abs(reply.due - (opens + 120 * SECOND)) < SECOND, "two minutes once they are back"


async def test_a_day_later_it_is_the_next_opening_that_is_told(world: World) -> None:
    at, opens = before_a_holiday(await world.now())
    await world.pass_time(at + 120 * SECOND - await world.now())
    customer = world.customer()
    await customer.has("message.received", channel="email", text="are you there?")
    await customer.in_stage("inquiry", "open")
    await pass_until(world, opens + 10 * 3_600 * SECOND)
    await customer.has("message.received", channel="email", text="still nobody?")
    await world.until(lambda: customer.got.count("inquiry-out-of-hours") == 2)
